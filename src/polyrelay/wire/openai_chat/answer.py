"""Observes a whole (unary) chat answer. The answer's bytes themselves are never touched."""

from typing import Any

import msgspec

from polyrelay.exchange.usage import Usage
from polyrelay.wire.openai_chat import reply, usage
from polyrelay.wire.spoken import Seen

_USAGE_KEY = b'"usage"'
_TAIL_ATTEMPTS = 8
"""How many places that look like a usage member are tried; a real answer has one or two."""

_TAIL = msgspec.json.Decoder(dict[str, Any])


def observe(body: bytes) -> Seen:
    """Read a complete answer. Never raises."""
    if not body.strip():
        return Seen(empty=True)
    seen = reply.read(body)
    if seen is None:
        return Seen(garbled=True)
    finish, content_bytes = None, 0
    for choice in seen.choices or ():
        finish = choice.finish_reason or finish
        said = choice.message or choice.delta
        if said is not None:
            content_bytes += reply.text_bytes(said)
    return Seen(
        usage=usage.normalise(seen.usage) if seen.usage else None,
        finish=finish,
        content_bytes=content_bytes,
        error=seen.error is not None,
        empty=not seen.choices or not (content_bytes or finish or reply.says_something(body)),
    )


def tail_usage(tail: bytes) -> Usage | None:
    """The usage in the last bytes of an answer too large to keep; None when unsure. Never raises.

    The member is the top-level one exactly when everything from it to the end closes one object and nothing more.
    """
    at = len(tail)
    for _ in range(_TAIL_ATTEMPTS):
        at = tail.rfind(_USAGE_KEY, 0, at)
        if at < 0:
            return None
        try:
            rest = _TAIL.decode(b"{" + tail[at:])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        stated = usage.read(rest["usage"]) if tail[at - 1 : at] != b"\\" else None
        return usage.normalise(stated) if stated else None
    return None
