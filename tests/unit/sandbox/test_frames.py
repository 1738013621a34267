import gzip
import json
import zlib
from typing import Any

import pytest

from polyrelay.sandbox import frames, framing, script
from polyrelay.sandbox.chat import answers, completions, request
from polyrelay.sandbox.frames import Chunks
from polyrelay.sandbox.framing import Ending, Plan, Reply


def stream(options: str = "", **fields: object) -> list[bytes]:
    body = {"model": "sandbox", "messages": [{"role": "user", "content": "hi"}], "stream": True, **fields}
    asked = request.decode(json.dumps(body).encode())
    told = script.for_model(f"sandbox:tokens=4,{options}".rstrip(","))
    return frames.segments(completions.chunks(answers.answer(asked, told, b"key"), asked, told), told)


def payloads(portions: list[bytes]) -> list[str]:
    lines = b"".join(portions).decode().split("\n\n")
    return [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]


def chunks(portions: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(payload) for payload in payloads(portions) if payload != "[DONE]"]


def test_a_stream_has_the_documented_order() -> None:
    got = chunks(stream())
    assert got[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in got[:-1])
    assert (got[-1]["choices"][0]["delta"], got[-1]["choices"][0]["finish_reason"]) == ({}, "stop")
    assert len({(chunk["id"], chunk["created"], chunk["system_fingerprint"]) for chunk in got}) == 1
    assert payloads(stream())[-1] == "[DONE]"
    assert not any("usage" in chunk for chunk in got)


def test_each_content_frame_is_a_portion_and_the_end_is_one() -> None:
    portions = stream(stream_options={"include_usage": True})
    assert len(portions) == 1 + 4 + 1
    assert len(stream("coalesce=2")) == 3 + 1


def test_usage_when_asked() -> None:
    got = chunks(stream(stream_options={"include_usage": True}))
    assert all(chunk["usage"] is None for chunk in got[:-1])
    assert (got[-1]["choices"], got[-1]["usage"]["completion_tokens"]) == ([], 4)


def test_usage_as_vendors_get_it_wrong() -> None:
    asked = {"stream_options": {"include_usage": True}}
    assert not any("usage" in chunk for chunk in chunks(stream("usage=none", **asked)))
    last = chunks(stream("usage=last", **asked))[-1]
    assert (last["choices"][0]["finish_reason"], last["usage"]["total_tokens"]) == ("stop", 8)
    every = chunks(stream("usage=every"))
    assert [chunk["usage"]["completion_tokens"] for chunk in every] == [0, 1, 2, 3, 4, 4]


def test_choices_are_interleaved() -> None:
    got = chunks(stream(n=2))
    assert [chunk["choices"][0]["index"] for chunk in got] == [0, 1] * 6


