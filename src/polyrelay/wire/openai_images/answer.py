"""Observes a whole (unary) answer with images. The answer's bytes themselves are never touched."""

from typing import Any

import msgspec

from polyrelay.exchange.usage import Usage
from polyrelay.wire.openai_images import usage
from polyrelay.wire.openai_images.usage import Asked
from polyrelay.wire.spoken import Seen

_TAIL_ATTEMPTS = 8
"""How many places that look like the end of the images are tried; a real answer has one or two."""

_NULL = b"null"

Item = dict[str, msgspec.Raw]
"""One of the images: `b64_json` or `url`, and what else the vendor says of it."""


class Answer(msgspec.Struct, gc=False):
    """The members of an answer that are looked at. Images in it are skipped in C, not copied."""

    data: list[Item] | None = None
    created: Any = None
    size: Any = None
    quality: Any = None
    background: Any = None
    output_format: Any = None
    usage: Any = None
    error: Any = None


_ANSWER = msgspec.json.Decoder(Answer)
_TAIL = msgspec.json.Decoder(dict[str, Any])


def read(body: bytes) -> Answer | None:
    """The answer in `body`, None when it is none. Never raises."""
    try:
        return _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def images(answer: Answer) -> list[Item]:
    """Those that were made. Some vendors say in the place of one why it was not."""
    return [item for item in answer.data or () if _is_made(item)]


def observe(body: bytes, asked: Asked) -> Seen:
    """Read a complete answer. Never raises."""
    if not body.strip():
        return Seen(empty=True)
    answer = read(body)
    if answer is None:
        return Seen(garbled=True)
    if answer.error is not None:
        return Seen(error=True)
    if answer.data is None:
        return Seen(garbled=True)
    count = len(images(answer))
    if not count:
        return Seen(empty=True)
    stated = usage.tokens(answer.usage) or Usage()
    made = asked.made({asked.one(answer.size, answer.quality): count})
    return Seen(usage=msgspec.structs.replace(stated, images=made))


def tail_usage(tail: bytes, asked: Asked) -> Usage | None:
    """The usage in the last bytes of an answer too large to keep, with as many images as were asked for; None when
    unsure. Never raises.

    Members are top-level ones exactly when everything from them to the end closes one object and nothing more. They are
    looked for behind a closing bracket, that of the images being the last or nearly so.
    """
    found: dict[str, Any] = {}
    at = len(tail)
    for _ in range(_TAIL_ATTEMPTS):
        at = tail.rfind(b"]", 0, at)
        if at < 0:
            break
        found = _members(tail[at + 1 :]) or found
    stated = usage.tokens(found.get("usage"))
    if stated is None:
        return None
    made = asked.made({asked.one(found.get("size"), found.get("quality")): asked.count})
    return msgspec.structs.replace(stated, images=made)


def _members(rest: bytes) -> dict[str, Any] | None:
    """The members that `rest` ends an object with; None when it does not."""
    try:
        return _TAIL.decode(b"{" + rest.lstrip().removeprefix(b","))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _is_made(item: Item) -> bool:
    if bytes(item.get("error", _NULL)) != _NULL:
        return False
    heads = [bytes(memoryview(item[name])[:2]) for name in ("b64_json", "url") if name in item]
    return any(head.startswith(b'"') and head != b'""' for head in heads)
