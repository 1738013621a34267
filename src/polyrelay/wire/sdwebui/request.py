"""Reads a txt2img or img2img request and splices the few bytes that the server must see differently.

Never reaches the server: the relay's own `model`; `save_images`, which would fill its disk; what would leave its
options changed for those who come next; scripts and options that open files, fetch addresses, choose another checkpoint
than the one that is paid for, or make more than is counted.
"""

import msgspec

from polyrelay.exchange.call import Call
from polyrelay.exchange.operation import Operation
from polyrelay.exchange.usage import Usage
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import inline_images, members, objects, outline, violations
from polyrelay.wire.members import Edit, Span
from polyrelay.wire.outline import Outline
from polyrelay.wire.sdwebui import options, replies, schema, scripts, work
from polyrelay.wire.sdwebui.options import Overrides
from polyrelay.wire.sdwebui.work import Work
from polyrelay.wire.spoken import Sent, Upstream

UNNAMED = "stable-diffusion"
"""The model of a request that names none. Clients of a WebUI often do not, as it has one loaded; an operator who wants
to serve them offers a model of this name."""

_CHECKPOINTS = {"refiner_checkpoint": ("", "None"), "hr_checkpoint_name": ("", "Use same checkpoint")}
"""Other places where a request names a checkpoint, and what there means none."""


class ImageRequest(msgspec.Struct, frozen=True, gc=False):
    """A request that keeps the contract. `text` is the outline of `body`, and `spans` are of its members; `fixes` are
    edits that no upstream changes; `scripts` the always-on scripts it asks for, in lower case.
    """

    operation: Operation
    body: bytes
    call: Call
    work: Work
    text: Outline
    spans: dict[str, Span]
    overrides: Overrides
    scripts: tuple[str, ...]
    fixes: tuple[Edit, ...]

    @property
    def operations(self) -> tuple[Operation, ...]:
        """See `spoken.Request`."""
        return (self.operation,)

    def outbound(self, operation: Operation, upstream: Upstream, model: str, cap: int | None) -> Sent:
        """See `spoken.Request`."""
        del cap
        for name in self.scripts:
            if name not in upstream.scripts:
                path = f"{scripts.NAME}.{name}"
                raise InvalidRequest(f"The script {name!r} is not offered.", code="script_not_offered", param=path)
        return Sent(operation, self._body(model), replies.Images(self.work))

    def unstated(self, delivered: int, cap: int | None) -> Usage:
        """All that was asked for: it was made, whether or not it was all taken."""
        del delivered, cap
        return self.work.usage()

    def _body(self, checkpoint: str) -> bytes:
        """The body that asks for `checkpoint`, every other byte the client's own."""
        edits = list(self.fixes)
        if options.NAME in self.spans:
            _, start, end = self.spans[options.NAME]
            edits += [self.overrides.edit(start, end, checkpoint), *members.without(self.spans, {"model"})]
        else:
            _, _, wanted = self.overrides.edit(0, 0, checkpoint)
            member = b'"%b":%b' % (options.NAME.encode(), wanted)
            opening = self.text.text.index(b"{") + 1
            key, _, end = self.spans.get("model", (opening, opening, opening))
            comma = b"," if self.spans and "model" not in self.spans else b""
            edits.append((key, end, member + comma))
        locate = self.text.locate
        return members.splice(self.body, [(locate(start), locate(end), new) for start, end, new in sorted(edits)])


def read(operation: Operation, body: bytes) -> ImageRequest:
    """Check `body` against the contract. Raises `errors.InvalidRequest` naming the field."""
    text = outline.make(body, outline.BARE_IMAGES)
    spans = objects.of_body(text.text, schema.FIELDS)
    form = _decode(text.text)
    _refuse_scripts(form)
    _refuse_checkpoints(form)
    _check_images(form)
    overrides = options.read(form.override_settings)
    wanted = work.of(form)
    model = form.model or overrides.checkpoint or UNNAMED
    call = Call(model, stream=False, input_bytes=0, demand=wanted.demand, capped=False)
    return ImageRequest(
        operation,
        body,
        call,
        wanted,
        text,
        spans,
        overrides,
        scripts.read(form.alwayson_scripts),
        tuple(_fixes(form, spans, text.text)),
    )


def _decode(body: bytes) -> schema.Form:
    try:
        return schema.decode(body)
    except msgspec.ValidationError as error:
        raise violations.refusal(str(error), {}) from None
    except RecursionError:
        raise InvalidRequest("The JSON body of your request is nested too deep.", code="nested_too_deep") from None


def _fixes(form: schema.Form, spans: dict[str, Span], text: bytes) -> list[Edit]:
    """What is the same for every upstream: it reads the numbers that the relay read, nothing is saved on it, and its
    options stay as they were.
    """
    values = {name: getattr(form, name) for name in schema.COUNTED & spans.keys()}
    fixed = {name: value for name, value in values.items() if _is_odd(value, objects.text_of(text, spans[name]))}
    if form.save_images is True:
        fixed["save_images"] = False
    if form.override_settings_restore_afterwards is False:
        fixed["override_settings_restore_afterwards"] = True
    return [(*spans[name][1:], msgspec.json.encode(value)) for name, value in fixed.items()]


def _is_odd(value: object, written: bytes) -> bool:
    """Whether a number or a boolean is written as servers need not understand it: `"20"`, `20.0`, `1` for true."""
    return written.startswith(b'"') or (isinstance(value, int) and written != msgspec.json.encode(value))


def _refuse_scripts(form: schema.Form) -> None:
    """Scripts that take a call over run it as often as they like; an infotext sets whatever the request leaves out.

    Servers that are like a WebUI may heed members that it has no use for in a request, such as folders.
    """
    if form.script_name:
        raise _unwanted("script_name", "scripts that take the call over are not offered")
    if form.infotext:
        raise _unwanted("infotext", "write its settings as members of the request")
    if form.send_images is False:
        raise _unwanted("send_images", "images are not kept on the server, so that they can only come in the answer")
    for name in ("outpath_samples", "outpath_grids"):
        if getattr(form, name):
            raise _unwanted(name, "no folder of the server may be named")
    for name in ("firstphase_width", "firstphase_height"):
        if getattr(form, name):
            raise _unwanted(name, "use 'hr_resize_x' and 'hr_resize_y'")


def _refuse_checkpoints(form: schema.Form) -> None:
    for name, none in _CHECKPOINTS.items():
        if getattr(form, name) not in (None, *none):
            raise _unwanted(name, "one checkpoint is used for the whole call, the one that 'model' names")


def _check_images(form: schema.Form) -> None:
    for position, image in enumerate(form.init_images or ()):
        if not inline_images.check(image, f"init_images[{position}]"):
            raise _unwanted(f"init_images[{position}]", "there is no image")
    for name in ("mask", "latent_mask", "firstpass_image"):
        inline_images.check(getattr(form, name), name)


def _unwanted(name: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid '{name}': {why}.", code="invalid_value", param=name)
