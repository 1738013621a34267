"""Observes a stream of a transcript: pieces of text, phrases by speaker, and the whole at the end."""

from polyrelay.exchange.usage import Usage
from polyrelay.wire import transcripts
from polyrelay.wire.openai_audio import heard
from polyrelay.wire.recording import Recording
from polyrelay.wire.spoken import Price
from polyrelay.wire.typed_events import Event, TypedTap

_DELTA = "transcript.text.delta"
_DONE = "transcript.text.done"


class TranscriptTap(TypedTap):
    """`content_bytes` are those of the pieces, the phrases or the whole, whichever are most: they repeat each other."""

    def __init__(self, recording: Recording, price: Price | None) -> None:
        super().__init__(price)
        self._recording = recording
        self._written = self._phrased = 0
        self._end = 0.0
        self._pieces = 0
        self._phrases = 0

    def cut(self) -> Usage | None:
        """See `spoken.Tap`."""
        return self.usage or self._recording.cut(max(self._written, self._phrased), self.content_bytes, self._end)

    def is_last(self, event: Event) -> bool:
        """The `done` event."""
        return event.type == _DONE

    def note(self, event: Event) -> None:
        """Count the text; the whole of it comes with its usage, as a rule."""
        text = event.text or ""
        size = len(text.encode())
        if event.type == _DONE:
            self.content_bytes = max(self.content_bytes, size)
            self.usage = heard.usage(event.usage, text, self._recording)
            return
        delta = event.delta or ""
        self._pieces += len(delta.encode())
        self._phrases += size
        self._written += len(delta)
        self._phrased += len(text)
        self._end = max(self._end, transcripts.seconds(event.end) or 0.0)
        self.content_bytes = max(self._pieces, self._phrases)
