"""Serves the WebUI's generation, one job after the other, its progress and its lists."""

import base64
import binascii
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from polyrelay.sandbox import faults
from polyrelay.sandbox.calls import Call, Later, Route
from polyrelay.sandbox.framing import Reply
from polyrelay.sandbox.images import picture
from polyrelay.sandbox.surfaces import WEBUI, Refused
from polyrelay.sandbox.webui import asks, catalogue
from polyrelay.sandbox.webui.asks import Img2Img, Picture, Txt2Img
from polyrelay.sandbox.webui.catalogue import Checkpoint
from polyrelay.sandbox.webui.line import Line

_PREFIX = "/sdapi/v1"
_SIDE_STEP, _LEAST_SIDE = 8, 16
_MOST_PIXELS = 64 * 1024 * 1024
"""Of all pictures of a call together; more is what a card has no memory for."""
_SEED_BOUND = 1 << 32
_MOST_DENOISED = 0.999


class Webui:
    """One WebUI with one card."""

    def __init__(self) -> None:
        self.line = Line()

    def routes(self) -> list[Route]:
        """The calls of this counter."""
        return [
            Route("POST", f"{_PREFIX}/txt2img", WEBUI, self._txt2img, _checkpoint),
            Route("POST", f"{_PREFIX}/img2img", WEBUI, self._img2img, _checkpoint),
            Route("GET", f"{_PREFIX}/progress", WEBUI, self._progress),
            *(
                Route("GET", f"{_PREFIX}/{name}", WEBUI, partial(_listed, content))
                for name, content in catalogue.lists().items()
            ),
        ]

    def _progress(self, call: Call) -> Reply:
        return _listed(self.line.progress(call.now), call)

    def _txt2img(self, call: Call) -> Later:
        ask = asks.read(call.content.body, Txt2Img)
        width, height, steps = ask.width, ask.height, max(1, ask.steps)
        if ask.enable_hr:
            steps += ask.hr_second_pass_steps or steps
            width = ask.hr_resize_x or int(width * ask.hr_scale)
            height = ask.hr_resize_y or int(height * ask.hr_scale)
        return self._generate(call, ask, width, height, steps)

    def _img2img(self, call: Call) -> Later:
        ask = asks.read(call.content.body, Img2Img)
        if not ask.init_images:
            raise Refused("Init image not found", 404)
        for image in (*ask.init_images, *([ask.mask] if ask.mask else [])):
            decoded(image)
        strength = 0.75 if ask.denoising_strength is None else ask.denoising_strength
        steps = max(1, int(min(strength, _MOST_DENOISED) * max(1, ask.steps)))
        later = self._generate(call, ask, ask.width, ask.height, steps)
        if not ask.include_init_images:
            ask.init_images = ask.mask = None
        return later

    def _generate(self, call: Call, ask: Picture, width: int, height: int, steps: int) -> Later:
        made = _Made(call, ask, *_sampling(ask), width // _SIDE_STEP * _SIDE_STEP, height // _SIDE_STEP * _SIDE_STEP)
        made.check()
        name = "scripts_img2img" if isinstance(ask, Img2Img) else "scripts_txt2img"
        job = self.line.enter(name, call.now, call.script.step, ask.n_iter, steps)
        return Later(lambda: made.reply(job.end))


@dataclass(frozen=True, slots=True)
class _Made:
    """One call's pictures; width and height are theirs."""

    call: Call
    ask: Picture
    sampler: str
    scheduler: str
    width: int
    height: int

    def check(self) -> None:
        """Refuse what cannot be made. Raises `Refused`."""
        ask = self.ask
        if min(ask.batch_size, ask.n_iter) < 1 or min(self.width, self.height) < _LEAST_SIDE:
            raise Refused("Nothing to draw", 500, code="ValueError")
        pixels = self.width * self.height * ask.count
        if pixels > _MOST_PIXELS or max(self.width, self.height) > picture.MOST_SIDE:
            raise Refused("CUDA out of memory", 500, code="OutOfMemoryError")
        if ask.script_name:
            raise Refused(f"Script '{ask.script_name}' not found", 422)
        for name in ask.alwayson_scripts:
            if not catalogue.has_script(name):
                raise Refused(f"always on script {name} not found", 422)

    def reply(self, due: float) -> Reply:
        """The answer, not before the job's end."""
        ask, first = self.ask, self.ask.seed if self.ask.seed >= 0 else self.call.dice().below(_SEED_BOUND)
        seeds = [first + place for place in range(ask.count)]
        grid = ask.save_images and ask.count > 1
        whole = {
            "images": self._drawn(seeds, grid=grid) if ask.send_images else [],
            "parameters": msgspec.to_builtins(ask),
            "info": msgspec.json.encode(self._info(seeds, grid=grid)).decode(),
        }
        return Reply(200, (faults.JSON,), [msgspec.json.encode(whole)], due=due)

    def _drawn(self, seeds: list[int], *, grid: bool) -> list[str]:
        digest = picture.digest_of(self.ask.prompt)
        files = [picture.draw(digest, seed, self.width, self.height) for seed in seeds]
        if grid:
            files.insert(0, picture.sheet(digest, seeds, self.width, self.height))
        return [base64.b64encode(file).decode() for file in files]

    def _info(self, seeds: list[int], *, grid: bool) -> dict[str, Any]:
        ask, model = self.ask, catalogue.checkpoint(self.ask.checkpoint)
        texts = [self._infotext(seed, model) for seed in seeds]
        return {
            "prompt": ask.prompt,
            "all_prompts": [ask.prompt] * len(seeds),
            "negative_prompt": ask.negative_prompt,
            "all_negative_prompts": [ask.negative_prompt] * len(seeds),
            "seed": seeds[0],
            "all_seeds": seeds,
            "subseed": max(0, ask.subseed),
            "all_subseeds": [max(0, ask.subseed) + place for place in range(len(seeds))],
            "subseed_strength": ask.subseed_strength,
            "width": self.width,
            "height": self.height,
            "sampler_name": self.sampler,
            "cfg_scale": ask.cfg_scale,
            "steps": ask.steps,
            "batch_size": ask.batch_size,
            "restore_faces": bool(ask.restore_faces),
            "face_restoration_model": None,
            "sd_model_name": model.name,
            "sd_model_hash": model.hash,
            "sd_vae_name": None,
            "sd_vae_hash": None,
            "seed_resize_from_w": ask.seed_resize_from_w,
            "seed_resize_from_h": ask.seed_resize_from_h,
            "denoising_strength": ask.denoising_strength,
            "extra_generation_params": {"Schedule type": self.scheduler},
            "index_of_first_image": int(grid),
            "infotexts": [texts[0], *texts] if grid else texts,
            "styles": ask.styles or [],
            "job_timestamp": str(int(self.call.now)),
            "clip_skip": 1,
            "is_using_inpainting_conditioning": False,
            "version": catalogue.VERSION,
        }

    def _infotext(self, seed: int, model: Checkpoint) -> str:
        ask = self.ask
        negative = f"\nNegative prompt: {ask.negative_prompt}" if ask.negative_prompt else ""
        return (
            f"{ask.prompt}{negative}\nSteps: {ask.steps}, Sampler: {self.sampler}, Schedule type: {self.scheduler}, "
            f"CFG scale: {ask.cfg_scale:g}, Seed: {seed}, Size: {self.width}x{self.height}, "
            f"Model hash: {model.hash}, Model: {model.name}, Version: {catalogue.VERSION}"
        )


def decoded(image: str) -> bytes:
    """The bytes of a picture given as base64 or as a data URL.

    Raises:
        Refused: it is a link, which is not fetched, or no picture.
    """
    if image.startswith(("http://", "https://")):
        raise Refused("Requests not allowed", 500)
    encoded = image.partition(",")[2] if image.startswith("data:image/") else image
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not picture.looks_like_one(data):
        raise Refused("Invalid encoded image", 500)
    return data


def _checkpoint(call: Call) -> str:
    try:
        settings = call.content.json.get("override_settings")
    except Refused:
        return ""
    return str(settings.get("sd_model_checkpoint") or "") if isinstance(settings, dict) else ""


def _sampling(ask: Picture) -> tuple[str, str]:
    found = catalogue.sampling(ask.sampler_name or ask.sampler_index, ask.scheduler)
    if found is None:
        raise Refused("Sampler not found", 400)
    return found


def _listed(content: Any, call: Call) -> Reply:  # noqa: ARG001 - the signature of a handler, once it is bound
    return Reply(200, (faults.JSON,), [msgspec.json.encode(content)])
