"""Bodies for upstreams: the members a dialect names, and beside them those of the client that nobody names."""

from collections.abc import Mapping
from typing import Any

import msgspec

from polyrelay.wire import hooks
from polyrelay.wire.videos.requests import VideoForm

_RESERVED = frozenset(VideoForm.__struct_encode_fields__)
"""Members that some dialect names. A stray one could say something else than what was checked and priced."""


def body(named: Mapping[str, Any], extra: Mapping[str, Any]) -> bytes:
    """`named` without its absent members, and what of `extra` no dialect names, in JSON."""
    present = {name: value for name, value in named.items() if value is not None}
    passed = {name: value for name, value in hooks.without(extra).items() if name.casefold() not in _RESERVED}
    return msgspec.json.encode({**passed, **present})
