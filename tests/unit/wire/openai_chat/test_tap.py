import json
from typing import Any

import pytest

from polyrelay.exchange.usage import Usage
from polyrelay.wire.openai_chat.tap import StreamTap

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def frame(**members: Any) -> bytes:
    return b"data: " + json.dumps({"id": "c", **members}, separators=(",", ":")).encode() + b"\n\n"


def delta(finish: str | None = None, index: int = 0, **members: Any) -> bytes:
    return frame(choices=[{"index": index, "delta": members, "finish_reason": finish}])


ROLE = delta(role="assistant", content="")
TEXT = delta(content="héllo")


def tapped(*chunks: bytes, strip: bool = False) -> tuple[StreamTap, bytes]:
    tap = StreamTap(strip_usage=strip)
    return tap, b"".join([tap.feed(chunk) for chunk in chunks])


def test_a_whole_stream_passes_but_for_its_terminator() -> None:
    tap, out = tapped(ROLE, TEXT, delta("stop"), DONE, b": late\n\n")
    assert out == ROLE + TEXT + delta("stop")
    assert tap.terminator == DONE
    assert tap.done
    assert tap.meaningful
    assert (tap.finish, tap.finished_choices, tap.content_bytes) == ("stop", 1, 6)
    assert (tap.error, tap.garbled, tap.usage, tap.close()) == (None, False, None, b"")


def test_untouched_chunks_are_the_very_objects() -> None:
    tap = StreamTap(strip_usage=True)
    for chunk in (ROLE, TEXT, ROLE + TEXT, TEXT.replace(b"\n", b"\r\n"), b": ping\n\n" + TEXT):
        assert tap.feed(chunk) is chunk


def test_what_shares_a_chunk_with_the_terminator() -> None:
    tap, out = tapped(TEXT + DONE + TEXT)
    assert out == TEXT
    assert tap.terminator == DONE
    assert tap.content_bytes == 6


@pytest.mark.parametrize("frames", [DONE, b"data:[DONE]\n\n", b"data: [DONE]\r\n\r\n", b": x\ndata: [DONE]\n\n"])
def test_terminators_keep_their_bytes(frames: bytes) -> None:
    assert tapped(frames)[0].terminator == frames


@pytest.mark.parametrize("end", [b"data: [DONE]", b"data: [DONE]\n", b"data:[DONE]\r\n", b"data: [DONE]\r\r"])
def test_a_terminator_without_its_blank_line_counts(end: bytes) -> None:
    tap, out = tapped(TEXT, end)
    assert out == TEXT
    assert not tap.done
    assert tap.close() == b""
    assert tap.terminator == DONE


@pytest.mark.parametrize(("end", "left"), [(b"data: {", b"data: {"), (TEXT[:-1], TEXT[:-1]), (b"\n", b""), (b"", b"")])
def test_close_tells_of_truncation(end: bytes, left: bytes) -> None:
    tap, out = tapped(TEXT, end)
    assert out == TEXT
    assert tap.close() == left
    assert not tap.done


