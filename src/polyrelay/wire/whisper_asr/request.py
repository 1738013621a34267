"""Reads a form with a recording and the query that says what is asked of it."""

import msgspec

from polyrelay.exchange.call import Call
from polyrelay.exchange.operation import Operation
from polyrelay.exchange.upload import Stream, Upload
from polyrelay.exchange.usage import Usage
from polyrelay.kernel.errors import InvalidRequest, UnsupportedMedia
from polyrelay.wire import recording, samples
from polyrelay.wire.hearing import Hearing
from polyrelay.wire.multipart.form import Form
from polyrelay.wire.recording import Recording
from polyrelay.wire.spoken import Incoming, Sent, Upstream
from polyrelay.wire.whisper_asr import query
from polyrelay.wire.whisper_asr.hearing import FILE, only
from polyrelay.wire.whisper_asr.query import Query
from polyrelay.wire.whisper_asr.replies import Foreign, Language, Native

LISTENED_SECONDS = 30
"""Of a recording, to tell its language: Whisper's window."""

_NAMES = (FILE, "file")


class AsrRequest(msgspec.Struct, frozen=True):
    """A request that keeps the contract. `openai` is the protocol in which it may be put instead."""

    form: Form
    upload: Upload
    call: Call
    query: Query
    recording: Recording
    openai: Hearing

    @property
    def operations(self) -> tuple[Operation, ...]:
        """See `spoken.Request`."""
        if not self.query.portable:
            return (Operation.ASR,)
        return Operation.ASR, Operation.TRANSLATION if self.query.wish.translate else Operation.TRANSCRIPTION

    def outbound(self, operation: Operation, upstream: Upstream, model: str, cap: int | None) -> Sent:
        """See `spoken.Request`."""
        del upstream, cap
        form, file, output = self.form, self.recording.part, self.query.output
        if operation is Operation.ASR:
            body = Stream(only(form, file.name), self.upload)
            return Sent(operation, body, Native(self.recording, output), form.content_type, self.query.passed)
        asked = self.openai.asked(self.query.wish, form, file, model, bare=not self.query.encode)
        reply = Foreign(self.recording, output, self.openai)
        return Sent(operation, Stream(asked.body, self.upload), reply, form.content_type, asked.query)

    def unstated(self, delivered: int, cap: int | None) -> Usage:
        """See `spoken.Request`."""
        del cap
        return self.recording.unstated(delivered)


class LanguageRequest(msgspec.Struct, frozen=True):
    """Which language a recording is in."""

    form: Form
    upload: Upload
    call: Call
    query: Query
    recording: Recording

    @property
    def operations(self) -> tuple[Operation, ...]:
        """See `spoken.Request`."""
        return (Operation.DETECT_LANGUAGE,)

    def outbound(self, operation: Operation, upstream: Upstream, model: str, cap: int | None) -> Sent:
        """See `spoken.Request`."""
        del upstream, model, cap
        body = Stream(only(self.form, self.recording.part.name), self.upload)
        return Sent(operation, body, Language(self.recording), self.form.content_type, self.query.passed)

    def unstated(self, delivered: int, cap: int | None) -> Usage:
        """See `spoken.Request`."""
        del cap
        return self.recording.unstated(delivered)


def read(incoming: Incoming, openai: Hearing) -> AsrRequest:
    """A transcription. Raises `errors.Refusal` naming the field."""
    form, upload, asked, heard = _read(incoming)
    return AsrRequest(form, upload, recording.call(asked.model, form, heard), asked, heard, openai)


def read_language(incoming: Incoming) -> LanguageRequest:
    """A question for the language. Raises `errors.Refusal` naming the field."""
    form, upload, asked, heard = _read(incoming)
    seconds = min(heard.length.seconds, LISTENED_SECONDS)
    heard = msgspec.structs.replace(
        heard, length=heard.length._replace(seconds=seconds), most=min(heard.most, LISTENED_SECONDS)
    )
    return LanguageRequest(form, upload, recording.call(asked.model, form, heard), asked, heard)


def _read(incoming: Incoming) -> tuple[Form, Upload, Query, Recording]:
    form, upload = incoming.form, incoming.upload
    if form is None or upload is None:
        raise UnsupportedMedia("Send the body as `content-type: multipart/form-data`.")
    asked = query.read(incoming.query)
    try:
        part = recording.find(form, _NAMES)
    except InvalidRequest as refusal:
        raise InvalidRequest(refusal.message, code=refusal.code, param=f"body.{refusal.param}") from None
    prompt = asked.wish.prompt or ""
    if asked.encode:
        return form, upload, asked, recording.measure(part, upload, prompt)
    return form, upload, asked, recording.exact(part, part.size / samples.BYTES_A_SECOND, prompt)
