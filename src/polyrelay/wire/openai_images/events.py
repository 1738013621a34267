"""A whole answer told as events, for a client that asked for a stream of an upstream that knows none."""

from typing import Any

import msgspec

from polyrelay.wire.openai_images import answer
from polyrelay.wire.openai_images.answer import Answer

_STATED = ("created", "size", "quality", "background", "output_format")
_NAMES = {"created": "created_at"}


def of(body: bytes, prefix: str) -> bytes:
    """One `PREFIX.completed` event for each image of the answer `body`; the last one has the usage of all (WIRE 4.3).

    What the answer does not say, no event says. `body` is one that `answer.read` understands, with an image.
    """
    if b"\n" in body or b"\r" in body:
        body = msgspec.json.format(body, indent=-1)
    found = answer.read(body)
    if found is None:
        raise ValueError("not an answer with images")
    kind, common = {"type": f"{prefix}.completed"}, _common(found)
    events: list[dict[str, Any]] = [{**kind, **common, **item, **kind} for item in answer.images(found)]
    if found.usage is not None:
        events[-1]["usage"] = found.usage
    name = kind["type"].encode()
    return b"".join([b"event: %b\ndata: %b\n\n" % (name, msgspec.json.encode(event)) for event in events])


def _common(found: Answer) -> dict[str, Any]:
    stated = {_NAMES.get(name, name): getattr(found, name) for name in _STATED}
    return {name: value for name, value in stated.items() if value is not None}
