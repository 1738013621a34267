"""Reads a request for speech; an upstream sees it with another model name at most."""

from math import ceil

import msgspec

from polyrelay.exchange import sound
from polyrelay.exchange.call import Call, Demand
from polyrelay.exchange.operation import Operation
from polyrelay.exchange.usage import Usage
from polyrelay.wire import members, openai_json
from polyrelay.wire.members import Span
from polyrelay.wire.openai_audio import schema
from polyrelay.wire.openai_audio.said import Said
from polyrelay.wire.openai_audio.speech_replies import Events, Sound
from polyrelay.wire.spoken import Sent, Upstream

_LOOKALIKES = {name.casefold(): name for name in schema.FIELDS}


class SpeechRequest(msgspec.Struct, frozen=True, gc=False):
    """A request that keeps the contract. `model` is where its name stands in `body`."""

    body: bytes
    call: Call
    model: Span
    said: Said

    @property
    def operations(self) -> tuple[Operation, ...]:
        """See `spoken.Request`."""
        return (Operation.SPEECH,)

    def outbound(self, operation: Operation, upstream: Upstream, model: str, cap: int | None) -> Sent:
        """See `spoken.Request`."""
        del upstream, cap
        body = self.body
        if model != self.call.model:
            _, start, end = self.model
            body = members.splice(body, [(start, end, msgspec.json.encode(model))])
        return Sent(operation, body, Events(self.said) if self.call.stream else Sound(self.said))

    def unstated(self, delivered: int, cap: int | None) -> Usage:
        """See `spoken.Request`. The text counts in full, as it has been read by then."""
        del cap
        return self.said.by_size(delivered)


def read(body: bytes) -> SpeechRequest:
    """Check `body` against the contract. Raises `errors.InvalidRequest` naming the field."""
    spans = openai_json.scan(body)
    openai_json.unknown(spans, schema.FIELDS, _LOOKALIKES)
    form = openai_json.decode(schema.DECODER, body, schema.SUPPORTED)
    characters = len(form.input)
    most = sound.most_spoken(characters, form.speed or 1.0)
    call = Call(
        form.model,
        form.stream_format == "sse",
        len(body),
        max_output=ceil(most * sound.MOST_SPOKEN_TOKENS_A_SECOND),
        demand=Demand(seconds=ceil(most), characters=characters),
        capped=False,
    )
    text = form.input + (form.instructions or "")
    return SpeechRequest(
        body,
        call,
        spans["model"],
        Said(
            characters,
            len(text.encode()),
            form.response_format or "mp3",
            sound.usually_spoken(form.input, form.speed or 1.0),
        ),
    )
