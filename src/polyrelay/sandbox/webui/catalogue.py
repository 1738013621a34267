"""What the WebUI has installed: its read-only lists (WIRE 3.2)."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

CHECKPOINTS = ("sandbox-xl", "sandbox-15", "sandbox-turbo")
"""The first is loaded until another is asked for."""
VERSION = "sandbox"
_SAMPLERS: dict[str, tuple[str, ...]] = {
    "Euler": ("k_euler",),
    "Euler a": ("k_euler_a", "k_euler_ancestral"),
    "DPM++ 2M": ("k_dpmpp_2m",),
    "DPM++ SDE": ("k_dpmpp_sde",),
    "DPM++ 2M SDE": ("k_dpmpp_2m_sde",),
    "DPM++ 3M SDE": ("k_dpmpp_3m_sde",),
    "Heun": ("k_heun",),
    "LMS": ("k_lms",),
    "DDIM": ("ddim",),
    "UniPC": ("unipc",),
    "LCM": ("k_lcm",),
}
_SCHEDULERS = {
    "automatic": "Automatic",
    "uniform": "Uniform",
    "karras": "Karras",
    "exponential": "Exponential",
    "sgm_uniform": "SGM Uniform",
}
_UPSCALERS = ("None", "Lanczos", "Nearest", "R-ESRGAN 4x+")
_ALWAYS_ON = frozenset({"reactor", "controlnet"})
_HASH_DIGITS = 10


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model file, by what answers call it."""

    name: str

    @property
    def sha256(self) -> str:
        """Of the name, as there is no file."""
        return sha256(self.name.encode()).hexdigest()

    @property
    def hash(self) -> str:
        """The short form."""
        return self.sha256[:_HASH_DIGITS]

    @property
    def title(self) -> str:
        """How the lists name it."""
        return f"{self.name}.safetensors [{self.hash}]"

    def listed(self) -> dict[str, Any]:
        """Its row in `sd-models`."""
        return {
            "title": self.title,
            "model_name": self.name,
            "hash": self.hash,
            "sha256": self.sha256,
            "filename": f"models/Stable-diffusion/{self.name}.safetensors",
            "config": None,
        }


def checkpoint(asked: str) -> Checkpoint:
    """The checkpoint of that title, file or name; the loaded one when there is none such, which is no error there.

    A name of the list may have script options behind it, and any other name that begins with `sandbox` is known too.
    """
    name = asked.partition(" [")[0].removesuffix(".safetensors")
    return Checkpoint(name if name.startswith("sandbox") else CHECKPOINTS[0])


def sampling(sampler: str, scheduler: str | None) -> tuple[str, str] | None:
    """The sampler and the scheduler's label, None when there is no such sampler.

    The name of a sampler may end with that of a scheduler.
    """
    wanted, label = sampler.lower(), _label(scheduler or "automatic")
    for ending in sorted(_SCHEDULERS.values(), key=len, reverse=True):
        if wanted.endswith(f" {ending.lower()}"):
            wanted, label = wanted[: -len(ending) - 1], ending
            break
    for name, aliases in _SAMPLERS.items():
        if wanted in (name.lower(), *aliases):
            return name, label
    return None


def has_script(name: str) -> bool:
    """Whether an always-on script is installed."""
    return name.lower() in _ALWAYS_ON


def _label(scheduler: str) -> str:
    known = {key: label for code, label in _SCHEDULERS.items() for key in (code, label.lower())}
    return known.get(scheduler.lower(), "Automatic")


def lists() -> dict[str, Any]:
    """Every list by its path below `/sdapi/v1`."""
    return {
        "sd-models": [Checkpoint(name).listed() for name in CHECKPOINTS],
        "samplers": [{"name": name, "aliases": list(known), "options": {}} for name, known in _SAMPLERS.items()],
        "schedulers": [_scheduler(name, label) for name, label in _SCHEDULERS.items()],
        "upscalers": [_upscaler(name) for name in _UPSCALERS],
        "latent-upscale-modes": [{"name": name} for name in ("Latent", "Latent (nearest)")],
        "sd-vae": [{"model_name": "sandbox.vae.safetensors", "filename": "models/VAE/sandbox.vae.safetensors"}],
        "hypernetworks": [],
        "face-restorers": [{"name": name, "cmd_dir": None} for name in ("CodeFormer", "GFPGAN")],
        "realesrgan-models": [{"name": "R-ESRGAN 4x+", "path": None, "scale": 4}],
        "prompt-styles": [{"name": "sandbox", "prompt": "in the style of a sandbox", "negative_prompt": ""}],
        "embeddings": {"loaded": {}, "skipped": {}},
        "scripts": {"txt2img": sorted(_ALWAYS_ON), "img2img": sorted(_ALWAYS_ON)},
        "options": {"sd_model_checkpoint": Checkpoint(CHECKPOINTS[0]).title, "samples_format": "png"},
    }


def _scheduler(name: str, label: str) -> dict[str, Any]:
    return {"name": name, "label": label, "aliases": None, "default_rho": -1.0, "need_inner_model": False}


def _upscaler(name: str) -> dict[str, Any]:
    scale = 1 if name == "None" else 4
    return {"name": name, "model_name": None, "model_path": None, "model_url": None, "scale": scale}
