"""Bodies for upstreams: the members a dialect names, and beside them those of the client that nobody names."""

from collections.abc import Mapping
from typing import Any

import msgspec

from polyrelay.wire import hooks
from polyrelay.wire.suno import requests

_RESERVED = frozenset(
    name.casefold() for name in (*requests.MusicForm.__struct_encode_fields__, "clip_id", "is_infill", "ids", "action")
)
"""Members that some dialect names. A stray one could say something else than what was checked and priced."""


def body(named: Mapping[str, Any], extra: Mapping[str, Any]) -> bytes:
    """`named` and what of `extra` no dialect names, in JSON."""
    own = {name.casefold() for name in named} | _RESERVED
    passed = {name: value for name, value in hooks.without(extra).items() if name.casefold() not in own}
    return msgspec.json.encode({**named, **passed})
