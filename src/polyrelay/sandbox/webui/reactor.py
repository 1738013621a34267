"""Serves ReActor's face swap (WIRE 3.4). The picture it gives back is as large as the target, and its code holds the
digest of the SHA-256 of the source picture, in hexadecimal, and the seed that stands for the target picture.
"""

import base64
from functools import partial
from hashlib import sha256

import msgspec

from polyrelay.sandbox import faults, surfaces
from polyrelay.sandbox.calls import Call, Later, Route
from polyrelay.sandbox.framing import Reply
from polyrelay.sandbox.images import picture
from polyrelay.sandbox.images.picture import UnreadableError
from polyrelay.sandbox.surfaces import REACTOR, Refused
from polyrelay.sandbox.webui import asks
from polyrelay.sandbox.webui.counter import decoded

_MODELS = ["inswapper_128.onnx"]
_UPSCALERS = ["None", "Lanczos", "Nearest", "R-ESRGAN 4x+"]
_FACES = ["None", "sandbox.safetensors"]


class Swap(msgspec.Struct):
    """All fields with their defaults."""

    source_image: str = ""
    target_image: str = ""
    source_faces_index: list[int] = msgspec.field(default_factory=lambda: [0])
    face_index: list[int] = msgspec.field(default_factory=lambda: [0])
    upscaler: str = "None"
    scale: float = 1
    upscale_visibility: float = 1
    face_restorer: str = "None"
    restorer_visibility: float = 1
    codeformer_weight: float = 0.5
    restore_first: int = 1
    model: str = "inswapper_128.onnx"
    gender_source: int = 0
    gender_target: int = 0
    save_to_file: int = 0
    result_file_path: str = ""
    device: str = "CPU"
    mask_face: int = 0
    select_source: int = 0
    face_model: str = "None"
    source_folder: str = ""
    random_image: int = 0
    upscale_force: int = 0
    det_thresh: float = 0.5
    det_maxnum: int = 0


def routes() -> list[Route]:
    """The calls of this counter. No file is ever read or written for them, whatever a request says."""
    listed = {"models": _MODELS, "upscalers": _UPSCALERS, "facemodels": _FACES}
    return [
        Route("POST", "/reactor/image", REACTOR, _swap),
        *(Route("GET", f"/reactor/{name}", REACTOR, partial(_lists, name, rows)) for name, rows in listed.items()),
    ]


def digest_of(source: bytes) -> str:
    """The digest that a swapped picture carries for this source: a picture's file, or a face model's name."""
    return picture.digest_of(sha256(source).hexdigest())


def _swap(call: Call) -> Later:
    ask = asks.read(call.content.body, Swap)
    if ask.model not in _MODELS:
        raise surfaces.invalid("body", "model", f"model should be one of {', '.join(_MODELS)}", ask.model)
    target, source = decoded(ask.target_image), _source(ask)

    def make() -> Reply:
        try:
            width, height = picture.size_of(target)
        except UnreadableError:
            raise Refused("Invalid encoded image", 500) from None
        if ask.upscaler != "None":
            width, height = round(width * ask.scale), round(height * ask.scale)
        if not 1 <= min(width, height) <= max(width, height) <= picture.MOST_SIDE:
            raise Refused("CUDA out of memory", 500)
        drawn = picture.draw(digest_of(source), picture.seed_of(target), width, height)
        return Reply(200, (faults.JSON,), [msgspec.json.encode({"image": base64.b64encode(drawn).decode()})])

    return Later(make)


def _source(ask: Swap) -> bytes:
    match ask.select_source:
        case 0:
            return decoded(ask.source_image)
        case 1 if ask.face_model in _FACES[1:]:
            return ask.face_model.encode()
        case 1:
            raise surfaces.invalid("body", "face_model", "no such face model", ask.face_model)
        case 2:
            raise surfaces.invalid("body", "source_folder", "no such folder", ask.source_folder)
    raise surfaces.invalid("body", "select_source", "select_source should be 0, 1 or 2", ask.select_source)


def _lists(name: str, rows: list[str], call: Call) -> Reply:  # noqa: ARG001 - the signature of a handler, once it is bound
    return Reply(200, (faults.JSON,), [msgspec.json.encode({name: rows})])
