"""`override_settings`: options of the server that a request sets for itself.

A server has hundreds of options: which folders it writes to, which addresses it fetches, who may log in. A request may
set those that say how an image is made, and no other.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import echo, objects, places
from polyrelay.wire.members import Edit, Span

NAME = "override_settings"
CHECKPOINT = "sd_model_checkpoint"

ALLOWED = frozenset(
    {
        # model
        CHECKPOINT,
        "sd_vae",
        "sd_vae_encode_method",
        "sd_vae_decode_method",
        "CLIP_stop_at_last_layers",
        "forge_unet_storage_dtype",
        "forge_preset",
        "extra_networks_default_multiplier",
        "sdxl_crop_left",
        "sdxl_crop_top",
        "sdxl_refiner_low_aesthetic_score",
        "sdxl_refiner_high_aesthetic_score",
        # prompt
        "emphasis",
        "enable_emphasis",
        "use_old_emphasis_implementation",
        "comma_padding_backtrack",
        "pad_cond_uncond",
        # sampling
        "eta_noise_seed_delta",
        "eta_ddim",
        "eta_ancestral",
        "ddim_discretize",
        "s_churn",
        "s_tmin",
        "s_tmax",
        "s_noise",
        "s_min_uncond",
        "sigma_min",
        "sigma_max",
        "rho",
        "sd_noise_schedule",
        "sgm_noise_multiplier",
        "skip_early_cond",
        "always_discard_next_to_last_sigma",
        "use_old_karras_scheduler_sigmas",
        "no_dpmpp_sde_batch_determinism",
        "uni_pc_variant",
        "uni_pc_skip_type",
        "uni_pc_order",
        "uni_pc_lower_order_final",
        "randn_source",
        "token_merging_ratio",
        "token_merging_ratio_img2img",
        "token_merging_ratio_hr",
        "upcast_attn",
        "hires_fix_use_firstpass_conds",
        # img2img and what is done to an image afterwards
        "img2img_color_correction",
        "img2img_background_color",
        "img2img_extra_noise",
        "img2img_fix_steps",
        "initial_noise_multiplier",
        "inpainting_mask_weight",
        "upscaler_for_img2img",
        "ESRGAN_tile",
        "ESRGAN_tile_overlap",
        "face_restoration",
        "face_restoration_model",
        "code_former_weight",
        # the answer
        "filter_nsfw",
        "enable_pnginfo",
        "return_grid",
        "samples_format",
        "jpeg_quality",
        "webp_lossless",
        "add_model_hash_to_info",
        "add_model_name_to_info",
    }
)

MODULES = "forge_additional_modules"
"""Forge's text encoders and VAE, by the names of their files in its own folders."""

MOST_MODULES = 8

SAVING = frozenset({"samples_save", "grid_save"})
"""May be set to false, and no otherwise: nothing is saved anyway."""

_KNOWN = ALLOWED | SAVING | {MODULES}


class Overrides(msgspec.Struct, frozen=True, gc=False):
    """`spans` of its members, relative to the object, and the checkpoint it names; nothing when there is none."""

    spans: Mapping[str, Span] = {}
    checkpoint: str | None = None

    def edit(self, start: int, end: int, checkpoint: str) -> Edit:
        """The edit that makes the object from `start` to `end` name `checkpoint`."""
        value = msgspec.json.encode(checkpoint)
        if CHECKPOINT in self.spans:
            _, first, last = self.spans[CHECKPOINT]
            return start + first, start + last, value
        member = b'"%b":%b' % (CHECKPOINT.encode(), value)
        if self.spans:
            return start + 1, start + 1, member + b","
        return start, end, b"{%b}" % member


def read(raw: msgspec.Raw) -> Overrides:
    """The settings a request overrides. Raises `errors.InvalidRequest` naming the one that it may not."""
    text = bytes(raw)
    if text == b"null":
        return Overrides()
    spans = objects.within(text, NAME, _KNOWN)
    for name, span in spans.items():
        path = f"{NAME}.{echo.cut(name)}"
        if name not in _KNOWN:
            raise InvalidRequest(
                f"Unknown parameter: '{path}'. It is not for requests.", code="unknown_parameter", param=path
            )
        _check(name, places.decoded(objects.text_of(text, span), path), path)
    return Overrides(spans, _checkpoint(text, spans))


def _check(name: str, value: Any, path: str) -> None:
    if name == MODULES:
        _check_modules(value, path)
    elif isinstance(value, dict | list):
        raise InvalidRequest(f"Invalid type for '{path}': expected one value.", code="invalid_type", param=path)
    elif name in SAVING and value is not False:
        raise InvalidRequest(f"Invalid '{path}': only false is taken.", code="invalid_value", param=path)
    elif name != CHECKPOINT:  # the relay puts its own name of it in this place
        places.refuse_any(value, path)


def _check_modules(value: Any, path: str) -> None:
    if value is None:
        return
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InvalidRequest(
            f"Invalid type for '{path}': expected an array of strings.", code="invalid_type", param=path
        )
    if len(value) > MOST_MODULES:
        raise InvalidRequest(
            f"Invalid '{path}': at most {MOST_MODULES} are taken.", code="array_above_max_length", param=path
        )
    for each in value:
        places.refuse_path(each, path)


def _checkpoint(text: bytes, spans: Mapping[str, Span]) -> str | None:
    if CHECKPOINT not in spans:
        return None
    path = f"{NAME}.{CHECKPOINT}"
    found = places.decoded(objects.text_of(text, spans[CHECKPOINT]), path)
    if found is not None and not isinstance(found, str):
        raise InvalidRequest(f"Invalid type for '{path}': expected a string.", code="invalid_type", param=path)
    return found or None
