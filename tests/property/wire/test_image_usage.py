"""Whatever an upstream says of images: buckets sum to what it stated, nothing is counted beyond what was asked for, and
nothing raises. However a stream is split, the same is seen.
"""

import itertools
import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from polyrelay.exchange.usage import BUCKETS
from polyrelay.wire.openai_images import answer, usage
from polyrelay.wire.openai_images.tap import ImageTap

COUNTS = st.none() | st.integers(-5, 200)
DETAILS = st.none() | st.dictionaries(st.sampled_from(["text_tokens", "image_tokens", "cached_tokens"]), COUNTS)
STATED = st.fixed_dictionaries(
    {},
    optional={
        "input_tokens": COUNTS,
        "output_tokens": COUNTS,
        "total_tokens": COUNTS,
        "input_tokens_details": DETAILS,
        "output_tokens_details": DETAILS,
    },
)
WORDS = st.sampled_from([None, "auto", "1024x1024", "low", "", 7])
ITEMS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(["b64_json", "url", "error", "x"]), st.sampled_from([None, "", "QUJD", {}, 7])
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["usage", "data", "input_tokens", "size", "error", "url"]), inner, max_size=3)
    ),
    max_leaves=6,
)
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["partial_image", "completed", "completed", "partial_succeeded", "other"])},
    optional={"usage": st.none() | STATED, "size": WORDS, "quality": WORDS, "b64_json": st.just("QUJD")},
)


@settings(max_examples=200, deadline=None)
@given(STATED)
def test_buckets_sum_to_what_was_stated(value: dict[str, Any]) -> None:
    given, made = max(value.get("input_tokens") or 0, 0), max(value.get("output_tokens") or 0, 0)
    seen = usage.tokens(value)
    if given + made == 0:
        assert seen is None
        return
    assert seen is not None
    assert (seen.input_tokens, seen.output_tokens) == (given, made)
    assert all(getattr(seen, name) >= 0 for name in BUCKETS)


@settings(max_examples=200, deadline=None)
@given(st.lists(ITEMS, max_size=5), STATED, WORDS, st.integers(1, 4))
def test_images_are_counted_and_never_more_than_asked_for(
    items: list[dict[str, Any]], stated: dict[str, Any], size: Any, count: int
) -> None:
    body = msgspec.json.encode({"created": 1, "data": items, "size": size, "usage": stated})
    seen = answer.observe(body, usage.asked(count, None, None, 0))
    made = sum(item.get("error") is None and "QUJD" in (item.get("url"), item.get("b64_json")) for item in items)
    assert seen.empty == (made == 0)
    if seen.usage is not None:
        assert sum(image.count for image in seen.usage.images) == min(made, count)


@settings(max_examples=200, deadline=None)
@given(ANYTHING, st.integers(0, 40))
def test_nothing_an_upstream_says_raises(value: Any, cut: int) -> None:
    asked, data = usage.asked(2, None, None, 0), msgspec.json.encode(value)
    answer.observe(data, asked)
    answer.tail_usage(data[cut:], asked)
    tap = ImageTap(asked, lambda _: b"1")
    tap.feed(b"data: " + data + b"\n\n")
    tap.close()


@settings(max_examples=150, deadline=None)
@given(st.lists(EVENTS, max_size=6), st.integers(1, 4), st.data())
def test_splits_change_nothing_and_sums_hold(events: list[dict[str, Any]], count: int, data: st.DataObject) -> None:
    frames = [json.dumps({**event, "type": f"image_generation.{event['type']}"}).encode() for event in events]
    stream = b"".join([b"data: " + frame + b"\n\n" for frame in frames])
    whole, pieces = (ImageTap(usage.asked(count, None, None, 3), None) for _ in range(2))
    out = whole.feed(stream) + whole.close() + (whole.terminator or b"")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    edges = [0, *cuts, len(stream)]
    parts = [pieces.feed(stream[start:end]) for start, end in itertools.pairwise(edges) if start < end]
    assert b"".join(parts) + pieces.close() + (pieces.terminator or b"") == out == stream
    assert (pieces.usage, pieces.finish) == (whole.usage, whole.finish)
    if whole.usage is not None:
        stated = [max((event.get("usage") or {}).get("input_tokens") or 0, 0) for event in events]
        assert whole.usage.input_tokens >= sum(stated)
        assert sum(image.count for image in whole.usage.images) <= count
