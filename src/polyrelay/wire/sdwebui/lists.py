"""What a server lists, without what is nobody's business: where its files are, and what it is drawing for whom."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from polyrelay.wire.dialect import Garbled


class _Sampler(msgspec.Struct):
    name: str
    aliases: list[str] = []
    options: dict[str, Any] = {}


class _Scheduler(msgspec.Struct):
    name: str
    label: str = ""
    aliases: list[str] | None = None
    default_rho: float | None = None
    need_inner_model: bool | None = None


class _Upscaler(msgspec.Struct):
    """Without the path and the address of its file, which come as null."""

    name: str
    model_name: str | None = None
    scale: float | None = None


class _State(msgspec.Struct):
    """How far the one call is that is worked on, whoever's it is; without its name and time."""

    skipped: bool = False
    interrupted: bool = False
    stopping_generation: bool = False
    job_count: int = 0
    job_no: int = 0
    sampling_step: int = 0
    sampling_steps: int = 0


class _Progress(msgspec.Struct):
    """Without the picture so far and its text."""

    progress: float
    eta_relative: float = 0.0
    state: _State = msgspec.field(default_factory=_State)


def models(names: Iterable[str]) -> bytes:
    """`sd-models`, of the names that requests may use."""
    nothing = {"hash": None, "sha256": None, "config": None}
    return msgspec.json.encode([{"title": name, "model_name": name, "filename": name, **nothing} for name in names])


def options(checkpoint: str) -> bytes:
    """`options`, as far as clients look at them: which checkpoint a request gets that names none, and what a server
    does unless it is told otherwise. The server's own are nobody's business.
    """
    return msgspec.json.encode(
        {
            "sd_model_checkpoint": checkpoint,
            "sd_checkpoint_hash": "",
            "sd_vae": "Automatic",
            "CLIP_stop_at_last_layers": 1,
            "samples_format": "png",
        }
    )


def _samplers(body: bytes) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(body, type=list[_Sampler]))


def _schedulers(body: bytes) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(body, type=list[_Scheduler]))


def _upscalers(body: bytes) -> bytes:
    found = msgspec.json.decode(body, type=list[_Upscaler])
    nowhere = {"model_path": None, "model_url": None}
    return msgspec.json.encode([{**msgspec.structs.asdict(each), **nowhere} for each in found])


def _progress(body: bytes) -> bytes:
    found = msgspec.json.decode(body, type=_Progress)
    state = {**msgspec.structs.asdict(found.state), "job": "", "job_timestamp": ""}
    return msgspec.json.encode(
        {
            "progress": found.progress,
            "eta_relative": found.eta_relative,
            "state": state,
            "current_image": None,
            "textinfo": None,
        }
    )


_CLEANED: Mapping[str, Callable[[bytes], bytes]] = MappingProxyType(
    {"samplers": _samplers, "schedulers": _schedulers, "upscalers": _upscalers, "progress": _progress}
)

PATHS: Mapping[str, str] = MappingProxyType(
    {
        "samplers": "/sdapi/v1/samplers",
        "schedulers": "/sdapi/v1/schedulers",
        "upscalers": "/sdapi/v1/upscalers",
        "progress": "/sdapi/v1/progress?skip_current_image=true",
    }
)
"""What a server is asked for, by the name of the list. `sd-models` is the relay's own."""


def cleaned(name: str, body: bytes) -> bytes:
    """The list for clients. Raises `Garbled`."""
    try:
        return _CLEANED[name](body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Garbled(f"{name}: {type(error).__name__}") from error
