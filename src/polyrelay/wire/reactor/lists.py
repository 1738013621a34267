"""ReActor's lists: names of swap models, upscalers and face models, each under a key of the list's own name."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from polyrelay.wire.dialect import Garbled

PATHS: Mapping[str, str] = MappingProxyType(
    {name: f"/reactor/{name}" for name in ("models", "upscalers", "facemodels")}
)
"""What a server is asked for, by the name of the list."""


def cleaned(name: str, body: bytes) -> bytes:
    """The list for clients, names without folders. Raises `Garbled`."""
    try:
        found = msgspec.json.decode(body, type=dict[str, list[str]])[name]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError) as error:
        raise Garbled(f"{name}: {type(error).__name__}") from error
    return msgspec.json.encode({name: [each.replace("\\", "/").rpartition("/")[2] for each in found]})
