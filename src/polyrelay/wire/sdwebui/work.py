"""How much a call makes an upstream do: images, their size, and the steps of sampling that they take."""

import msgspec

from polyrelay.exchange.call import Demand
from polyrelay.exchange.usage import ImageCount, Usage
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire.sdwebui import schema

STEPS, WIDTH, HEIGHT, SCALE = 50, 512, 512, 2.0
"""What a WebUI takes where a request names none (WIRE 3.1)."""

_MEGA = 1_000_000


class Work(msgspec.Struct, frozen=True, gc=False):
    """What was asked for: `images` of `size` (`WIDTHxHEIGHT`), each of `pixel_steps` pixels times steps, of the first
    pass and of the second one that enlarges it. Steps count as asked, though img2img and second passes may skip some.
    """

    images: int
    size: str
    pixel_steps: int

    @property
    def demand(self) -> Demand:
        """The upper bounds."""
        return Demand(images=self._counted(self.images), megapixel_steps=self._megapixel_steps(self.images))

    def usage(self, images: int | None = None) -> Usage:
        """What is charged when so many images came back, never for more than were asked for; None: all."""
        made = self.images if images is None else min(images, self.images)
        return Usage(images=self._counted(made), megapixel_steps=self._megapixel_steps(made))

    def _counted(self, images: int) -> tuple[ImageCount, ...]:
        return (ImageCount(self.size, None, images),)

    def _megapixel_steps(self, images: int) -> int:
        return -(-images * self.pixel_steps // _MEGA)


def of(form: schema.Form) -> Work:
    """The work of a request. Raises `errors.InvalidRequest` when it is more than one call may ask for."""
    images = (form.batch_size or 1) * (form.n_iter or 1)
    if images > schema.MOST_IMAGES:
        raise _too_much(f"'batch_size' times 'n_iter' is {images}; one call makes {schema.MOST_IMAGES}.", "n_iter")
    width, height, steps = form.width or WIDTH, form.height or HEIGHT, form.steps or STEPS
    pixel_steps = width * height * steps
    if form.enable_hr:
        width, height = _upscaled(form, width, height)
        if max(width, height) > schema.LONGEST_UPSCALED_SIDE:
            found = f"{width}x{height} is the size after the second pass; its"
            raise _too_much(f"{found} longest side may have {schema.LONGEST_UPSCALED_SIDE} pixels.", "hr_scale")
        pixel_steps += width * height * (form.hr_second_pass_steps or steps)
    return Work(images, f"{width}x{height}", pixel_steps)


def _upscaled(form: schema.Form, width: int, height: int) -> tuple[int, int]:
    """The size after the second pass: two sides, or one and the other in proportion, or a multiple of the first."""
    wide, high = form.hr_resize_x or 0, form.hr_resize_y or 0
    if wide and high:
        return wide, high
    if wide:
        return wide, wide * height // width
    if high:
        return high * width // height, high
    scale = SCALE if form.hr_scale is None else form.hr_scale
    return int(width * scale), int(height * scale)


def _too_much(message: str, param: str) -> InvalidRequest:
    return InvalidRequest(message, code="integer_above_max_value", param=param)
