"""The surfaces the relay offers: at which path which operation may be asked for, in whose words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from polyrelay.exchange.operation import Operation
from polyrelay.wire import openai_errors, webui_errors
from polyrelay.wire.openai_chat import request as chat
from polyrelay.wire.reactor import request as reactor
from polyrelay.wire.sdwebui import request as sdwebui
from polyrelay.wire.spoken import Incoming, Request, Tongue


@dataclass(frozen=True, slots=True)
class Surface:
    """One POST route. `read` checks a request (raises `errors.Refusal`), `tongue` says no; `basic` says whether a key
    may also be the password of HTTP Basic.
    """

    name: str
    path: str
    read: Callable[[Incoming], Request]
    tongue: Tongue = openai_errors
    basic: bool = False


def _chat(incoming: Incoming, *, billing_extras: bool) -> Request:
    return chat.read(incoming.body, billing_extras=billing_extras)


def _webui_images(operation: Operation, incoming: Incoming) -> Request:
    return sdwebui.read(operation, incoming.body)


def _swap(incoming: Incoming) -> Request:
    return reactor.read(incoming.body)


def _webui(name: str, path: str, read: Callable[[Incoming], Request]) -> tuple[Surface, Surface]:
    """A route of a WebUI, under `/v1` as the others are, and where its own clients look for it."""
    return (
        Surface(name, f"/v1{path}", read, webui_errors, basic=True),
        Surface(f"{name}_root", path, read, webui_errors, basic=True),
    )


_SURFACES = (
    Surface("openai_chat", "/v1/chat/completions", partial(_chat, billing_extras=False)),
    Surface("aitoearn_chat", "/api/ai/chat/completions", partial(_chat, billing_extras=True)),
    *_webui("sdwebui_txt2img", "/sdapi/v1/txt2img", partial(_webui_images, Operation.TXT2IMG)),
    *_webui("sdwebui_img2img", "/sdapi/v1/img2img", partial(_webui_images, Operation.IMG2IMG)),
    *_webui("reactor_image", "/reactor/image", _swap),
)

SURFACES: Mapping[str, Surface] = MappingProxyType({surface.name: surface for surface in _SURFACES})
"""By name."""

BY_PATH: Mapping[str, Surface] = MappingProxyType({surface.path: surface for surface in _SURFACES})
"""By path, exact."""
