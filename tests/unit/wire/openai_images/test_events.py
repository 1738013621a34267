import json
from typing import Any

import pytest

from polyrelay.wire import sse
from polyrelay.wire.openai_images import events, usage
from polyrelay.wire.openai_images.tap import ImageTap

STATED = {"input_tokens": 10, "output_tokens": 20, "cost": 0.5}
ANSWER = {
    "created": 5,
    "data": [
        {"b64_json": "QUJD", "type": "png"},
        {"error": {"message": "m"}},
        {"url": "https://x/é", "revised_prompt": "a\nb"},
    ],
    "size": "1x1",
    "quality": None,
    "usage": STATED,
}


def told(body: str, prefix: str = "image_generation") -> list[dict[str, Any]]:
    frames = sse.Framer().feed(events.of(body.encode(), prefix))
    found = [sse.fields(frame) for frame in frames]
    assert all(name == f"{prefix}.completed".encode() for name, _ in found)
    return [json.loads(data or b"") for _, data in found]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_each_image_is_an_event_and_the_last_has_the_usage(indent: int | None, ending: str) -> None:
    kind = {"type": "image_edit.completed", "created_at": 5, "size": "1x1"}
    assert told(json.dumps(ANSWER, indent=indent).replace("\n", ending), "image_edit") == [
        {**kind, "b64_json": "QUJD"},
        {**kind, "url": "https://x/é", "revised_prompt": "a\nb", "usage": STATED},
    ]


def test_what_is_not_said_is_not_made_up() -> None:
    assert told('{"data":[{"b64_json":"QUJD"}]}') == [{"type": "image_generation.completed", "b64_json": "QUJD"}]


def test_numbers_stay_as_they_are() -> None:
    body = b'{"data":[{"b64_json":"QUJD","seed":12345678901234567890.5e10}]}'
    assert b'"seed":12345678901234567890.5e10' in events.of(body, "image_generation")


def test_a_tap_reads_them_as_it_reads_a_vendors() -> None:
    tap = ImageTap(usage.asked(2, None, None, 0), None)
    tap.feed(events.of(json.dumps(ANSWER).encode(), "image_generation"))
    assert tap.usage is not None
    assert sum(image.count for image in tap.usage.images) == 2
    assert tap.usage.output_image == 20