def test_tool_calls_come_in_pieces() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": {"type": "string"}}}}}
    got = chunks(stream("tools=2", tools=[tool]))
    calls = [call for chunk in got for call in chunk["choices"][0]["delta"].get("tool_calls", [])]
    assert [call["index"] for call in calls if "id" in call] == [0, 1]
    for index in (0, 1):
        arguments = "".join(call["function"]["arguments"] for call in calls if call["index"] == index)
        assert isinstance(json.loads(arguments)["a"], str)
    assert got[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_logprobs_and_reasoning() -> None:
    got = chunks(stream("reasoning=1", logprobs=True))
    assert "reasoning_content" in got[1]["choices"][0]["delta"]
    assert got[2]["choices"][0]["logprobs"]["content"][0]["token"] == got[2]["choices"][0]["delta"]["content"]


def test_faults_in_frames() -> None:
    assert json.loads(payloads(stream("error=0"))[0])["error"]["type"] == "server_error"
    assert len(payloads(stream("error=3"))) == 4
    with pytest.raises(json.JSONDecodeError):
        json.loads(payloads(stream("malformed=2"))[2])
    assert stream("empty=done") == [b"data: [DONE]\n\n"]
    assert stream("empty=body") == []
    assert payloads(stream("done=0"))[-1] != "[DONE]"
    assert b"".join(stream("garbage=body")).endswith(b"[DONE]\n\n" + frames.GARBAGE)


def test_line_ends_comments_and_pings() -> None:
    plain = b"".join(stream())
    assert b"".join(stream("newline=crlf")) == plain.replace(b"\n", b"\r\n")
    assert b"".join(stream("newline=cr")) == plain.replace(b"\n", b"\r")
    assert b"".join(stream("comments=2")).count(b": sandbox\n\n") == 4
    assert b"".join(stream("pings=1")).count(b'event: ping\ndata: {"type":"ping"}\n\n') == 7


def test_multiline_frames_join_to_the_same_json() -> None:
    one = b"".join(stream("multiline")).split(b"\n\n")[0]
    joined = b"\n".join(line.removeprefix(b"data: ") for line in one.split(b"\n"))
    assert one.count(b"data: ") == 3
    assert json.loads(joined) == chunks(stream())[0]


NAMED = Chunks(
    [b'{"type":"a.delta","x":1}', b'{"type":"a.delta","more":222222222}'], [b'{"type":"a.done"}'], named=True
)


def named(options: str = "") -> list[bytes]:
    told = script.for_model(f"sandbox:{options}")
    return b"".join(frames.segments(NAMED, told)).split(b"\n\n")[:-1]


def test_named_events_say_their_type_and_end_without_done() -> None:
    assert named() == [
        b'event: a.delta\ndata: {"type":"a.delta","x":1}',
        b'event: a.delta\ndata: {"type":"a.delta","more":222222222}',
        b'event: a.done\ndata: {"type":"a.done"}',
    ]


def test_named_events_go_wrong_like_others() -> None:
    assert named("error=1")[1].startswith(b'event: error\ndata: {"error":')
    assert named("malformed=1")[1] == b'event: a.delta\ndata: {"type":"a.delta"'
    assert named("empty=done") == [b"data: [DONE]"]
    assert named("empty=body") == []
    assert b"event: a.delta" in named("comments=1,pings=1")[2]


def test_the_content_type_may_be_a_lie() -> None:
    assert b"\r\ncontent-type: text/plain\r\n" in plan("type=text/plain").head


def plan(
    options: str,
    portions: tuple[bytes, ...] = (b"abc", b"defgh"),
    *,
    streamed: bool = True,
    legacy: bool = False,
    closing: bool = False,
) -> Plan:
    reply = Reply(200, (("content-type", "x"),), portions, stream=streamed)
    return framing.plan(reply, script.for_model(f"sandbox:{options}"), legacy=legacy, closing=closing)


def test_streams_are_chunked_and_the_end_goes_with_the_last_write() -> None:
    made = plan("pace=1ms")
    assert made.writes == (b"3\r\nabc\r\n", b"5\r\ndefgh\r\n0\r\n\r\n")
    assert b"transfer-encoding: chunked\r\n" in made.head
    assert (made.whole, made.ending, made.complete) == (None, Ending.KEEP, True)


def test_all_at_once_is_one_piece() -> None:
    made = plan("")
    assert made.whole == made.head + b"".join(made.writes)


def test_old_clients_get_the_end_by_closing() -> None:
    made = plan("", legacy=True, closing=True)
    assert (made.writes, made.ending) == ((b"abc", b"defgh"), Ending.CLOSE)
    assert b"connection: close" in made.head


@pytest.mark.parametrize(
    ("options", "sent", "ending"),
    [
        ("cut=4", b"abcd", Ending.CLOSE),
        ("stall=3", b"abc", Ending.STALL),
        ("reset=0", b"", Ending.RESET),
        ("cut=5,reset=2", b"ab", Ending.RESET),
    ],
)
def test_early_ends(options: str, sent: bytes, ending: Ending) -> None:
    made = plan(f"framing=length,{options}")
    assert (b"".join(made.writes), made.ending, made.complete) == (sent, ending, False)
    assert b"content-length: 8\r\n" in made.head
    chunked = plan(options)
    assert not b"".join(chunked.writes).endswith(b"0\r\n\r\n")


def test_wrong_lengths() -> None:
    assert b"content-length: 18\r\n" in plan("length=+10").head
    assert plan("length=+10").ending is Ending.CLOSE
    assert b"content-length: 5\r\n" in plan("length=-3").head
    assert plan("length=-3").ending is Ending.KEEP


def test_interim_answers_and_garbage_on_the_wire() -> None:
    assert plan("inform=100+103").head.startswith(b"HTTP/1.1 100 Continue\r\n")
    assert b"HTTP/1.1 103 Early Hints\r\n" in plan("inform=100+103").head
    assert plan("garbage=wire").writes[-1].endswith(b"0\r\n\r\n" + frames.GARBAGE)
    assert plan("garbage=wire", (), streamed=False).writes == (frames.GARBAGE,)


def test_split_and_gzip() -> None:
    assert plan("split=1,framing=length").writes == tuple(bytes([byte]) for byte in b"abcdefgh")
    squeezed = plan("gzip,framing=length")
    assert b"content-encoding: gzip" in squeezed.head
    assert gzip.decompress(b"".join(squeezed.writes)) == b"abcdefgh"
    assert zlib.decompressobj(wbits=31).decompress(squeezed.writes[0]) == b"abc"
    assert gzip.decompress(b"".join(plan("gzip", streamed=False).writes)) == b"abcdefgh"


def test_long_portions_are_written_in_shorter_ones() -> None:
    made = plan("framing=length", (b"x" * 200_000,), streamed=False)
    assert (made.whole, max(map(len, made.writes)), sum(map(len, made.writes))) == (None, 65536, 200_000)
