"""Reads a chat completion request and splices the few bytes an upstream must see differently."""

import msgspec

from polyrelay.exchange.call import BillingGroup, Call
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import echo, members, outline
from polyrelay.wire.members import Edit, Span, UnreadableError
from polyrelay.wire.openai_chat import schema, violations
from polyrelay.wire.outline import Outline

DEFAULT_SOURCE = "ai_chat"
"""AiToEarn's consumption source when a request names none (WIRE 1.2)."""

_BILLING_EXTRAS = frozenset({"billingGroupId", "source"})
_ASK = b'{"include_usage":true}'
_OPTION_FIELDS = frozenset(schema.StreamOptions.__struct_encode_fields__)
_LOOKALIKES = {name.casefold(): name for name in schema.BILLED_FIELDS}


class ChatRequest(msgspec.Struct, frozen=True, gc=False):
    """A request that keeps the contract.

    `asked_usage` says whether the client set `stream_options.include_usage` to true. `text` is the outline of `body`;
    the edits below are in its coordinates until `splice` maps them back.
    """

    body: bytes
    call: Call
    asked_usage: bool
    text: Outline
    model_span: Span
    usage_edit: Edit | None
    removals: tuple[Edit, ...]

    def splice(self, *, model: str | None, ask_usage: bool) -> bytes:
        """The body for an upstream; the very object when nothing changes, else one copy.

        `model` replaces the model's name unless None; `ask_usage` makes a stream report its usage. Billing extras are
        always left out. Every other byte is the client's own.
        """
        edits = list(self.removals)
        if model is not None and model != self.call.model:
            _, start, end = self.model_span
            edits.append((start, end, msgspec.json.encode(model)))
        if ask_usage and self.usage_edit is not None:
            edits.append(self.usage_edit)
        if not edits:
            return self.body
        edits.sort()
        if self.text.positions:
            locate = self.text.locate
            edits = [(locate(start), locate(end), new) for start, end, new in edits]
        return members.splice(self.body, edits)


def read(body: bytes, *, billing_extras: bool = False) -> ChatRequest:
    """Check `body` against the contract and find what may have to change.

    `billing_extras` makes `billingGroupId` and `source` the relay's own (surface `aitoearn_chat`).
    Raises `errors.InvalidRequest` naming the field.
    """
    text = outline.make(body)
    spans = _scan(text.text)
    _refuse_lookalikes(spans, schema.BILLED_FIELDS if billing_extras else schema.PLAIN_FIELDS)
    form, billing = _decode(text.text, billing_extras=billing_extras)
    options = form.stream_options
    asked = options is not None and options.include_usage is True
    inner = None if options is None else _scan_options(text.text, spans["stream_options"])
    output_cap = max(form.max_tokens or 0, form.max_completion_tokens or 0) or None
    call = Call(form.model, form.stream is True, len(body), output_cap, form.n or 1, billing)
    return ChatRequest(
        body,
        call,
        asked,
        text,
        spans["model"],
        _usage_edit(spans, inner) if call.stream and not asked else None,
        tuple(members.without(spans, _BILLING_EXTRAS)) if billing_extras else (),
    )


def _scan(text: bytes) -> dict[str, Span]:
    try:
        return members.scan(text)
    except UnreadableError as error:
        message = f"We could not read the JSON body of your request: {error.message}."
        raise InvalidRequest(message, code=error.code, param=error.key) from None


def _scan_options(text: bytes, span: Span) -> dict[str, Span]:
    """Members of `stream_options`, relative to its value. Raises `errors.InvalidRequest` where upstreams may differ."""
    _, start, end = span
    try:
        inner = members.scan(text[start:end])
    except UnreadableError as error:
        param = "stream_options" if error.key is None else f"stream_options.{error.key}"
        raise InvalidRequest(f"Invalid 'stream_options': {error.message}.", code=error.code, param=param) from None
    for key in inner.keys() - _OPTION_FIELDS:
        if key.casefold() in _OPTION_FIELDS:
            raise _lookalike(f"stream_options.{echo.cut(key)}", f"stream_options.{key.casefold()}")
    return inner


def _lookalike(param: str, name: str) -> InvalidRequest:
    return InvalidRequest(
        f"Unknown parameter: {param!r}. Did you mean {name!r}?", code="unknown_parameter", param=param
    )


def _refuse_lookalikes(spans: dict[str, Span], known: frozenset[str]) -> None:
    """Refuse `Model` beside or instead of `model`: some upstreams match names without regard to case."""
    if spans.keys() <= known:
        return
    for key in spans.keys() - known:
        name = _LOOKALIKES.get(key.casefold())
        if name is not None and name in known:
            raise _lookalike(echo.cut(key), name)


def _decode(text: bytes, *, billing_extras: bool) -> tuple[schema.ChatForm, BillingGroup | None]:
    try:
        if not billing_extras:
            return schema.decode(text), None
        form = schema.decode_billed(text)
    except msgspec.ValidationError as error:
        raise violations.refusal(str(error)) from None
    except RecursionError:
        raise InvalidRequest("The JSON body of your request is nested too deep.", code="nested_too_deep") from None
    return form, BillingGroup(form.billing_group, form.source or DEFAULT_SOURCE)


def _usage_edit(spans: dict[str, Span], options: dict[str, Span] | None) -> Edit:
    """The edit that sets `stream_options.include_usage`; `options` are the members it has, None without any object."""
    span = spans.get("stream_options")
    if span is None:
        _, _, end = spans["model"]
        return end, end, b',"stream_options":' + _ASK
    _, start, end = span
    if not options:
        return start, end, _ASK
    if "include_usage" not in options:
        return start + 1, start + 1, b'"include_usage":true,'
    _, value, value_end = options["include_usage"]
    return start + value, start + value_end, b"true"
