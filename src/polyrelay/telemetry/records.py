"""One line for each exchange, written beside the requests and not within them."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, TextIO

import msgspec

from polyrelay.kernel.clock import Clock
from polyrelay.service.ports import Record
from polyrelay.telemetry.logs import printable, timestamp
from polyrelay.telemetry.redact import Redactor

_log = logging.getLogger(__name__)

CAPACITY = 16384
"""Records held between two batches: half a second at 32 000 requests per second, 16 MB at most."""

SLICE = 16
"""Lines made before the loop gets its turn: about 0.15 ms."""

INTERVAL_SECONDS = 0.5
"""Between batches: lines soon enough for someone watching, and one write for many of them."""

_encode = msgspec.json.Encoder().encode


class Finished(NamedTuple):
    """A record and when it came in (seconds since the epoch)."""

    at: float
    record: Record


class RecordLog:
    """The `Records` port: a bounded queue that `run` empties in batches.

    `form` makes a line of a record, on the event loop and a few at a time: a second thread of Python would hold the
    loop up by whole switch intervals (5 ms). `write` takes the text of a batch in a thread, since it may block; a batch
    it fails on is lost, and the log says so.
    """

    def __init__(
        self,
        form: Callable[[Finished], str],
        write: Callable[[str], None],
        clock: Clock,
        *,
        capacity: int = CAPACITY,
    ) -> None:
        self._form = form
        self._write = write
        self._clock = clock
        self._capacity = capacity
        self._queue: deque[Finished] = deque(maxlen=capacity)
        self._reported = 0
        self.dropped = 0

    def add(self, record: Record) -> None:
        """Take a record; the oldest one gives way when the queue is full, and counts in `dropped`."""
        if len(self._queue) == self._capacity:
            self.dropped += 1
        self._queue.append(Finished(self._clock.wall(), record))

    async def run(self, interval: float = INTERVAL_SECONDS) -> None:
        """Write a batch every `interval` seconds until cancelled, then what is left."""
        lines: list[str] = []
        try:
            while True:
                await asyncio.sleep(interval)
                for _ in range(0, len(self._queue), SLICE):
                    lines += self._lines(SLICE)
                    await asyncio.sleep(0)
                if lines:
                    batch, lines = lines, []
                    await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self._write_batch, batch))
        finally:
            if lines:
                self._write_batch(lines)
            self.flush()

    def flush(self) -> None:
        """Write what is queued, now and here."""
        lines = self._lines(self._capacity)
        if lines:
            self._write_batch(lines)

    def _lines(self, most: int) -> list[str]:
        """The next lines, oldest first."""
        queue, form = self._queue, self._form
        return [form(queue.popleft()) for _ in range(min(most, len(queue)))]

    def _write_batch(self, lines: Sequence[str]) -> None:
        try:
            self._write("\n".join(lines) + "\n")
        except (OSError, ValueError):
            _log.exception("%d exchange records could not be written", len(lines))
        if self.dropped > self._reported:
            _log.warning("%d exchange records were dropped: they came faster than they could be written", self.dropped)
            self._reported = self.dropped


class NoRecords:
    """The `Records` port when `[log] exchanges` is off."""

    def add(self, record: Record) -> None:
        """Forget it."""


class Lines:
    """Makes lines of records, JSON or for people, redacted."""

    def __init__(self, redactor: Redactor, *, as_json: bool) -> None:
        self._redactor = redactor
        self._form = json_line if as_json else console_line

    def __call__(self, finished: Finished) -> str:
        """The line, redacted when what others wrote into it needs it: all else in it are our own words and numbers."""
        foreign = _foreign(finished.record)
        line = self._form(finished)
        return line if self._redactor.redact(foreign) == foreign else self._redactor.redact(line)


def writer(stream: TextIO) -> Callable[[str], None]:
    """Writes text to `stream` at once."""

    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    return write


def _foreign(record: Record) -> str:
    """What clients and vendors chose of a record."""
    billing = record.billing
    chosen = (record.label, record.model, record.finish, billing.group_id if billing else None)
    return " ".join([text for text in chosen if text])


class Line(msgspec.Struct, gc=False):
    """A record as a line of JSON. Names are stable; tokens are totals, cached and reasoning ones in them."""

    time: str
    exchange: str
    label: str | None
    surface: str
    account: str | None
    key_id: str | None
    model: str | None
    channel: str | None
    status: int
    outcome: str
    attempts: int
    seconds: float
    first_token: float | None
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    estimated: bool | None
    finish: str | None
    error: str | None
    billing_group: str | None
    source: str | None
    level: str = "info"
    logger: str = "polyrelay.exchange"


def json_line(finished: Finished) -> str:
    """One JSON object, see `Line`."""
    record = finished.record
    usage, billing = record.usage, record.billing
    line = Line(
        time=timestamp(finished.at),
        exchange=record.exchange,
        label=record.label,
        surface=record.surface,
        account=record.account,
        key_id=record.key,
        model=record.model,
        channel=record.channel,
        status=record.status,
        outcome=record.outcome.value,
        attempts=record.attempts,
        seconds=round(record.seconds, 6),
        first_token=None if record.first_token is None else round(record.first_token, 6),
        input_tokens=usage.input_tokens if usage else None,
        cached_tokens=usage.cached_read if usage else None,
        output_tokens=usage.output_tokens if usage else None,
        reasoning_tokens=usage.reasoning if usage else None,
        estimated=usage.estimated if usage else None,
        finish=record.finish,
        error=record.error,
        billing_group=billing.group_id if billing else None,
        source=billing.source if billing else None,
    )
    return _encode(line).decode("utf-8")


def console_line(finished: Finished) -> str:
    """One line for people; what is unknown is left out. Line ends in it are escaped, so that it stays one."""
    record = finished.record
    parts = [
        timestamp(finished.at)[11:19],
        str(record.status),
        record.outcome.value,
        record.model or "-",
        f"via {record.channel}" if record.channel else "",
        f"{record.seconds:.3f}s",
        f"first {record.first_token:.3f}s" if record.first_token is not None else "",
        f"in {record.usage.input_tokens} out {record.usage.output_tokens}" if record.usage else "",
        f"attempts {record.attempts}" if record.attempts > 1 else "",
        record.account or "",
        record.exchange,
        record.error or "",
    ]
    return printable(" ".join(part for part in parts if part)).replace("\n", "\\n").replace("\t", "\\t")
