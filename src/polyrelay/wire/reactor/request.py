"""Reads a ReActor request. What reads or writes files of the server is refused, and left out where it asks for none."""

import msgspec

from polyrelay.exchange.call import Call, Demand
from polyrelay.exchange.operation import Operation
from polyrelay.exchange.usage import ImageCount, Usage
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import inline_images, members, objects, outline, places, violations
from polyrelay.wire.members import Span
from polyrelay.wire.outline import Outline
from polyrelay.wire.reactor import schema
from polyrelay.wire.spoken import JSON, Seen, Sent, Upstream, WholeReply

MODEL = "reactor"
"""By which requests are routed and priced. Their own `model` is the name of a file, and theirs to choose."""

KEPT_BYTES = 64 * 1024 * 1024
"""Most bytes of an answer that are taken off the server's hands before any of them leaves: one of 16 megapixels."""

_FILES = frozenset({"save_to_file", "result_file_path", "source_folder"})
_FACE_MODEL = 1
_ONE_IMAGE = (ImageCount(None, None, 1),)


class SwapRequest(msgspec.Struct, frozen=True, gc=False):
    """A request that keeps the contract; `text` is the outline of `body`, and `spans` are of its members."""

    body: bytes
    call: Call
    text: Outline
    spans: dict[str, Span]

    @property
    def operations(self) -> tuple[Operation, ...]:
        """See `spoken.Request`."""
        return (Operation.REACTOR,)

    def outbound(self, operation: Operation, upstream: Upstream, model: str, cap: int | None) -> Sent:
        """See `spoken.Request`. A channel's own name of the model is the file to use where the request names none."""
        del upstream, cap
        edits = members.without(self.spans, _FILES)
        if model != MODEL and "model" not in self.spans:
            opening = self.text.text.index(b"{") + 1
            edits.insert(0, (opening, opening, b'"model":%b,' % msgspec.json.encode(model)))
        locate = self.text.locate
        mapped = [(locate(start), locate(end), new) for start, end, new in edits]
        return Sent(operation, members.splice(self.body, mapped), REPLY)

    def unstated(self, delivered: int, cap: int | None) -> Usage:
        """The one image: it was made, whether or not it was all taken."""
        del delivered, cap
        return Usage(images=_ONE_IMAGE)


class _Answer(msgspec.Struct, gc=False):
    image: str


_ANSWER = msgspec.json.Decoder(_Answer)


class Swapped(WholeReply):
    """One image in JSON."""

    media = frozenset({JSON})
    kept_bytes = KEPT_BYTES

    def observe(self, body: bytes) -> Seen:
        """Whether the image is there."""
        try:
            image = _ANSWER.decode(body).image
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Seen(garbled=True)
        return Seen(usage=Usage(images=_ONE_IMAGE), empty=not image)


REPLY = Swapped()


def read(body: bytes) -> SwapRequest:
    """Check `body` against the contract. Raises `errors.InvalidRequest` naming the field."""
    text = outline.make(body, outline.BARE_IMAGES)
    spans = objects.of_body(text.text, schema.FIELDS)
    form = _decode(text.text)
    _refuse_files(form)
    has_source = inline_images.check(form.source_image, "source_image")
    if not inline_images.check(form.target_image, "target_image"):
        raise _missing("target_image")
    if not has_source and form.select_source != _FACE_MODEL:
        raise _missing("source_image")
    call = Call(MODEL, stream=False, input_bytes=0, demand=Demand(images=_ONE_IMAGE), capped=False)
    return SwapRequest(body, call, text, spans)


def _decode(body: bytes) -> schema.Form:
    try:
        return schema.decode(body)
    except msgspec.ValidationError as error:
        raise violations.refusal(str(error), {}) from None
    except RecursionError:
        raise InvalidRequest("The JSON body of your request is nested too deep.", code="nested_too_deep") from None


def _refuse_files(form: schema.Form) -> None:
    for name in sorted(_FILES):
        if getattr(form, name):
            raise InvalidRequest(
                f"Invalid '{name}': files of the server are not for requests; the image comes in the answer.",
                code="invalid_value",
                param=name,
            )
    if form.select_source not in (None, 0, _FACE_MODEL):
        raise InvalidRequest(
            "Invalid 'select_source': 0 (the image) and 1 (a face model) are offered; folders of the server are not.",
            code="invalid_value",
            param="select_source",
        )
    for name in ("model", "face_model", "upscaler", "face_restorer"):
        places.refuse_path(getattr(form, name) or "", name)


def _missing(name: str) -> InvalidRequest:
    return InvalidRequest(f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)
