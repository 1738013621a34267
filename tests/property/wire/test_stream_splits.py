"""Any split of any SSE stream gives the same client bytes and the same observations."""

import itertools
import json
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from polyrelay.exchange.usage import Usage
from polyrelay.wire import sse
from polyrelay.wire.openai_chat.tap import StreamTap

TEXTS = st.text(st.sampled_from('ab"\\\n\ré漢{}[],:'), max_size=8)
USAGES = st.one_of(
    st.none(),
    st.fixed_dictionaries({"prompt_tokens": st.integers(-1, 99)}, optional={"completion_tokens": st.integers(0, 9)}),
    st.just("bad"),
)
DELTAS = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant"),
        "content": st.one_of(TEXTS, st.none(), st.just([{"text": "é"}])),
        "refusal": TEXTS,
    },
)
CHOICES = st.fixed_dictionaries(
    {"index": st.integers(0, 2), "delta": DELTAS}, optional={"finish_reason": st.sampled_from([None, "stop", "length"])}
)
CHUNKS = st.fixed_dictionaries(
    {},
    optional={
        "id": TEXTS,
        "usage": USAGES,
        "choices": st.lists(CHOICES, max_size=2),
        "error": st.sampled_from([None, {"message": "x"}]),
        "x": st.just({"usage": {"prompt_tokens": 1}}),
    },
)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(
            st.sampled_from([b": ping\n\n", b"data: [DONE]\n\n", b"data: nonsense\r\n\r\n", b"\n", b"event: error\n"])
        )
    indent = draw(st.sampled_from([None, 1])) if kind < 3 else None
    separators = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    data = json.dumps(draw(CHUNKS), indent=indent, separators=separators, ensure_ascii=draw(st.booleans()))
    lines = [draw(st.sampled_from(["data: ", "data:"])) + line for line in data.split("\n")]
    if kind < 5:
        lines.insert(
            draw(st.integers(0, len(lines))), draw(st.sampled_from([": note", "id: 7", "event: message", "retry: 9"]))
        )
    return (end.join(lines) + end + draw(st.sampled_from([end, end, "\n"]))).encode()


def observations(tap: StreamTap, out: bytes) -> dict[str, Any]:
    return {
        "out": out,
        "rest": tap.close(),
        "meaningful": tap.meaningful,
        "error": tap.error,
        "error_first": tap.error_first,
        "garbled": tap.garbled,
        "finish": tap.finish,
        "finished": tap.finished_choices,
        "usage": tap.usage,
        "content": tap.content_bytes,
        "terminator": tap.terminator,
    }


def run(chunks: list[bytes], *, strip: bool, price: Callable[[Usage], bytes] | None = None) -> dict[str, Any]:
    tap = StreamTap(strip_usage=strip, price=price)
    return observations(tap, b"".join([tap.feed(chunk) for chunk in chunks]))


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


@settings(max_examples=150, deadline=None)
@given(st.lists(frames(), max_size=8), st.lists(st.integers(0, 5000), max_size=12), st.booleans())
def test_no_split_changes_anything(parts: list[bytes], places: list[int], strip: bool) -> None:
    stream = b"".join(parts)
    expected = run([stream], strip=strip)
    assert run(cut(stream, places), strip=strip) == expected
    assert run(parts, strip=strip) == expected


@settings(max_examples=40, deadline=None)
@given(st.lists(frames(), max_size=4), st.booleans())
def test_byte_by_byte_is_no_exception(parts: list[bytes], strip: bool) -> None:
    stream = b"".join(parts)
    assert run([stream[i : i + 1] for i in range(len(stream))], strip=strip) == run([stream], strip=strip)


@settings(max_examples=100, deadline=None)
@given(st.lists(frames(), max_size=6), st.lists(st.integers(0, 5000), max_size=8))
def test_a_charge_changes_nothing_else(parts: list[bytes], places: list[int]) -> None:
    stream = b"".join(parts)
    plain, priced = run([stream], strip=False), run([stream], strip=False, price=_price)
    assert run(cut(stream, places), strip=False, price=_price) == priced
    assert {**priced, "out": None} == {**plain, "out": None}
    before, after = _payloads(plain["out"]), _payloads(priced["out"])
    usage = None
    for was, now in zip(before, after, strict=True):
        if isinstance(was, dict) and isinstance(now, dict) and now != was:
            usage = now["usage"]
            assert usage.pop("cost") >= 0
        assert now == was
    assert (usage is None) == (plain["usage"] is None)


def _price(usage: Usage) -> bytes:
    return b"%d.5" % usage.total_tokens


def _payloads(out: bytes) -> list[Any]:
    found = []
    for frame in sse.Framer().feed(out + b":\n\n"):
        data = sse.fields(frame)[1]
        try:
            found.append(json.loads(data or b""))
        except ValueError:
            found.append(data)
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(frames(), max_size=6))
def test_without_stripping_the_client_gets_the_upstreams_bytes(parts: list[bytes]) -> None:
    stream = b"".join(parts)
    seen = run([stream], strip=False)
    assert stream.startswith(seen["out"] + (seen["terminator"] or b"" if seen["rest"] or b"[DONE]" in stream else b""))
    if seen["terminator"] is None:
        assert stream.removeprefix(seen["out"]).strip() == seen["rest"].strip()
