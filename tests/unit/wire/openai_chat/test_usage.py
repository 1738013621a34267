from typing import Any

import pytest

from polyrelay.exchange.usage import Usage
from polyrelay.wire.openai_chat import usage


def read(value: Any) -> Usage | None:
    stated = usage.read(value)
    return usage.normalise(stated) if stated else None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 4}, Usage(input_text=10, output_text=4)),
        ({"prompt_tokens": 10}, Usage(input_text=10)),
        ({"completion_tokens": 4, "prompt_tokens_details": None}, Usage(output_text=4)),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "prompt_tokens_details": {
                    "cached_tokens": 10,
                    "cache_write_tokens": 20,
                    "audio_tokens": 5,
                    "image_tokens": 6,
                    "text_tokens": 9,
                },
                "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 2},
            },
            Usage(
                input_text=59,
                cached_read=10,
                cache_write_5m=20,
                input_audio=5,
                input_image=6,
                output_text=18,
                reasoning=30,
                output_audio=2,
            ),
        ),
        (
            {"prompt_tokens": 9, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5},
            Usage(input_text=5, cached_read=4),
        ),
        ({"prompt_tokens": 9, "cached_tokens": 4}, Usage(input_text=5, cached_read=4)),
        (
            {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 0}, "cached_tokens": 4},
            Usage(input_text=9),
        ),
        ({"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 5}}, Usage(cached_read=3)),
        ({"prompt_tokens": -3, "completion_tokens": 4}, Usage(output_text=4)),
        ({"completion_tokens": 4, "completion_tokens_details": {"reasoning_tokens": -1}}, Usage(output_text=4)),
        ({}, None),
        ({"total_tokens": 5}, None),
        ({"prompt_tokens": "5"}, None),
        ({"prompt_tokens": 5.5}, None),
        ({"prompt_tokens": True}, None),
        ({"prompt_tokens": 10**13}, None),
        ({"prompt_tokens": 5, "prompt_tokens_details": []}, Usage(input_text=5)),
        ({"prompt_tokens": 5.0, "completion_tokens": "x"}, Usage(input_text=5)),
        ({"prompt_tokens": "x", "completion_tokens": 4}, Usage(output_text=4)),
        ({"prompt_tokens": "x", "completion_tokens": []}, None),
        ({"prompt_tokens": float("inf"), "completion_tokens": float("nan")}, None),
        (
            {"completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": "3", "audio_tokens": 1.0}},
            Usage(output_text=4, output_audio=1),
        ),
        ([], None),
        (None, None),
        ("x", None),
    ],
)
def test_usage_in_disjoint_buckets(value: Any, expected: Usage | None) -> None:
    assert read(value) == expected
