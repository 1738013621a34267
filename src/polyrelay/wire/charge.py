"""The relay's own charge in an answer, for clients that ask: `usage.cost`, a name clients know from OpenRouter."""

from polyrelay.wire import members
from polyrelay.wire.members import Span, UnreadableError


def with_cost(text: bytes, cost: bytes) -> bytes:
    """The answer or chunk `text` with `cost`, a JSON number in decimal digits, as the `cost` of its usage object.

    A cost that the upstream wrote there is replaced; every other byte stays. Without a usage object, or where keys
    repeat, the very `text` is returned: a client must not read one number where another parser reads a second.
    """
    try:
        span = members.scan(text).get("usage")
        if span is None or not text.startswith(b"{", span[1]):
            return text
        inner = members.scan(text[span[1] : span[2]])
    except UnreadableError:
        return text
    return members.splice(text, [_edit(span, inner, cost)])


def _edit(usage: Span, inner: dict[str, Span], cost: bytes) -> members.Edit:
    _, start, end = usage
    if "cost" in inner:
        _, value, value_end = inner["cost"]
        return start + value, start + value_end, cost
    return end - 1, end - 1, (b"," if inner else b"") + b'"cost":' + cost
