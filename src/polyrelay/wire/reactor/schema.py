"""The request contract of `POST /reactor/image`: all 25 members (WIRE 3.4), null equals absent, others pass."""

from typing import Annotated

import msgspec
from msgspec import Meta

MOST_SCALE = 8.0
"""The end of the extension's own slider."""

MOST_FACES = 100

Flag = int | bool
Part = Annotated[float, Meta(ge=0, le=1)]
Faces = Annotated[list[int], Meta(max_length=MOST_FACES)]

_NULL = msgspec.Raw(b"null")


class Form(msgspec.Struct, gc=False):
    """A face of `source_image`, or the one kept as `face_model`, is put on those of `target_image`. `model` is the file
    that does it, which is not what the relay routes by.
    """

    source_image: msgspec.Raw = _NULL
    target_image: msgspec.Raw = _NULL
    source_faces_index: Faces | None = None
    face_index: Faces | None = None
    upscaler: str | None = None
    scale: Annotated[float, Meta(gt=0, le=MOST_SCALE)] | None = None
    upscale_visibility: Part | None = None
    face_restorer: str | None = None
    restorer_visibility: Part | None = None
    codeformer_weight: Part | None = None
    restore_first: Flag | None = None
    model: str | None = None
    gender_source: int | None = None
    gender_target: int | None = None
    save_to_file: Flag | None = None
    result_file_path: str | None = None
    device: str | None = None
    mask_face: Flag | None = None
    select_source: int | None = None
    face_model: str | None = None
    source_folder: str | None = None
    random_image: Flag | None = None
    upscale_force: Flag | None = None
    det_thresh: Part | None = None
    det_maxnum: Annotated[int, Meta(ge=0)] | None = None


FIELDS = frozenset(Form.__struct_encode_fields__)

decode = msgspec.json.Decoder(Form).decode
