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

INTERVAL_SECONDS = 0.5
"""Between batches: lines soon enough for someone watching, and one write for many of them."""

_encode = msgspec.json.Encoder().encode


class Finished(NamedTuple):
    """A record and when it came in (seconds since the epoch)."""

    at: float
    record: Record


class RecordLog:
    """The `Records` port: a bounded queue that `run` empties in batches through `write`.

    `write` is called outside the event loop and may block; a batch it fails on is lost, and the log says so.
    """

    def __init__(self, write: Callable[[Sequence[Finished]], None], clock: Clock, *, capacity: int = CAPACITY) -> None:
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
        try:
            while True:
                await asyncio.sleep(interval)
                batch = self._take()
                if batch:
                    await asyncio.to_thread(self._write_batch, batch)
        finally:
            self.flush()

    def flush(self) -> None:
        """Write what is queued, now and here."""
        batch = self._take()
        if batch:
            self._write_batch(batch)

    def _take(self) -> list[Finished]:
        batch = list(self._queue)
        self._queue.clear()
        return batch

    def _write_batch(self, batch: Sequence[Finished]) -> None:
        try:
            self._write(batch)
        except (OSError, ValueError):
            _log.exception("%d exchange records could not be written", len(batch))
        if self.dropped > self._reported:
            _log.warning("%d exchange records were dropped: they came faster than they could be written", self.dropped)
            self._reported = self.dropped


class NoRecords:
    """The `Records` port when `[log] exchanges` is off."""

    def add(self, record: Record) -> None:
        """Forget it."""


class LineWriter:
    """Writes batches as lines, JSON or for people, redacted."""

    def __init__(self, stream: TextIO, redactor: Redactor, *, as_json: bool) -> None:
        self._stream = stream
        self._redactor = redactor
        self._format = json_line if as_json else console_line

    def __call__(self, batch: Sequence[Finished]) -> None:
        """One write for the whole batch."""
        form, redact = self._format, self._redactor.redact
        self._stream.write("".join([redact(form(finished)) + "\n" for finished in batch]))
        self._stream.flush()


def json_line(finished: Finished) -> str:
    """One JSON object. Names are stable; tokens are totals, with the cached and the reasoning part beside them."""
    record = finished.record
    usage, billing = record.usage, record.billing
    return _encode(
        {
            "time": timestamp(finished.at),
            "level": "info",
            "logger": "polyrelay.exchange",
            "exchange": record.exchange,
            "label": record.label,
            "surface": record.surface,
            "account": record.account,
            "key_id": record.key,
            "model": record.model,
            "channel": record.channel,
            "status": record.status,
            "outcome": record.outcome.value,
            "attempts": record.attempts,
            "seconds": round(record.seconds, 6),
            "first_token": None if record.first_token is None else round(record.first_token, 6),
            "input_tokens": usage and usage.input_tokens,
            "cached_tokens": usage and usage.cached_read,
            "output_tokens": usage and usage.output_tokens,
            "reasoning_tokens": usage and usage.reasoning,
            "estimated": usage and usage.estimated,
            "finish": record.finish,
            "error": record.error,
            "billing_group": billing and billing.group_id,
            "source": billing and billing.source,
        }
    ).decode("utf-8")


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
