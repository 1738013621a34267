"""How speech is taken: the sound itself as it comes, or events that carry it."""

import msgspec

from polyrelay.exchange.usage import Usage
from polyrelay.wire.openai_audio.said import Said
from polyrelay.wire.spoken import BytesReply, EventReply, Price
from polyrelay.wire.typed_events import Event, TypedTap

_DELTA = "speech.audio.delta"
_DONE = "speech.audio.done"


class Sound(BytesReply):
    """Bytes of sound."""

    media = frozenset({b"audio/", b"application/octet-stream", b"binary/octet-stream"})

    def __init__(self, said: Said) -> None:
        self._said = said

    def measure(self, head: bytes, tail: bytes, size: int) -> Usage:
        """See `Said.measured`."""
        return self._said.measured(head, tail, size)

    def cut(self, head: bytes, tail: bytes, size: int) -> Usage:
        """See `Said.cut`."""
        return self._said.cut(head, tail, size)


class Events(EventReply):
    """`speech.audio.delta` as often as it takes, then `speech.audio.done`."""

    def __init__(self, said: Said) -> None:
        self._said = said

    def tap(self, price: Price | None) -> "SpeechTap":
        """A tap for one answer."""
        return SpeechTap(self._said, price)


class SpeechTap(TypedTap):
    """`content_bytes` are those of the sound."""

    def __init__(self, said: Said, price: Price | None) -> None:
        super().__init__(price)
        self._said = said

    def cut(self) -> Usage | None:
        """See `spoken.Tap`. Tokens that were stated are charged as they are."""
        part, stated = self._said.cut_by_size(self.content_bytes), self.usage
        if stated is None:
            return part
        return msgspec.structs.replace(
            part, input_text=stated.input_text, output_audio=stated.output_audio, estimated=False
        )

    def is_last(self, event: Event) -> bool:
        """The `done` event."""
        return event.type == _DONE

    def note(self, event: Event) -> None:
        """Count the sound; base64 has four characters for three bytes, and two quotes around them."""
        if event.type == _DELTA:
            self.content_bytes += max(len(event.audio) - len('""'), 0) * 3 // 4
        self.usage = self._said.stated(event.usage, self.content_bytes) or self.usage
