import json

import pytest

from polyrelay.exchange.usage import Usage
from polyrelay.wire import charge
from polyrelay.wire.openai_chat.tap import StreamTap


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{"usage":{"prompt_tokens":1}}', b'{"usage":{"prompt_tokens":1,"cost":0.10}}'),
        (b'{ "usage" : { } }', b'{ "usage" : { "cost":0.10} }'),
        (b'{"usage":{"cost": 9 ,"x":1},"id":"a"}', b'{"usage":{"cost": 0.10 ,"x":1},"id":"a"}'),
        (b'{"usage":null}', None),
        (b'{"x":{"usage":{}}}', None),
        (b'{"usage":{"cost":1,"cost":2}}', None),
        (b'{"usage":{},"usage":{}}', None),
        (b'[{"usage":{}}]', None),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_the_cost_joins_the_usage(text: bytes, expected: bytes | None) -> None:
    after = charge.with_cost(text, b"0.10")
    assert after == (text if expected is None else expected)
    assert expected is not None or after is text


def _price(usage: Usage) -> bytes:
    return b"0.%03d" % usage.total_tokens


def frame(**members: object) -> bytes:
    return b"data: " + json.dumps(members).encode() + b"\n\n"


def test_frames_that_state_usage_carry_the_charge() -> None:
    tap = StreamTap(strip_usage=False, price=_price)
    said = frame(choices=[{"delta": {"content": "a"}}], usage=None)
    assert tap.feed(said) is said
    stated = {"prompt_tokens": 2, "completion_tokens": 3}
    assert tap.feed(frame(choices=[], usage=stated)) == frame(choices=[], usage=stated).replace(
        b": 3}", b': 3,"cost":0.005}'
    )
    zeros = frame(choices=[], usage={"prompt_tokens": 0, "completion_tokens": 0})
    assert tap.feed(zeros) == zeros.replace(b": 0}", b': 0,"cost":0.005}')
    assert tap.feed(b"data: [DONE]\n\n") == b""
    assert tap.usage == Usage(input_text=2, output_text=3)


def test_usage_that_states_no_count_has_no_charge() -> None:
    tap = StreamTap(strip_usage=False, price=_price)
    odd = frame(choices=[], usage={"note": "none"})
    assert tap.feed(odd) is odd


def test_withheld_usage_stays_withheld() -> None:
    tap = StreamTap(strip_usage=True, price=_price)
    assert tap.feed(frame(choices=[], usage={"prompt_tokens": 1})) == b""
    assert (
        tap.feed(frame(choices=[{"delta": {}}], usage={"prompt_tokens": 1}))
        == b'data: {"choices": [{"delta": {}}]}\n\n'
    )
