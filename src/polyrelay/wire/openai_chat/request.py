"""Reads a chat completion request and splices the few bytes an upstream must see differently."""

import msgspec

from polyrelay.exchange import guess
from polyrelay.exchange.call import BillingGroup, Call
from polyrelay.exchange.operation import Operation
from polyrelay.exchange.usage import Usage
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import echo, members, openai_json, outline
from polyrelay.wire.members import Edit, Span, UnreadableError
from polyrelay.wire.openai_chat import media, replies, schema
from polyrelay.wire.outline import Outline
from polyrelay.wire.spoken import Sent, Upstream

DEFAULT_SOURCE = "ai_chat"
"""AiToEarn's consumption source when a request names none (WIRE 1.2)."""

_OPERATIONS = (Operation.CHAT,)
_BILLING_EXTRAS = frozenset({"billingGroupId", "source"})
_ASK = b'{"include_usage":true}'
_OPTION_FIELDS = frozenset(schema.StreamOptions.__struct_encode_fields__)
_LOOKALIKES = {name.casefold(): name for name in schema.BILLED_FIELDS}


class ChatRequest(msgspec.Struct, frozen=True, gc=False):
    """A request that keeps the contract.

    `asked_usage` says whether the client set `stream_options.include_usage` to true; `max_tokens` and
    `max_completion_tokens` are its output caps, None or 0 where it set none. `text` is the outline of `body`; `spans`
    and the edits below are in its coordinates until `splice` maps them back.
    """

    body: bytes
    call: Call
    asked_usage: bool
    text: Outline
    spans: dict[str, Span]
    max_tokens: int | None
    max_completion_tokens: int | None
    usage_edit: Edit | None
    removals: tuple[Edit, ...]

    @property
    def operations(self) -> tuple[Operation, ...]:
        """See `spoken.Request`."""
        return _OPERATIONS

    def outbound(self, operation: Operation, upstream: Upstream, model: str, cap: int | None) -> Sent:
        """See `spoken.Request`."""
        stream = self.call.stream
        body = self.splice(
            model=model,
            ask_usage=stream and not self.asked_usage and upstream.takes_stream_options,
            cap=cap,
            cap_field=upstream.cap_field,
            only_cap_field=upstream.only_cap_field,
        )
        if not stream:
            return Sent(operation, body, replies.WHOLE)
        return Sent(operation, body, replies.STREAM if self.asked_usage else replies.STRIPPED_STREAM)

    def unstated(self, delivered: int, cap: int | None) -> Usage:
        """See `spoken.Request`."""
        return guess.estimated(self.call, delivered, cap)

    def splice(
        self,
        *,
        model: str | None,
        ask_usage: bool,
        cap: int | None = None,
        cap_field: str = "max_tokens",
        only_cap_field: bool = False,
    ) -> bytes:
        """The body for an upstream; the very object when nothing changes, else one copy.

        `model` replaces the model's name unless None; `ask_usage` makes a stream report its usage. `cap`, at least 1,
        is the output in tokens per choice that the hold covers: caps above it are lowered to it, and where the client
        set none, `cap_field` is set to it; with `only_cap_field`, also beside a cap of the other name, which that
        vendor overlooks. Billing extras are always left out. Every other byte is the client's own.
        """
        edits = list(self.removals)
        if model is not None and model != self.call.model:
            _, start, end = self.spans["model"]
            edits.append((start, end, msgspec.json.encode(model)))
        if ask_usage and self.usage_edit is not None:
            edits.append(self.usage_edit)
        if cap is not None:
            edits += self._cap(cap, cap_field, only_cap_field=only_cap_field)
        if not edits:
            return self.body
        edits.sort()
        if self.text.positions:
            locate = self.text.locate
            edits = [(locate(start), locate(end), new) for start, end, new in edits]
        return members.splice(self.body, edits)

    def _cap(self, cap: int, field: str, *, only_cap_field: bool) -> list[Edit]:
        if cap < 1:
            raise ValueError(f"an output cap of {cap} tokens: upstreams take it for none")
        both = {"max_tokens": self.max_tokens, "max_completion_tokens": self.max_completion_tokens}
        given = {name: value for name, value in both.items() if value}
        edits: list[Edit] = []
        for name, value in given.items():
            if value > cap:
                _, start, end = self.spans[name]
                edits.append((start, end, b"%d" % cap))
        if given and (field in given or not only_cap_field):
            return edits
        least = min(cap, *given.values()) if given else cap
        if field in self.spans:
            _, start, end = self.spans[field]
            return [*edits, (start, end, b"%d" % least)]
        _, _, end = self.spans["model"]
        return [*edits, (end, end, b',"%s":%d' % (field.encode(), least))]


def read(body: bytes, *, billing_extras: bool = False) -> ChatRequest:
    """Check `body` against the contract and find what may have to change.

    `billing_extras` makes `billingGroupId` and `source` the relay's own (surface `aitoearn_chat`).
    Raises `errors.InvalidRequest` naming the field.
    """
    text = outline.make(body)
    spans = openai_json.scan(text.text)
    known = schema.BILLED_FIELDS if billing_extras else schema.PLAIN_FIELDS
    unknown = openai_json.unknown(spans, known, _LOOKALIKES)
    marked = text.marked() if text.positions else None
    form, billing = _decode(marked.text if marked else text.text, billing_extras=billing_extras)
    options = form.stream_options
    asked = options is not None and options.include_usage is True
    inner = None if options is None else _scan_options(text.text, spans["stream_options"])
    output_cap = max(form.max_tokens or 0, form.max_completion_tokens or 0) or None
    references = media.references(text.text, spans, unknown, form, marked)
    call = Call(form.model, form.stream is True, len(body), output_cap, form.n or 1, billing, references)
    return ChatRequest(
        body,
        call,
        asked,
        text,
        spans,
        form.max_tokens,
        form.max_completion_tokens,
        _usage_edit(spans, inner) if call.stream and not asked else None,
        tuple(members.without(spans, _BILLING_EXTRAS)) if billing_extras else (),
    )


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
            raise openai_json.lookalike(f"stream_options.{echo.cut(key)}", f"stream_options.{key.casefold()}")
    return inner


def _decode(text: bytes, *, billing_extras: bool) -> tuple[schema.ChatForm, BillingGroup | None]:
    if not billing_extras:
        return openai_json.decode(schema.PLAIN, text, schema.SUPPORTED), None
    form = openai_json.decode(schema.BILLED, text, schema.SUPPORTED)
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
