# ruff: noqa: D102 - asyncio.Protocol and httptools say what their callbacks mean
"""The streaming client: opens streams on a fixed schedule, whatever the answers do, and times every event.

Run as a process of its own (`python -m load.sse`); the job comes as JSON on standard input, the result leaves as JSON
on standard output. `transit` is arrival minus the stamp the upstream put in the event; `stretch` is how much longer the
gap between two arrivals is than the gap between their stamps. Only the steady middle of the run, when all streams are
in flight, is timed; every event is counted.
"""

import asyncio
import contextlib
import gc
import json
import re
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import cast

import httptools
import uvloop

from load.bodies import chat, speech
from load.target import Target

_STAMP = re.compile(rb"@(\d+)@")
_DONE = b"data: [DONE]"
_NS_PER_MS = 1e6
_HTTP_OK = 200


@dataclass(frozen=True, slots=True)
class Job:
    """`streams` in flight at a time, `waves` times over, each `events` deltas of `pace_ms`, or chunks of speech."""

    target: Target
    streams: int
    waves: int
    pace_ms: int
    events: int
    patience_seconds: float
    spoken: bool = False

    @property
    def seconds(self) -> float:
        """How long one stream lasts when nothing slows it."""
        return self.pace_ms * self.events / 1000


@dataclass(slots=True)
class Tally:
    """What was seen. Times in milliseconds."""

    expected_events: int = 0
    events: int = 0
    finished: int = 0
    refused: int = 0
    first: list[float] = field(default_factory=list)
    transit: list[float] = field(default_factory=list)
    stretch: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """The tally as flat figures; percentiles by nearest rank."""
        shown: dict[str, float] = {
            "events": self.events,
            "dropped": self.expected_events - self.events,
            "finished": self.finished,
            "refused": self.refused,
        }
        for name in ("first", "transit", "stretch"):
            samples = sorted(getattr(self, name))
            for label, part in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
                if samples:
                    shown[f"{name}_{label}_ms"] = samples[min(int(part * len(samples)), len(samples) - 1)]
        return shown


class Stream(asyncio.Protocol):
    """One keep-alive connection that carries one stream after another."""

    def __init__(self, run: "Run") -> None:
        self.run = run
        self.transport: asyncio.Transport | None = None
        self.due = 0
        self.now = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def ask(self, due: int) -> None:
        """Send the request that was due at that monotonic nanosecond."""
        self.due = due
        self.parser = httptools.HttpResponseParser(self)
        self.rest = b""
        self.arrived = 0
        self.stamped = 0
        self.done = False
        if self.transport is not None:
            self.transport.write(self.run.request)

    def data_received(self, data: bytes) -> None:
        self.now = time.monotonic_ns()
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Whole events in what has come; the rest waits for more."""
        text, _, self.rest = (self.rest + body).rpartition(b"\n\n")
        for stamp in _STAMP.findall(text):
            self._event(int(stamp))
        if _DONE in text:
            self.done = True

    def _event(self, stamp: int) -> None:
        run, tally = self.run, self.run.tally
        steady = run.steady_from <= self.now <= run.steady_to
        tally.events += 1
        if not self.arrived:
            if run.steady_from <= self.due <= run.steady_to:
                tally.first.append((self.now - self.due) / _NS_PER_MS)
        elif steady:
            tally.stretch.append((self.now - self.arrived - stamp + self.stamped) / _NS_PER_MS)
        if steady:
            tally.transit.append((self.now - stamp) / _NS_PER_MS)
        self.arrived, self.stamped = self.now, stamp

    def on_message_complete(self) -> None:
        tally = self.run.tally
        if self.parser.get_status_code() != _HTTP_OK:
            tally.refused += 1
        elif self.done:
            tally.finished += 1
        self._end(reusable=self.parser.should_keep_alive())

    def _end(self, *, reusable: bool) -> None:
        self.due = 0
        self.run.end_one()
        if reusable:
            self.run.idle.append(self)
        elif self.transport is not None:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.transport = None
        if self.due:
            self._end(reusable=False)


class Run:
    """The schedule of one job."""

    def __init__(self, job: Job) -> None:
        body = speech(job.target.model) if job.spoken else chat(job.target.model, stream=True)
        self.job = job
        self.request = job.target.head(len(body)) + body
        self.tally = Tally(expected_events=job.streams * job.waves * job.events)
        self.idle: list[Stream] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.ended = 0
        self.over = asyncio.Event()
        self.began = 0
        self.steady_from = 0
        self.steady_to = 0

    async def play(self) -> None:
        """Open every stream at its time; wait for the last, not for ever."""
        loop = asyncio.get_running_loop()
        count = self.job.streams * self.job.waves
        self.began = time.monotonic_ns()
        one = round(self.job.seconds * 1e9)
        self.steady_from = self.began + (one if self.job.waves > 1 else 0)
        self.steady_to = self.began + one * (self.job.waves if self.job.waves > 1 else 2)
        start = loop.time()
        for number in range(count):
            offset = number * self.job.seconds / self.job.streams
            loop.call_at(start + offset, self._begin, self.began + round(offset * 1e9))
        limit = self.job.seconds * (self.job.waves + 1) + self.job.patience_seconds
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), limit)

    def end_one(self) -> None:
        """A stream has ended, however it did."""
        self.ended += 1
        if self.ended == self.job.streams * self.job.waves:
            self.over.set()

    def _begin(self, due: int) -> None:
        while self.idle:
            stream = self.idle.pop()
            if stream.transport is not None:
                stream.ask(due)
                return
        task = asyncio.get_running_loop().create_task(self._connect(due))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _connect(self, due: int) -> None:
        try:
            _, stream = await asyncio.get_running_loop().create_connection(
                lambda: Stream(self), "127.0.0.1", self.job.target.port
            )
        except OSError:
            self.tally.refused += 1
            self.end_one()
        else:
            stream.ask(due)


async def _main(job: Job) -> None:
    gc.freeze()
    gc.disable()
    run = Run(job)
    await run.play()
    sys.stdout.write(json.dumps(run.tally.figures()))
    sys.stdout.flush()


def dump(job: Job) -> str:
    """The job as the text that `__main__` reads."""
    return json.dumps(asdict(job))


if __name__ == "__main__":
    given = json.loads(sys.stdin.read())
    uvloop.run(_main(Job(**{**given, "target": Target(**given["target"])})))
