"""Observes streams whose events name their type and end without `[DONE]`: images, speech, transcripts (WIRE 4.2, 4.3).

The last event of a stream is known by its type. It is kept back until the stream is closed, since the books are
written before it leaves; one that is followed by others after all (several images) leaves when they come.
"""

from abc import ABC, abstractmethod
from typing import Any

import msgspec

from polyrelay.exchange.usage import Usage
from polyrelay.kernel import bounds
from polyrelay.wire import charge, sse
from polyrelay.wire.spoken import Price

_DONE = b"[DONE]"


class Event(msgspec.Struct, gc=False):
    """The members of any event that are looked at. Media in it are skipped in C, not copied."""

    type: str = ""
    usage: dict[str, Any] | None = None
    error: Any = None
    delta: str | None = None
    text: str | None = None
    audio: msgspec.Raw = msgspec.Raw()
    end: Any = None
    size: Any = None
    quality: Any = None


_DECODER = msgspec.json.Decoder(Event)


class TypedTap(ABC):
    """Implements `spoken.Tap`. A subclass says which types are last, and reads usage and content."""

    def __init__(self, price: Price | None, frame_bytes: int = bounds.SSE_FRAME_BYTES) -> None:
        """`price` gives the charge for the usage so far as a JSON number: a last event then has it as `usage.cost`.
        `frame_bytes` is how long a frame may be.
        """
        self._price = price
        self._frame_bytes = frame_bytes
        self._framer = sse.Framer(frame_bytes)
        self._last = b""
        self._closed = False
        self.usage: Usage | None = None
        self.finish: str | None = None
        self.content_bytes = 0
        self.meaningful = False
        self.error: bytes | None = None
        self.garbled = False
        self.terminator: bytes | None = None

    @abstractmethod
    def is_last(self, event: Event) -> bool:
        """Whether the stream may end with it."""

    @abstractmethod
    def note(self, event: Event) -> None:
        """Keep what it says of `usage` and `content_bytes`."""

    def cut(self) -> Usage | None:
        """See `spoken.Tap`."""
        return self.usage

    @property
    def held_bytes(self) -> int:
        """See `spoken.Tap`."""
        return len(self._framer.pending) + len(self._last)

    @property
    def final(self) -> bool:
        """Whether a last event was seen, and none after it."""
        return bool(self._last)

    def feed(self, chunk: bytes) -> bytes:
        """The bytes to forward now: whole frames, but for one that may be the last. Raises `sse.FrameTooLongError`."""
        if self.terminator is not None:
            return b""
        data = None if self._framer.pending or len(chunk) > self._frame_bytes else sse.data_line(chunk)
        if data is not None:
            return self._frame(chunk, None, data)
        return b"".join([self._frame(frame, *sse.fields(frame)) for frame in self._framer.feed(chunk)])

    def close(self) -> bytes:
        """See `spoken.Tap`: what was kept back is the terminator."""
        rest = bytes(self._framer.pending)
        if self.terminator is None and self._last:
            self.terminator = self._last
        return rest if rest.strip() and self.terminator is None else b""

    def _frame(self, frame: bytes, name: bytes | None, data: bytes | None) -> bytes:
        """Observe one frame and return what of it, and of what was kept back, the client gets."""
        if self.terminator is not None:
            return b""
        if data is None:
            return frame if not self._last else b""
        if data.strip() == _DONE:
            self.terminator, self._last = self._last + frame, b""
            return b""
        before = self._let_go()
        event = self._event(data)
        if event is not None and not (event.error is not None or name == b"error" or event.type == "error"):
            return before + self._observe(frame, data, event)
        self.garbled = self.garbled or event is None
        if event is not None and self.error is None:
            self.error = data
        return before + frame

    def _observe(self, frame: bytes, data: bytes, event: Event) -> bytes:
        """What of a good event the client gets now."""
        self.meaningful = True
        self.note(event)
        if not self.is_last(event):
            return frame
        self.finish = event.type
        self._last = self._priced(frame, data, event)
        return b""

    def _event(self, data: bytes) -> Event | None:
        try:
            return _DECODER.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def _let_go(self) -> bytes:
        last, self._last = self._last, b""
        return last

    def _priced(self, frame: bytes, data: bytes, event: Event) -> bytes:
        if self._price is None or self.usage is None or event.usage is None:
            return frame
        return sse.replace_data(frame, data, charge.with_cost(data, self._price(self.usage)))
