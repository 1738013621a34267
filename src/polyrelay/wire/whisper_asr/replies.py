"""How the service's answers are taken: as they are, or made from the transcript of another protocol's upstream."""

from typing import Any
from urllib.parse import quote

import msgspec

from polyrelay.exchange import guess
from polyrelay.exchange.transcript import Transcript
from polyrelay.kernel import bounds
from polyrelay.wire import subtitles, transcripts
from polyrelay.wire.hearing import Hearing
from polyrelay.wire.recording import Recording
from polyrelay.wire.spoken import JSON, HeaderPairs, Seen, WholeReply
from polyrelay.wire.whisper_asr import rendering
from polyrelay.wire.whisper_asr.query import Output

TEXT = b"text/plain; charset=utf-8"
"""Of every output, JSON included (WIRE 4.5)."""

ENGINE = b"openai_api"
"""`Asr-Engine` of an answer that no engine of the service gave."""

_PASSED = frozenset({b"asr-engine", b"content-disposition"})
_MAY_BE_EMPTY: frozenset[Output] = frozenset({"txt", "srt"})
"""Outputs that silence leaves without a byte."""

_LANGUAGE = msgspec.json.Decoder(dict[str, Any])


class Native(WholeReply):
    """The answer of such a service to a client of it."""

    media = frozenset({b"text/plain", b"text/vtt", b"text/tab-separated-values", b"application/x-subrip", JSON})
    passed = _PASSED

    def __init__(self, recording: Recording, output: Output) -> None:
        self._recording = recording
        self._output: Output = output

    def observe(self, body: bytes) -> Seen:
        """The text, as far as it shows how long the recording is."""
        if not body.strip() and self._output not in _MAY_BE_EMPTY:
            return Seen(empty=True)
        if self._output == "json":
            found = transcripts.read(body)
            return Seen(garbled=True) if found is None else _seen(found, self._recording)
        end = subtitles.last_end(body) if self._output != "txt" else 0.0
        text = body.decode("utf-8", "replace") if self._output == "txt" else ""
        used = self._recording.usage(text, end)
        used = msgspec.structs.replace(used, output_text=guess.tokens(len(body)))
        return Seen(used, content_bytes=len(body))

    def media_type(self, stated: bytes) -> bytes:
        """As the service called it."""
        return stated or TEXT


class Foreign(WholeReply):
    """The answer of an upstream of another protocol, rendered in the output that was asked for."""

    media = frozenset({JSON})
    rewritten = True
    kept_bytes = bounds.SSE_FRAME_BYTES

    def __init__(self, recording: Recording, output: Output, hearing: Hearing) -> None:
        self._recording = recording
        self._output: Output = output
        self._hearing = hearing

    def observe(self, body: bytes) -> Seen:
        """What was heard."""
        found = self._hearing.heard(body)
        return Seen(garbled=True) if found is None else _seen(found, self._recording)

    def words(self, body: bytes) -> str | None:
        """As the other protocol has them."""
        return self._hearing.words(body)

    def rendered(self, body: bytes, cost: bytes | None) -> bytes:
        """The transcript as the service would write it."""
        del cost
        return rendering.rendered(self._hearing.heard(body) or Transcript(""), self._output)

    def media_type(self, stated: bytes) -> bytes:
        """Plain text."""
        del stated
        return TEXT

    def headers(self) -> HeaderPairs:
        """The service's own (WIRE 4.5)."""
        name = quote(self._recording.part.head.filename or "")
        disposition = f'attachment; filename="{name}.{self._output}"'
        return (b"asr-engine", ENGINE), (b"content-disposition", disposition.encode("ascii"))


class Language(WholeReply):
    """Which language is spoken."""

    media = frozenset({JSON, b"text/plain"})

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def observe(self, body: bytes) -> Seen:
        """An object that names one."""
        if not body.strip():
            return Seen(empty=True)
        try:
            found = _LANGUAGE.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Seen(garbled=True)
        return Seen(self._recording.usage(""), garbled="language_code" not in found)


def _seen(found: Transcript, recording: Recording) -> Seen:
    used = recording.usage(found.text, found.end, found.duration)
    return Seen(used, content_bytes=len(found.text.encode()))
