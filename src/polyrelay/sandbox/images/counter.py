"""Serves OpenAI's image calls, and the pictures that answers link to."""

import base64
import re
from collections.abc import Callable
from typing import Any, cast

import msgspec

from polyrelay.sandbox import faults, frames
from polyrelay.sandbox.calls import Call, Handler, Later, Route, model_in_body
from polyrelay.sandbox.frames import Chunks
from polyrelay.sandbox.framing import Reply
from polyrelay.sandbox.images import asks, picture
from polyrelay.sandbox.images.asks import ImageAsk
from polyrelay.sandbox.images.picture import Kind
from polyrelay.sandbox.script import Script
from polyrelay.sandbox.surfaces import MEDIA, OPENAI, Refused

_TOKENS = {"low": (272, 408, 400), "medium": (1056, 1584, 1568), "high": (4160, 6240, 6208)}
"""Output tokens of one square, tall and wide image, as OpenAI documents them for gpt-image-1."""
_QUALITY = {"auto": "medium", "standard": "medium", "hd": "high"}
_SQUARE = 1024 * 1024
_PARTIAL_TOKENS = 100
"""What OpenAI adds for each partial image."""
_INPUT_TOKENS = 323
"""What the sandbox counts for an input image."""
_TOKEN_BYTES = 4
_STREAM = ("content-type", "text/event-stream; charset=utf-8")
_LINK = re.compile(r"([0-9a-f]{32})-(\d{1,20})-(\d{1,4})x(\d{1,4})\.(png|jpeg|webp)")


def routes() -> list[Route]:
    """The calls of this counter."""
    return [
        Route("POST", "*/images/generations", OPENAI, _serving(asks.generation), model_in_body(asks.DALL_E)),
        Route("POST", "*/images/edits", OPENAI, _serving(asks.edit), model_in_body(asks.GPT_IMAGE)),
        Route("POST", "*/images/variations", OPENAI, _serving(asks.variation), model_in_body(asks.DALL_E)),
        Route("GET", "/media/images/{name}", MEDIA, _fetch),
    ]


def link(base: str, digest: str, seed: int, width: int, height: int, kind: str = "png") -> str:
    """Where the sandbox serves the picture of this digest and seed; it keeps none, and draws it again."""
    return f"{base}/media/images/{digest}-{seed % picture.SEEDS}-{width}x{height}.{kind}"


def _fetch(call: Call) -> Later:
    match = _LINK.fullmatch(call.names["name"])
    if match is None or max(int(match[3]), int(match[4])) > picture.MOST_SIDE or 0 in (int(match[3]), int(match[4])):
        raise Refused("No such picture.", 404, code="not_found")
    digest, seed, kind = match[1], int(match[2]), cast("Kind", match[5])

    def make() -> Reply:
        drawn = picture.draw(digest, seed, int(match[3]), int(match[4]), kind)
        return Reply(200, (("content-type", f"image/{kind}"),), [drawn])

    return Later(make)


def _serving(read: Callable[[Call], ImageAsk]) -> Handler:
    def handle(call: Call) -> Later:
        ask = read(call)
        return Later(lambda: _streamed(ask, call) if ask.stream else _whole(ask, call))

    return handle


def _whole(ask: ImageAsk, call: Call) -> Reply:
    whole: dict[str, Any] = {"created": int(call.now), "data": [_item(ask, call, place) for place in range(ask.count)]}
    if ask.tokened:
        whole |= _described(ask)
    usage = _usage(ask, call.script, ask.count)
    if usage is not None:
        whole["usage"] = usage
    return Reply(200, (faults.JSON,), [msgspec.json.encode(whole)])


def _item(ask: ImageAsk, call: Call, place: int) -> dict[str, str]:
    digest = picture.digest_of(ask.prompt)
    if ask.by_link:
        item = {"url": link(call.base, digest, ask.seed + place, ask.width, ask.height, ask.kind)}
    else:
        item = {"b64_json": _drawn(ask, place)}
    return item | ({"revised_prompt": ask.prompt} if ask.model == "dall-e-3" else {})


def _streamed(ask: ImageAsk, call: Call) -> Reply:
    content, ending = list[bytes](), list[bytes]()
    for place in range(ask.count):
        content += ending
        for number in range(ask.partial):
            partial = {"b64_json": _drawn(ask, place, plain=True), "partial_image_index": number}
            content.append(_event(ask, call, "partial_image", partial))
        usage = _usage(ask, call.script, 1)
        said = {"b64_json": _drawn(ask, place), **({} if usage is None else {"usage": usage})}
        ending = [_event(ask, call, "completed", said)]
    portions = frames.segments(Chunks(content, ending, named=True), call.script)
    return Reply(200, (_STREAM, ("cache-control", "no-cache")), portions, stream=True, events=True)


def _event(ask: ImageAsk, call: Call, kind: str, more: dict[str, Any]) -> bytes:
    said = {"type": f"{ask.work}.{kind}", "created_at": int(call.now), **_described(ask), **more}
    return msgspec.json.encode(said)


def _described(ask: ImageAsk) -> dict[str, str]:
    quality = _QUALITY.get(ask.quality, ask.quality)
    return {"background": "opaque", "output_format": ask.kind, "size": ask.size, "quality": quality}


def _drawn(ask: ImageAsk, place: int, *, plain: bool = False) -> str:
    drawn = picture.draw(
        picture.digest_of(ask.prompt),
        ask.seed + place,
        ask.width,
        ask.height,
        ask.kind,
        quality=ask.compression,
        plain=plain,
    )
    return base64.b64encode(drawn).decode()


def _usage(ask: ImageAsk, script: Script, count: int) -> dict[str, Any] | None:
    """Of models that count in tokens, or of any when the script says `usage=every`."""
    if script.usage == "none" or not (ask.tokened or script.usage == "every"):
        return None
    text = -(-len(ask.prompt.encode()) // _TOKEN_BYTES) if script.prompt is None else script.prompt
    images = _INPUT_TOKENS * ask.given
    output = count * _image_tokens(ask) if script.tokens is None else script.tokens
    return {
        "total_tokens": text + images + output,
        "input_tokens": text + images,
        "output_tokens": output,
        "input_tokens_details": {"text_tokens": text, "image_tokens": images},
        "output_tokens_details": {"text_tokens": 0, "image_tokens": output},
    }


def _image_tokens(ask: ImageAsk) -> int:
    square, tall, wide = _TOKENS[_QUALITY.get(ask.quality, ask.quality)]
    partial = _PARTIAL_TOKENS * ask.partial if ask.stream else 0
    known = {"1024x1024": square, "1024x1536": tall, "1536x1024": wide}
    return known.get(ask.size, -(-square * ask.width * ask.height // _SQUARE)) + partial
