"""The surfaces the relay offers: at which path which operation may be asked for, in whose words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Literal

from polyrelay.wire import openai_errors
from polyrelay.wire.openai_chat import request as chat
from polyrelay.wire.openai_images import contract
from polyrelay.wire.openai_images import request as images
from polyrelay.wire.openai_images.contract import Contract
from polyrelay.wire.spoken import Incoming, Request, Tongue

Kind = Literal["json", "multipart"]
"""What a body may be: `application/json`, or `multipart/form-data`."""

JSON_ONLY: frozenset[Kind] = frozenset(("json",))
FORM_ONLY: frozenset[Kind] = frozenset(("multipart",))


@dataclass(frozen=True, slots=True)
class Surface:
    """One POST route. `read` checks a request (raises `errors.Refusal`), `tongue` says no; `accepts`
    what its bodies may be.
    """

    name: str
    path: str
    read: Callable[[Incoming], Request]
    tongue: Tongue = openai_errors
    accepts: frozenset[Kind] = JSON_ONLY


def _chat(incoming: Incoming, *, billing_extras: bool) -> Request:
    return chat.read(incoming.body, billing_extras=billing_extras)


def _images(incoming: Incoming, *, keeping: Contract) -> Request:
    return images.read(incoming.body, keeping)


_SURFACES = (
    Surface("openai_chat", "/v1/chat/completions", partial(_chat, billing_extras=False)),
    Surface("aitoearn_chat", "/api/ai/chat/completions", partial(_chat, billing_extras=True)),
    Surface("openai_images", "/v1/images/generations", partial(_images, keeping=contract.GENERATION)),
    Surface("aitoearn_images", "/api/ai/images/generations", partial(_images, keeping=contract.BILLED_GENERATION)),
)

SURFACES: Mapping[str, Surface] = MappingProxyType({surface.name: surface for surface in _SURFACES})
"""By name."""

BY_PATH: Mapping[str, Surface] = MappingProxyType({surface.path: surface for surface in _SURFACES})
"""By path, exact."""
