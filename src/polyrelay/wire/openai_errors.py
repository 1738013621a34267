"""Refusals in OpenAI's shape: all four keys, and the headers its SDKs act on; and the bodies of the model list."""

from collections.abc import Iterable

import msgspec

from polyrelay.kernel.errors import Refusal
from polyrelay.wire import answers
from polyrelay.wire.answers import Answer


class _NativeError(msgspec.Struct, gc=False):
    message: str


class _Native(msgspec.Struct, gc=False):
    error: _NativeError


_NATIVE = msgspec.json.Decoder(_Native)


def render(refusal: Refusal) -> Answer:
    """Status, headers and body that say `refusal` to an OpenAI SDK."""
    return answers.openai_refusal(refusal)


def frame(refusal: Refusal) -> bytes:
    """`refusal` inside a stream that has begun: one data frame whose `error` the SDKs raise."""
    return b"data: " + answers.openai_error(refusal) + b"\n\n"


def is_native(body: bytes) -> bool:
    """Whether an upstream's error body is already in OpenAI's shape, an `error` object with a `message`."""
    return words(body) is not None


def words(body: bytes) -> str | None:
    """The message of such a body; None for one of another shape. Never raises."""
    try:
        return _NATIVE.decode(body).error.message
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def models_list(names: Iterable[str], *, created: int, owned_by: str) -> bytes:
    """The body of GET /v1/models. `created` is seconds since the epoch."""
    return msgspec.json.encode({"object": "list", "data": [_model(name, created, owned_by) for name in names]})


def model(name: str, *, created: int, owned_by: str) -> bytes:
    """The body of GET /v1/models/{id}. `created` is seconds since the epoch."""
    return msgspec.json.encode(_model(name, created, owned_by))


def _model(name: str, created: int, owned_by: str) -> dict[str, str | int]:
    return {"id": name, "object": "model", "created": created, "owned_by": owned_by}
