"""The request contract of txt2img and img2img: types and bounds of what the relay counts, checks or changes (WIRE 3.1).

Bounds are those of the WebUI's own sliders, so that what a call can cost is known before it is made. All members are
optional, null equals absent, and those that are not named here pass.
"""

from typing import Annotated, get_args, get_type_hints

import msgspec
from msgspec import Meta

MOST_STEPS = 150
LONGEST_SIDE = 2048
MOST_AT_ONCE = 8
MOST_ROUNDS = 100
MOST_IMAGES = 100
"""Of one call: each is a megabyte or two of its answer."""

LONGEST_UPSCALED_SIDE = 4096
MOST_SCALE = 4.0

MOST_INIT_IMAGES = 64
MOST_CHARACTERS = 100_000
"""Of a prompt: a hundred times what a model sees of it."""

Steps = Annotated[int, Meta(ge=1, le=MOST_STEPS)]
SecondSteps = Annotated[int, Meta(ge=0, le=MOST_STEPS)]
Side = Annotated[int, Meta(ge=64, le=LONGEST_SIDE)]
UpscaledSide = Annotated[int, Meta(ge=0, le=LONGEST_UPSCALED_SIDE)]
Scale = Annotated[float, Meta(gt=0, le=MOST_SCALE)]
Prompt = Annotated[str, Meta(max_length=MOST_CHARACTERS)]
Name = Annotated[str, Meta(min_length=1, max_length=512)]

_NULL = msgspec.Raw(b"null")


class Form(msgspec.Struct, gc=False):
    """The members that are looked at. `model` is the relay's own: clients name the checkpoint by it (seed 003)."""

    model: Name | None = None
    prompt: Prompt | None = None
    negative_prompt: Prompt | None = None
    steps: Steps | None = None
    width: Side | None = None
    height: Side | None = None
    batch_size: Annotated[int, Meta(ge=1, le=MOST_AT_ONCE)] | None = None
    n_iter: Annotated[int, Meta(ge=1, le=MOST_ROUNDS)] | None = None
    seed: int | None = None
    cfg_scale: float | None = None
    denoising_strength: Annotated[float, Meta(ge=0, le=1)] | None = None
    sampler_name: str | None = None
    scheduler: str | None = None
    enable_hr: bool | None = None
    hr_scale: Scale | None = None
    hr_second_pass_steps: SecondSteps | None = None
    hr_resize_x: UpscaledSide | None = None
    hr_resize_y: UpscaledSide | None = None
    firstphase_width: int | None = None
    firstphase_height: int | None = None
    hr_checkpoint_name: str | None = None
    refiner_checkpoint: str | None = None
    script_name: str | None = None
    infotext: str | None = None
    outpath_samples: str | None = None
    outpath_grids: str | None = None
    send_images: bool | None = None
    save_images: bool | None = None
    override_settings_restore_afterwards: bool | None = None
    override_settings: msgspec.Raw = _NULL
    alwayson_scripts: msgspec.Raw = _NULL
    init_images: Annotated[list[msgspec.Raw], Meta(max_length=MOST_INIT_IMAGES)] | None = None
    mask: msgspec.Raw = _NULL
    latent_mask: msgspec.Raw = _NULL
    firstpass_image: msgspec.Raw = _NULL


FIELDS = frozenset(Form.__struct_encode_fields__)

decode = msgspec.json.Decoder(Form, strict=False).decode
"""Lenient as servers are: numbers and booleans may be written as strings, and whole numbers with a point."""

COUNTED = frozenset(name for name, kind in get_type_hints(Form).items() if set(get_args(kind)) & {int, float, bool})
"""Members that are numbers or booleans: the server must read them as the relay does."""
