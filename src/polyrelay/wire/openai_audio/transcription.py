"""Reads a form that asks for a transcription or a translation; an upstream sees it with another model name at most."""

import msgspec

from polyrelay.exchange.call import Call
from polyrelay.exchange.operation import Operation
from polyrelay.exchange.upload import Stream, Upload
from polyrelay.exchange.usage import Usage
from polyrelay.kernel.errors import UnsupportedMedia
from polyrelay.wire import recording
from polyrelay.wire.hearing import Hearing
from polyrelay.wire.multipart.form import Form
from polyrelay.wire.openai_audio import fields
from polyrelay.wire.openai_audio.fields import Fields
from polyrelay.wire.openai_audio.transcription_replies import Events, Foreign, Json, Text
from polyrelay.wire.recording import Recording
from polyrelay.wire.spoken import AnyReply, Incoming, Sent, Upstream

FILE = "file"
_TEXTS = frozenset({"text", "srt", "vtt"})


class TranscriptionRequest(msgspec.Struct, frozen=True):
    """A form that keeps the contract. `asr` is the protocol in which it may be put instead."""

    form: Form
    upload: Upload
    call: Call
    fields: Fields
    recording: Recording
    asr: Hearing

    @property
    def operations(self) -> tuple[Operation, ...]:
        """See `spoken.Request`."""
        own = Operation.TRANSLATION if self.fields.wish.translate else Operation.TRANSCRIPTION
        return (own, Operation.ASR) if self.fields.plain else (own,)

    def outbound(self, operation: Operation, upstream: Upstream, model: str, cap: int | None) -> Sent:
        """See `spoken.Request`."""
        del upstream, cap
        form = self.form
        if operation is Operation.ASR:
            asked = self.asr.asked(self.fields.wish, form, self.recording.part, model)
            body = Stream(asked.body, self.upload)
            reply = Foreign(self.recording, self.fields, self.asr)
            return Sent(operation, body, reply, form.content_type, asked.query)
        changes = {} if model == self.call.model else {"model": model.encode()}
        return Sent(operation, Stream(form.edit(replace=changes), self.upload), self._reply(), form.content_type)

    def unstated(self, delivered: int, cap: int | None) -> Usage:
        """See `spoken.Request`."""
        del cap
        return self.recording.unstated(delivered)

    def _reply(self) -> AnyReply:
        whole = Text(self.recording) if self.fields.format in _TEXTS else Json(self.recording)
        return Events(self.recording, whole) if self.call.stream else whole


def read(incoming: Incoming, asr: Hearing, *, translate: bool) -> TranscriptionRequest:
    """Check the form and measure its recording. Raises `errors.Refusal` naming the field."""
    form, upload = incoming.form, incoming.upload
    if form is None or upload is None:
        raise UnsupportedMedia("Send the body as `content-type: multipart/form-data`.")
    asked = fields.read(form, translate=translate)
    part = recording.find(form, (FILE,))
    measured = recording.measure(part, upload, asked.wish.prompt or "")
    call = recording.call(asked.model, form, measured, stream=asked.stream, others=asked.voices)
    return TranscriptionRequest(form, upload, call, asked, measured, asr)