@pytest.mark.parametrize(
    "meaningful",
    [
        TEXT,
        delta(reasoning_content="x"),
        delta(reasoning="x"),
        delta(refusal="x"),
        delta(tool_calls=[{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]),
        delta(content=[{"type": "text", "text": "x"}]),
        delta(vendor_member=0),
        delta("stop"),
        frame(choices=[{"text": "x"}]),
        frame(choices=[1]),
        frame(object="something.else"),
    ],
)
def test_frames_that_commit(meaningful: bytes) -> None:
    assert tapped(ROLE, meaningful)[0].meaningful


@pytest.mark.parametrize(
    "quiet",
    [
        ROLE,
        delta(),
        delta(role="assistant", content=None, tool_calls=[], refusal=None, audio={}),
        frame(choices=[]),
        frame(choices=[], usage=USAGE),
        frame(choices=[], prompt_filter_results=[{"prompt_index": 0}]),
        frame(usage=USAGE),
        frame(error={"message": "x"}),
        b": ping\n\n",
        b"event: ping\n\n",
        b"data:\n\n",
        DONE,
    ],
)
def test_frames_that_do_not(quiet: bytes) -> None:
    tap, _ = tapped(quiet)
    assert not tap.meaningful
    assert not tap.garbled


def test_an_error_before_anything_meaningful() -> None:
    error = frame(error={"message": "x"})
    tap, out = tapped(ROLE, error, TEXT)
    assert (tap.error, tap.error_first) == (error[6:-2], True)
    assert out == ROLE + error + TEXT


@pytest.mark.parametrize(
    "error",
    [
        frame(error="overloaded"),
        frame(error={"message": "x"}, choices=[{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]),
        b'event: error\ndata: {"message":"x"}\n\n',
    ],
)
def test_an_error_after_commit(error: bytes) -> None:
    tap, out = tapped(TEXT, error)
    assert tap.error is not None
    assert not tap.error_first
    assert out == TEXT + error


def test_a_null_error_is_none() -> None:
    tap, _ = tapped(frame(error=None, choices=[{"index": 0, "delta": {"content": "x"}}]))
    assert tap.error is None
    assert tap.meaningful


@pytest.mark.parametrize(
    "data", [b"{", b"[1]", b'"x"', b"1", b"upstream says hello", b"\xff", b'{"a":' + b"[" * 99_999]
)
def test_garbled_data(data: bytes) -> None:
    chunk = b"data: " + data + b"\n\n"
    tap, out = tapped(chunk)
    assert tap.garbled
    assert out == chunk


def test_content_is_counted_wherever_it_is() -> None:
    tap, _ = tapped(
        delta(content="é"),
        delta(reasoning_content="ab"),
        delta(reasoning="ab"),
        delta(refusal="ab"),
        delta(tool_calls=[{"index": 0, "id": "ignored", "function": {"name": "f", "arguments": '{"a'}}]),
        delta(function_call={"name": "f", "arguments": "x"}),
        delta(audio={"transcript": "ab", "data": "ignored"}),
        delta(content=[{"type": "text", "text": "abc"}]),
        delta(tool_calls=[{"custom": {"name": "n", "input": "x"}}]),
    )
    assert tap.content_bytes == 2 + 2 + 2 + 2 + 4 + 2 + 2 + 3 + 2


def test_finish_of_several_choices() -> None:
    tap, _ = tapped(delta("stop", index=0), delta("length", index=1), delta("length", index=1))
    assert (tap.finish, tap.finished_choices) == ("length", 2)


def test_the_last_usage_counts() -> None:
    tap, _ = tapped(
        frame(choices=[], usage={"prompt_tokens": 1}), frame(choices=[], usage=USAGE), frame(choices=[], usage=None)
    )
    assert tap.usage == Usage(input_text=3, output_text=2)


def test_a_usage_of_the_wrong_type_is_no_usage() -> None:
    tap, out = tapped(frame(choices=[], usage={"prompt_tokens": "3"}), strip=True)
    assert tap.usage is None
    assert tap.garbled is False
    assert out == b""


@pytest.mark.parametrize("zeros", [{"prompt_tokens": 0, "completion_tokens": 0}, {"prompt_tokens": 0}])
def test_zeros_do_not_replace_a_usage(zeros: dict[str, int]) -> None:
    tap, _ = tapped(frame(choices=[], usage=USAGE), frame(choices=[], usage=zeros))
    assert tap.usage == Usage(input_text=3, output_text=2)
    assert tapped(frame(choices=[], usage=zeros))[0].usage == Usage()


def test_a_slip_in_a_detail_keeps_the_sums() -> None:
    tap, _ = tapped(frame(choices=[], usage={**USAGE, "prompt_tokens": 3.0, "prompt_tokens_details": []}))
    assert tap.usage == Usage(input_text=3, output_text=2)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (frame(choices=[], usage=USAGE), b""),
        (frame(usage=USAGE, choices=[]), b""),
        (frame(choices=[], usage=None), b""),
        (frame(choices=[], usage=[]), b""),
        (frame(choices=[]), frame(choices=[])),
        (frame(choices=[], error={"message": "x"}, usage=None), frame(choices=[], error={"message": "x"})),
        (frame(choices=[{"delta": {}}], usage=None), frame(choices=[{"delta": {}}])),
        (frame(choices=[{"delta": {}}], usage=USAGE), frame(choices=[{"delta": {}}])),
        (frame(usage=None, choices=[{"delta": {}}]), frame(choices=[{"delta": {}}])),
        (frame(choices=[{"delta": {}, "usage": USAGE}]), frame(choices=[{"delta": {}, "usage": USAGE}])),
        (frame(x_groq={"usage": USAGE}, choices=[]), frame(x_groq={"usage": USAGE}, choices=[])),
        (b'data: {"usage" : null }\n\n', b"data: { }\n\n"),
        (b': c\r\nid: 1\r\ndata: { "a": 1, "usage": null }\r\n\r\n', b': c\r\nid: 1\r\ndata: { "a": 1 }\r\n\r\n'),
        (b'data: {"a":1,"usage":null}\r\n\r\n', b'data: {"a":1}\r\n\r\n'),
        (b'data:{"a":1,"usage":null}\n\n', b'data:{"a":1}\n\n'),
        (b'data: {"a":1,\ndata: "usage":null}\n\n', b'data: {"a":1}\n\n'),
        (b'data: {"a":\nid: 1\ndata: 1,"usage":{}}\n\n', b'id: 1\ndata: {"a":\ndata: 1}\n\n'),
        (b'data: {"usage":null,"usage":{},"a":1}\n\n', b'data: {"usage":null,"usage":{},"a":1}\n\n'),
    ],
)
def test_usage_the_client_did_not_ask_for_is_withheld(sent: bytes, expected: bytes) -> None:
    assert tapped(sent, strip=True)[1] == expected
    assert tapped(sent)[1] == sent
