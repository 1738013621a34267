"""The fields of txt2img and img2img with their defaults, as the WebUI's own description lists them (WIRE 3.1)."""

from typing import Any, TypeVar

import msgspec

from polyrelay.sandbox import refusals, surfaces
from polyrelay.sandbox.surfaces import Refused

_UNPROCESSABLE = 422
_Ask = TypeVar("_Ask", bound=msgspec.Struct)


class Picture(msgspec.Struct, kw_only=True):
    """What both have. Sizes are pixels; a null is the server's own choice; unknown fields are ignored."""

    prompt: str = ""
    negative_prompt: str = ""
    styles: list[str] | None = None
    seed: int = -1
    subseed: int = -1
    subseed_strength: float = 0
    seed_resize_from_h: int = -1
    seed_resize_from_w: int = -1
    sampler_name: str | None = None
    scheduler: str | None = None
    batch_size: int = 1
    n_iter: int = 1
    steps: int = 50
    cfg_scale: float = 7.0
    width: int = 512
    height: int = 512
    restore_faces: bool | None = None
    tiling: bool | None = None
    do_not_save_samples: bool = False
    do_not_save_grid: bool = False
    eta: float | None = None
    denoising_strength: float | None = None
    s_min_uncond: float | None = None
    s_churn: float | None = None
    s_tmax: float | None = None
    s_tmin: float | None = None
    s_noise: float | None = None
    override_settings: dict[str, Any] | None = None
    override_settings_restore_afterwards: bool = True
    refiner_checkpoint: str | None = None
    refiner_switch_at: float | None = None
    disable_extra_networks: bool = False
    firstpass_image: str | None = None
    comments: dict[str, Any] | None = None
    sampler_index: str = "Euler"
    script_name: str | None = None
    script_args: list[Any] = []
    send_images: bool = True
    save_images: bool = False
    alwayson_scripts: dict[str, Any] = {}
    force_task_id: str | None = None
    infotext: str | None = None

    @property
    def checkpoint(self) -> str:
        """The checkpoint asked for, empty for the server's own."""
        return str((self.override_settings or {}).get("sd_model_checkpoint") or "")

    @property
    def count(self) -> int:
        """Pictures to be made."""
        return self.batch_size * self.n_iter


class Txt2Img(Picture, kw_only=True):
    """What only txt2img has."""

    enable_hr: bool = False
    denoising_strength: float | None = 0.75
    firstphase_width: int = 0
    firstphase_height: int = 0
    hr_scale: float = 2.0
    hr_upscaler: str | None = None
    hr_second_pass_steps: int = 0
    hr_resize_x: int = 0
    hr_resize_y: int = 0
    hr_checkpoint_name: str | None = None
    hr_sampler_name: str | None = None
    hr_scheduler: str | None = None
    hr_prompt: str = ""
    hr_negative_prompt: str = ""


class Img2Img(Picture, kw_only=True):
    """What only img2img has."""

    init_images: list[str] | None = None
    resize_mode: int = 0
    denoising_strength: float | None = 0.75
    image_cfg_scale: float | None = None
    mask: str | None = None
    mask_blur: int | None = None
    mask_blur_x: int = 4
    mask_blur_y: int = 4
    mask_round: bool = True
    inpainting_fill: int = 0
    inpaint_full_res: bool = True
    inpaint_full_res_padding: int = 0
    inpainting_mask_invert: int = 0
    initial_noise_multiplier: float | None = None
    latent_mask: str | None = None
    include_init_images: bool = False


def read(body: bytes, kind: type[_Ask]) -> _Ask:
    """Read a body as the WebUI does: numbers may be written as text.

    Raises:
        Refused: 422 in FastAPI's shape; it is no JSON object, or a field has the wrong type.
    """
    try:
        return msgspec.json.decode(body or b"{}", type=kind, strict=False)
    except msgspec.ValidationError as error:
        field = refusals.parameter(str(error)) or ""
        raise surfaces.invalid("body", field, str(error).partition(" - at ")[0]) from None
    except msgspec.DecodeError as error:
        said = {"type": "json_invalid", "loc": ["body", 0], "msg": "JSON decode error", "ctx": {"error": str(error)}}
        raise Refused("JSON decode error", _UNPROCESSABLE, detail=[said]) from None
