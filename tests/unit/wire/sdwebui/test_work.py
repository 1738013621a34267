from typing import Any

import pytest

from polyrelay.exchange.usage import ImageCount
from polyrelay.wire.sdwebui import schema, work


@pytest.mark.parametrize(
    ("form", "size", "pixel_steps"),
    [
        ({}, "512x512", 50 * 512 * 512),
        ({"steps": 1, "width": 64, "height": 128}, "64x128", 64 * 128),
        ({"enable_hr": True, "steps": 10}, "1024x1024", 10 * 512**2 + 10 * 1024**2),
        ({"enable_hr": True, "steps": 10, "hr_second_pass_steps": 4}, "1024x1024", 10 * 512**2 + 4 * 1024**2),
        ({"enable_hr": True, "steps": 2, "hr_scale": 1.5}, "768x768", 2 * 512**2 + 2 * 768**2),
        ({"enable_hr": True, "steps": 1, "hr_scale": 1.0, "hr_resize_x": 1024}, "1024x1024", 512**2 + 1024**2),
        ({"enable_hr": True, "steps": 1, "width": 256, "hr_resize_y": 1024}, "512x1024", 256 * 512 + 512 * 1024),
        ({"enable_hr": True, "steps": 1, "hr_resize_x": 640, "hr_resize_y": 960}, "640x960", 512**2 + 640 * 960),
        ({"enable_hr": False, "steps": 1, "hr_scale": 4.0, "hr_resize_x": 4096}, "512x512", 512**2),
    ],
)
def test_both_passes_count(form: dict[str, Any], size: str, pixel_steps: int) -> None:
    found = work.of(schema.Form(**form))
    assert (found.size, found.pixel_steps) == (size, pixel_steps)


def test_work_is_rounded_up_once_a_call() -> None:
    found = work.of(schema.Form(steps=1, width=64, height=64, n_iter=100))
    assert found.demand.megapixel_steps == 1
    assert found.usage(1).megapixel_steps == 1
    assert work.of(schema.Form(steps=1, width=1000, height=1000)).demand.megapixel_steps == 1
    assert work.of(schema.Form(steps=1, width=1000, height=1001)).demand.megapixel_steps == 2


def test_what_came_back_is_charged_never_more_than_was_asked() -> None:
    found = work.of(schema.Form(steps=20, batch_size=4))
    for came, charged in ((0, 0), (1, 1), (4, 4), (5, 4), (9, 4)):
        usage = found.usage(came)
        assert usage.images == (ImageCount("512x512", None, charged),)
        assert usage.megapixel_steps == -(-charged * 20 * 512**2 // 1_000_000)
