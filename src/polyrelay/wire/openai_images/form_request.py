"""Reads a form (multipart/form-data) with images to be edited or varied. Its files are passed on, never looked at."""

import msgspec

from polyrelay.exchange.call import Call, References
from polyrelay.exchange.operation import Operation
from polyrelay.exchange.upload import Stream, Upload
from polyrelay.exchange.usage import Usage
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import forms
from polyrelay.wire.multipart.form import Form, Part
from polyrelay.wire.openai_images import replies, schema
from polyrelay.wire.openai_images.contract import Contract
from polyrelay.wire.openai_images.schema import ImageForm
from polyrelay.wire.openai_images.usage import Asked
from polyrelay.wire.spoken import Sent, Upstream

_IMAGES = ("image", "image[]")
_MASK = "mask"
_EXTRAS = ("source",)


class FormRequest(msgspec.Struct, frozen=True, gc=False):
    """A request that keeps the contract. `named` is the model in the form, None where the relay has to write one in."""

    form: Form
    upload: Upload
    call: Call
    asked: Asked
    operations: tuple[Operation, ...]
    named: str | None

    def outbound(self, operation: Operation, upstream: Upstream, model: str, cap: int | None) -> Sent:
        """See `spoken.Request`. There is no cap to tell."""
        del upstream, cap
        replace = {} if model == self.named else {"model": model.encode()}
        drop = _EXTRAS if self.call.billing is not None else ()
        body = Stream(self.form.edit(replace=replace, drop=drop), self.upload)
        return Sent(operation, body, replies.of(self.call, self.asked, operation), self.form.content_type)

    def unstated(self, delivered: int, cap: int | None) -> Usage:
        """See `spoken.Request`."""
        del delivered, cap
        return self.asked.unstated


def read(form: Form, upload: Upload, contract: Contract) -> FormRequest:
    """Check `form` against `contract`. Raises `errors.InvalidRequest` naming the field."""
    said = _said(form, contract)
    most = schema.MOST_REFERENCES if contract.operation is Operation.IMAGE_EDIT else 1
    _check_files([part for name in _IMAGES for part in form.named(name)], "image", 1, most)
    _check_files(form.named(_MASK), _MASK, 0, 1)
    texts = [part.size for part in form.parts if not part.is_file]
    # What frames the parts is no text either: an estimate of the prompt's tokens would be several times too high.
    references = References(images=len(form.parts) - len(texts), inline_bytes=form.size - sum(texts))
    call, asked = contract.understood(said, form.size, references)
    return FormRequest(form, upload, call, asked, (contract.operation,), said.model)


def _said(form: Form, contract: Contract) -> ImageForm:
    values = {name: value for name in contract.fields if (value := form.text(name)) is not None}
    said, _ = forms.checked(values, contract.kind, schema.SUPPORTED, written=True)
    return said


def _check_files(parts: list[Part], name: str, least: int, most: int) -> None:
    if len(parts) < least:
        raise forms.missing(name)
    if len(parts) > most:
        message = f"Invalid '{name}': too many files. Expected at most {most}."
        raise InvalidRequest(message, code="array_above_max_length", param=name)
    if any(not part.is_file for part in parts):
        message = f"Invalid type for '{name}': expected a file, but got a field without a file name instead."
        raise InvalidRequest(message, code="invalid_type", param=name)
