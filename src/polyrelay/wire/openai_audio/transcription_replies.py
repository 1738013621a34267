"""How a transcript is taken: as JSON, as a text, as events; or from an upstream of another protocol, and told anew."""

from polyrelay.exchange.transcript import Transcript
from polyrelay.kernel import bounds
from polyrelay.wire import charge, subtitles
from polyrelay.wire.hearing import Hearing
from polyrelay.wire.openai_audio import heard, rendering
from polyrelay.wire.openai_audio.fields import Fields
from polyrelay.wire.openai_audio.transcription_tap import TranscriptTap
from polyrelay.wire.recording import Recording
from polyrelay.wire.spoken import EVENTS, JSON, EventReply, Price, Seen, WholeReply


class Json(WholeReply):
    """`json`, `verbose_json` or `diarized_json`: one object."""

    media = frozenset({JSON})

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def observe(self, body: bytes) -> Seen:
        """See `heard.observe`."""
        return heard.observe(body, self._recording)

    def rendered(self, body: bytes, cost: bytes | None) -> bytes:
        """The vendor's own bytes, with the charge when it is asked for."""
        return body if cost is None else charge.with_cost(body, cost)

    def media_type(self, stated: bytes) -> bytes:
        """JSON, however the vendor called it."""
        del stated
        return JSON


class Text(WholeReply):
    """`text`, `srt` or `vtt`: a body of plain text. Some servers send JSON all the same."""

    media = frozenset(
        {JSON, b"text/plain", b"text/vtt", b"text/srt", b"application/x-subrip", b"application/octet-stream"}
    )

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def observe(self, body: bytes) -> Seen:
        """Text is taken for what it is; there is no telling whether it is wrong."""
        if not body:
            return Seen(empty=True)
        if body.lstrip()[:1] == b"{":
            seen = heard.observe(body, self._recording)
            if not seen.garbled:
                return seen
        text = body.decode("utf-8", "replace")
        end = subtitles.last_end(body)
        usage = self._recording.usage("" if end else text, end)
        return Seen(heard.with_text(usage, len(body)), content_bytes=len(body))

    def media_type(self, stated: bytes) -> bytes:
        """As the vendor called it."""
        return stated or b"text/plain; charset=utf-8"


class Events(EventReply):
    """`transcript.text.delta` and `transcript.text.segment`, then `transcript.text.done`.

    Whisper-1 overlooks that a stream was asked for, and answers with one object: it is told as events.
    """

    def __init__(self, recording: Recording, whole: WholeReply) -> None:
        """`whole` is how the answer to the same request without a stream is taken."""
        self._recording = recording
        self.whole = Retold(whole)

    def tap(self, price: Price | None) -> TranscriptTap:
        """A tap for one answer."""
        return TranscriptTap(self._recording, price)


class Retold(WholeReply):
    """A whole answer, told as events."""

    rewritten = True
    kept_bytes = bounds.SSE_FRAME_BYTES

    def __init__(self, whole: WholeReply) -> None:
        self._whole = whole
        self.media = whole.media

    def observe(self, body: bytes) -> Seen:
        """As it is observed untold."""
        return self._whole.observe(body)

    def rendered(self, body: bytes, cost: bytes | None) -> bytes:
        """See `rendering.events_of`."""
        return rendering.events_of(self._whole.rendered(body, cost))

    def media_type(self, stated: bytes) -> bytes:
        """Events."""
        del stated
        return EVENTS


class Foreign(WholeReply):
    """The answer of an upstream of another protocol, rendered in the format that was asked for."""

    rewritten = True
    kept_bytes = bounds.SSE_FRAME_BYTES

    def __init__(self, recording: Recording, fields: Fields, hearing: Hearing) -> None:
        self._recording = recording
        self._fields = fields
        self._hearing = hearing

    def observe(self, body: bytes) -> Seen:
        """What was heard."""
        found = self._hearing.heard(body)
        if found is None:
            return Seen(garbled=True)
        usage = self._recording.usage(found.text, found.end)
        return Seen(usage, content_bytes=len(found.text.encode()))

    def words(self, body: bytes) -> str | None:
        """As the other protocol has them."""
        return self._hearing.words(body)

    def rendered(self, body: bytes, cost: bytes | None) -> bytes:
        """The transcript in this protocol's words. Its usage is not stated, so there is nothing to tell `cost` in."""
        del cost
        found = self._hearing.heard(body) or Transcript("")
        return rendering.rendered(found, self._fields, self._recording)

    def media_type(self, stated: bytes) -> bytes:
        """What was asked for."""
        del stated
        return rendering.media_type(self._fields)
