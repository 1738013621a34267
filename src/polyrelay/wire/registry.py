"""The surfaces the relay offers: which protocol and flavour is spoken at which path."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Kind = Literal["json", "multipart"]
"""What a body may be: `application/json`, or `multipart/form-data`."""

JSON_ONLY: frozenset[Kind] = frozenset(("json",))


@dataclass(frozen=True, slots=True)
class Surface:
    """One POST route. `billing_extras` says whether `billingGroupId` and `source` are the relay's (WIRE 1.2); `accepts`
    what its bodies may be.
    """

    name: str
    path: str
    billing_extras: bool = False
    accepts: frozenset[Kind] = JSON_ONLY


_SURFACES = (
    Surface("openai_chat", "/v1/chat/completions"),
    Surface("aitoearn_chat", "/api/ai/chat/completions", billing_extras=True),
)

SURFACES: Mapping[str, Surface] = MappingProxyType({surface.name: surface for surface in _SURFACES})
"""By name."""

BY_PATH: Mapping[str, Surface] = MappingProxyType({surface.path: surface for surface in _SURFACES})
"""By path, exact."""
