"""Reads a JSON request for images and splices the few bytes an upstream must see differently."""

import msgspec

from polyrelay.exchange.call import Call
from polyrelay.exchange.operation import Operation
from polyrelay.exchange.usage import Usage
from polyrelay.wire import members, openai_json, outline
from polyrelay.wire.members import Edit, Span
from polyrelay.wire.openai_images import media, replies, schema
from polyrelay.wire.openai_images.contract import Contract
from polyrelay.wire.openai_images.schema import ImageForm, Reference, ReferringEdit
from polyrelay.wire.openai_images.usage import Asked
from polyrelay.wire.outline import Outline
from polyrelay.wire.spoken import Sent, Upstream

_EXTRAS = frozenset({"source"})


class ImageRequest(msgspec.Struct, frozen=True, gc=False):
    """A request that keeps the contract.

    `named` is the model in the body, None where the relay has to write one in. `text` is the outline of `body`; `spans`
    and `removals` are in its coordinates until `splice` maps them back.
    """

    body: bytes
    call: Call
    asked: Asked
    operations: tuple[Operation, ...]
    named: str | None
    text: Outline
    spans: dict[str, Span]
    removals: tuple[Edit, ...]

    def outbound(self, operation: Operation, upstream: Upstream, model: str, cap: int | None) -> Sent:
        """See `spoken.Request`. There is no cap to tell."""
        del upstream, cap
        return Sent(operation, self.splice(model), replies.of(self.call, self.asked, operation))

    def unstated(self, delivered: int, cap: int | None) -> Usage:
        """See `spoken.Request`."""
        del delivered, cap
        return self.asked.unstated

    def splice(self, model: str) -> bytes:
        """The body for an upstream that knows the model as `model`; the very object when nothing changes, else one
        copy. Billing extras are left out. Every other byte is the client's own.
        """
        edits = list(self.removals)
        if model != self.named:
            edits.append(self._model(msgspec.json.encode(model)))
        if not edits:
            return self.body
        edits.sort()
        if self.text.positions:
            locate = self.text.locate
            edits = [(locate(start), locate(end), new) for start, end, new in edits]
        return members.splice(self.body, edits)

    def _model(self, name: bytes) -> Edit:
        if "model" in self.spans:
            _, start, end = self.spans["model"]
            return start, end, name
        _, _, end = self.spans["prompt"]
        return end, end, b',"model":' + name


def read(body: bytes, contract: Contract) -> ImageRequest:
    """Check `body` against `contract` and find what may have to change.

    Raises `errors.InvalidRequest` naming the field.
    """
    text = outline.make(body)
    spans = openai_json.scan(text.text)
    unknown = openai_json.unknown(spans, contract.fields, contract.lookalikes)
    marked = text.marked() if text.positions else None
    form = openai_json.decode(contract.decoder, marked.text if marked else text.text, schema.SUPPORTED)
    references = media.references(text.text, spans, unknown, _referred(form), marked)
    call, asked = contract.understood(form, len(body), references)
    removals = tuple(members.without(spans, _EXTRAS)) if contract.billed else ()
    return ImageRequest(body, call, asked, (contract.operation,), form.model, text, spans, removals)


def _referred(form: ImageForm) -> list[Reference]:
    if not isinstance(form, ReferringEdit):
        return []
    return [*form.images, form.mask] if form.mask is not None else form.images
