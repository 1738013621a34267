import json
from typing import Any

import pytest

from polyrelay.exchange.usage import ImageCount, Usage
from polyrelay.wire.openai_images import answer, usage
from polyrelay.wire.spoken import Seen

ASKED = usage.asked(3, None, None, 7)
STATED = {"input_tokens": 10, "output_tokens": 20, "total_tokens": 30}
BAD = [{"error": {"message": "refused"}}, {"url": None}, {"b64_json": ""}, {}]
LINK, DATA = {"url": "https://x/y.png"}, {"b64_json": "QUJD", "revised_prompt": "a [b]"}


def observed(value: Any) -> Seen:
    return answer.observe(json.dumps(value).encode(), ASKED)


def made(count: int, size: str = "auto", quality: str = "auto") -> tuple[ImageCount, ...]:
    return (ImageCount(size, quality, count),)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"data": [LINK, DATA]}, Usage(images=made(2))),
        ({"created": 1, "data": [DATA], "usage": STATED}, Usage(input_text=10, output_image=20, images=made(1))),
        ({"data": [DATA], "size": "1x1", "quality": "low"}, Usage(images=made(1, "1x1", "low"))),
        ({"data": [LINK] * 9}, Usage(images=made(3))),
        (
            {"data": [LINK, *BAD]},
            Usage(images=made(1)),
        ),
        ({"data": [LINK], "usage": "none", "size": 7}, Usage(images=made(1))),
        ({"data": [LINK], "error": None, "usage": None}, Usage(images=made(1))),
    ],
)
def test_images_and_tokens_are_counted(value: Any, expected: Usage) -> None:
    assert observed(value) == Seen(usage=expected)


@pytest.mark.parametrize("value", [{"data": []}, {"data": [{}]}, {"data": [{"url": ""}], "usage": STATED}])
def test_an_answer_without_images_is_empty(value: Any) -> None:
    assert observed(value) == Seen(empty=True)


@pytest.mark.parametrize("value", [{}, {"data": None}, {"data": "x"}, {"data": [1]}, [], "x", {"usage": STATED}])
def test_another_answer_is_garbled(value: Any) -> None:
    assert observed(value) == Seen(garbled=True)


@pytest.mark.parametrize("value", [{"error": {"message": "m"}}, {"error": "m", "data": [LINK]}])
def test_an_error_is_one_whatever_its_status(value: Any) -> None:
    assert observed(value) == Seen(error=True)


@pytest.mark.parametrize("body", [b"", b" \n"])
def test_no_body_is_empty(body: bytes) -> None:
    assert answer.observe(body, ASKED) == Seen(empty=True)


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_garbled(body: bytes) -> None:
    assert answer.observe(body, ASKED) == Seen(garbled=True)


TAIL = Usage(input_text=10, output_image=20, images=made(3))


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        ('QUJD"}],"usage":%s}', TAIL),
        ('QUJD"} ] , "output_format":"png","usage":%s}\n', TAIL),
        (
            'QUJD"}],"quality":"low","size":"1x1","usage":%s}',
            Usage(input_text=10, output_image=20, images=made(3, "1x1", "low")),
        ),
        ('QUJD"}],"usage":%s,"warnings":["a","b"]}', TAIL),
        ('QUJD"}],"usage":{"details":[1],"input_tokens":10,"output_tokens":20}}', TAIL),
        ('QUJD","revised_prompt":"],\\"usage\\":{\\"input_tokens\\":1}}"}],"usage":%s}', TAIL),
        ('QUJD"}]}', None),
        ('QUJD"}],"usage":null}', None),
        ('QUJD"}],"usage":%s', None),
        ('QUJD","revised_prompt":"],\\"usage\\":{\\"input_tokens\\":1}}"}]}', None),
        ("QUJD", None),
        ("", None),
    ],
)
def test_the_tail_of_a_large_answer_tells_its_usage(tail: str, expected: Usage | None) -> None:
    assert answer.tail_usage(tail.replace("%s", json.dumps(STATED)).encode(), ASKED) == expected


def test_many_brackets_end_the_search() -> None:
    assert answer.tail_usage(b"]" * 60_000, ASKED) is None
