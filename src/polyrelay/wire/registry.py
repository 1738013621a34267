"""The surfaces the relay offers: at which path which operation may be asked for, in whose words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Literal

from polyrelay.exchange.operation import Operation
from polyrelay.wire import openai_errors, webui_errors
from polyrelay.wire.openai_audio import hearing as openai_hearing
from polyrelay.wire.openai_audio import speech, transcription
from polyrelay.wire.openai_chat import request as chat
from polyrelay.wire.openai_images import calls as images
from polyrelay.wire.reactor import request as reactor
from polyrelay.wire.sdwebui import request as sdwebui
from polyrelay.wire.spoken import Incoming, Request, Tongue
from polyrelay.wire.whisper_asr import errors as asr_errors
from polyrelay.wire.whisper_asr import hearing as asr_hearing
from polyrelay.wire.whisper_asr import request as asr

Kind = Literal["json", "multipart"]
"""What a body may be: `application/json`, or `multipart/form-data`."""

JSON_ONLY: frozenset[Kind] = frozenset(("json",))
FORM_ONLY: frozenset[Kind] = frozenset(("multipart",))
EITHER: frozenset[Kind] = JSON_ONLY | FORM_ONLY


@dataclass(frozen=True, slots=True)
class Surface:
    """One POST route. `read` checks a request (raises `errors.Refusal`), `tongue` says no; `accepts` what its bodies
    may be; `basic` says whether a key may also be the password of HTTP Basic.
    """

    name: str
    path: str
    read: Callable[[Incoming], Request]
    tongue: Tongue = openai_errors
    accepts: frozenset[Kind] = JSON_ONLY
    basic: bool = False


def _chat(incoming: Incoming, *, billing_extras: bool) -> Request:
    return chat.read(incoming.body, billing_extras=billing_extras)


def _images(
    name: str, path: str, read: Callable[..., Request], accepts: frozenset[Kind] = JSON_ONLY
) -> tuple[Surface, Surface]:
    """A call for images in OpenAI's contract, and in AiToEarn's."""
    return (
        Surface(f"openai_{name}", f"/v1/images/{path}", partial(read, billed=False), accepts=accepts),
        Surface(f"aitoearn_{name}", f"/api/ai/images/{path}", partial(read, billed=True), accepts=accepts),
    )


def _speech(incoming: Incoming) -> Request:
    return speech.read(incoming.body)


def _transcription(incoming: Incoming, *, translate: bool) -> Request:
    return transcription.read(incoming, asr_hearing.HEARING, translate=translate)


def _asr(incoming: Incoming) -> Request:
    return asr.read(incoming, openai_hearing.HEARING)


def _recordings(name: str, path: str, read: Callable[[Incoming], Request]) -> tuple[Surface, Surface]:
    """A route of whisper-asr-webservice, under `/v1` as the others are, and where its own clients look for it."""
    return (
        Surface(name, f"/v1{path}", read, asr_errors, FORM_ONLY, basic=True),
        Surface(f"{name}_root", path, read, asr_errors, FORM_ONLY, basic=True),
    )


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
    *_images("images", "generations", images.generation),
    *_images("image_edits", "edits", images.edit, EITHER),
    *_images("image_variations", "variations", images.variation, FORM_ONLY),
    Surface("openai_speech", "/v1/audio/speech", _speech),
    Surface(
        "openai_transcriptions",
        "/v1/audio/transcriptions",
        partial(_transcription, translate=False),
        accepts=FORM_ONLY,
    ),
    Surface(
        "openai_translations", "/v1/audio/translations", partial(_transcription, translate=True), accepts=FORM_ONLY
    ),
    *_recordings("asr", "/asr", _asr),
    *_recordings("detect_language", "/detect-language", asr.read_language),
    *_webui("sdwebui_txt2img", "/sdapi/v1/txt2img", partial(_webui_images, Operation.TXT2IMG)),
    *_webui("sdwebui_img2img", "/sdapi/v1/img2img", partial(_webui_images, Operation.IMG2IMG)),
    *_webui("reactor_image", "/reactor/image", _swap),
)

SURFACES: Mapping[str, Surface] = MappingProxyType({surface.name: surface for surface in _SURFACES})
"""By name."""

BY_PATH: Mapping[str, Surface] = MappingProxyType({surface.path: surface for surface in _SURFACES})
"""By path, exact."""
