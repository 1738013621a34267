"""Buckets sum to what the upstream stated, none is negative, and nothing raises."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from polyrelay.exchange.usage import BUCKETS, Usage
from polyrelay.wire.openai_chat import reply, usage

COUNTS = st.none() | st.integers(-5, 200)
DETAILS = st.none() | st.dictionaries(
    st.sampled_from(
        ["cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens", "reasoning_tokens", "text_tokens"]
    ),
    COUNTS,
)
STATED = st.fixed_dictionaries(
    {},
    optional={
        "prompt_tokens": COUNTS,
        "completion_tokens": COUNTS,
        "total_tokens": COUNTS,
        "prompt_cache_hit_tokens": COUNTS,
        "cached_tokens": COUNTS,
        "prompt_tokens_details": DETAILS,
        "completion_tokens_details": DETAILS,
    },
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["usage", "prompt_tokens", "choices", "delta", "error", "content"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(STATED)
def test_buckets_sum_to_the_total(value: dict[str, Any]) -> None:
    stated = usage.read(value)
    assert stated is not None
    seen = usage.normalise(stated)
    prompt, completion = value.get("prompt_tokens"), value.get("completion_tokens")
    if prompt is None and completion is None:
        assert seen is None
        return
    assert isinstance(seen, Usage)
    assert seen.input_tokens == max(prompt or 0, 0)
    assert seen.output_tokens == max(completion or 0, 0)
    assert all(getattr(seen, name) >= 0 for name in BUCKETS)


@settings(max_examples=200, deadline=None)
@given(ANYTHING)
def test_nothing_an_upstream_says_raises(value: Any) -> None:
    data = msgspec.json.encode(value)
    usage.read(value)
    seen = reply.read(data)
    assert (seen is not None) == isinstance(value, dict)
    if seen is not None:
        reply.says_something(data)
