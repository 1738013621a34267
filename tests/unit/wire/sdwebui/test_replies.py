import json

import pytest

from polyrelay.exchange.usage import ImageCount, Usage
from polyrelay.wire.sdwebui.replies import Images
from polyrelay.wire.sdwebui.work import Work

ASKED = Work(images=2, size="512x512", pixel_steps=20 * 512 * 512)
REPLY = Images(ASKED)


def answer(*images: str) -> bytes:
    return json.dumps({"images": images, "parameters": {"steps": 20}, "info": '{"seed": 7}'}).encode()


@pytest.mark.parametrize(("came", "charged"), [(1, 1), (2, 2), (3, 2)])
def test_images_are_counted(came: int, charged: int) -> None:
    seen = REPLY.observe(answer(*["iVBORw0KGgo"] * came))
    assert seen.usage == Usage(
        images=(ImageCount("512x512", None, charged),), megapixel_steps=-(-charged * 20 * 512 * 512 // 1_000_000)
    )
    assert not seen.empty
    assert not seen.garbled


def test_an_answer_without_images_is_empty() -> None:
    assert REPLY.observe(answer()).empty


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"images":"x"}', b'{"images":null}', b"<html>", b"\xff"])
def test_what_is_no_answer_is_garbled(body: bytes) -> None:
    assert REPLY.observe(body).garbled


def test_the_answer_leaves_as_it_came() -> None:
    assert REPLY.rendered(answer("x"), b"1.5") == answer("x")


@pytest.mark.parametrize(
    ("status", "body", "blames"),
    [
        (404, b'{"error":"HTTPException","detail":"Init image not found","body":"","errors":""}', True),
        (404, b'{"detail":"Sampler not found"}', True),
        (404, b'{"detail":"Not Found"}', False),
        (404, b"<html>404</html>", False),
        (404, b'{"detail":["x"]}', False),
        (422, b'{"detail":[{"loc":["body"]}]}', True),
        (500, b'{"detail":"Invalid encoded image"}', True),
        (500, b'{"error":"OutOfMemoryError","detail":""}', False),
        (500, b"Internal Server Error", False),
    ],
)
def test_a_route_that_is_not_there_is_not_the_requests_fault(status: int, body: bytes, *, blames: bool) -> None:
    assert REPLY.blames(status, body) is blames
