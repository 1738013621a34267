import json
from typing import Any

import pytest

from polyrelay.exchange.usage import ImageCount, Usage
from polyrelay.kernel import bounds
from polyrelay.wire import sse
from polyrelay.wire.openai_images import usage
from polyrelay.wire.openai_images.tap import ImageTap
from polyrelay.wire.openai_images.usage import PREVIEW_TOKENS

STATED = {"input_tokens": 10, "output_tokens": 20}


def event(kind: str, **more: Any) -> bytes:
    name = f"image_generation.{kind}"
    return b"event: %b\ndata: %b\n\n" % (name.encode(), json.dumps({"type": name, "b64_json": "QUJD", **more}).encode())


def counted(*frames: bytes, count: int = 2) -> Usage | None:
    tap = ImageTap(usage.asked(count, None, None, 7), None)
    for frame in frames:
        tap.feed(frame)
    tap.close()
    return tap.usage


def images(*counts: int, size: str = "auto", quality: str = "auto") -> tuple[ImageCount, ...]:
    return tuple(ImageCount(size, quality, count) for count in counts)


def test_several_images_add_up() -> None:
    completed = event("completed", usage=STATED)
    assert counted(completed, completed) == Usage(input_text=20, output_image=40, images=images(2))


def test_no_more_images_than_asked_for_count_and_all_tokens_do() -> None:
    completed = event("completed", usage=STATED)
    assert counted(*[completed] * 3) == Usage(input_text=30, output_image=60, images=images(2))


def test_images_without_usage_are_counted() -> None:
    assert counted(event("partial_image"), event("completed")) == Usage(images=images(1))


def test_an_event_says_size_and_quality() -> None:
    said = {"size": "1x1", "quality": "low"}
    assert counted(event("completed", **said), event("completed", **said)) == Usage(
        images=images(2, size="1x1", quality="low")
    )


def test_previews_alone_are_an_image_by_estimate() -> None:
    previews = [event("partial_image", partial_image_index=at) for at in range(2)]
    expected = Usage(input_text=7, output_image=2 * PREVIEW_TOKENS, images=images(1), estimated=True)
    assert counted(*previews) == expected


def test_previews_after_an_image_are_another_one() -> None:
    expected = Usage(input_text=10, output_image=20 + PREVIEW_TOKENS, images=images(2), estimated=True)
    assert counted(event("completed", usage=STATED), event("partial_image")) == expected


def test_the_image_itself_takes_the_place_of_its_previews() -> None:
    previews = [event("partial_image")] * 3
    assert counted(*previews, event("completed", usage=STATED)) == Usage(
        input_text=10, output_image=20, images=images(1)
    )


def test_where_images_come_one_by_one_the_end_is_none() -> None:
    separate = [event("partial_succeeded", url="https://x/y")] * 2
    assert counted(*separate, event("completed", usage=STATED)) == Usage(
        input_text=10, output_image=20, images=images(2)
    )


def test_sizes_without_end_are_not_kept() -> None:
    frames = [event("completed", size=f"{side}x1") for side in range(50)]
    found = counted(*frames, count=100)
    assert found is not None
    assert len(found.images) == 4
    assert sum(image.count for image in found.images) == 50


def test_other_events_are_nothing_used() -> None:
    assert counted(event("queued")) is None


@pytest.mark.parametrize("closing", [b"", b"data: [DONE]\n\n"])
def test_the_last_event_waits_for_the_books(closing: bytes) -> None:
    tap = ImageTap(usage.asked(1, None, None, 0), None)
    preview, completed = event("partial_image"), event("completed", usage=STATED)
    assert tap.feed(preview + completed + closing) == preview
    assert tap.meaningful
    assert tap.finish == "image_generation.completed"
    assert tap.close() == b""
    assert tap.terminator == completed + closing


def test_each_image_but_the_last_leaves_at_once_and_says_what_was_charged_so_far() -> None:
    tap = ImageTap(usage.asked(2, None, None, 0), lambda used: b"%d" % used.total_tokens)
    first, second = event("completed", usage=STATED), event("completed", usage=STATED)
    out = tap.feed(first + second)
    tap.close()
    costs = [json.loads(frame.split(b"data: ")[1])["usage"]["cost"] for frame in (out, tap.terminator or b"")]
    assert costs == [30, 60]


def test_an_event_may_be_as_long_as_an_image_of_the_largest_size_and_no_longer() -> None:
    room = bounds.IMAGE_FRAME_BYTES - len(event("partial_image", b64_json=""))
    assert room * 3 // 4 > 4096 * 4096 * 3
    whole = event("partial_image", b64_json="Q" * room)
    tap = ImageTap(usage.asked(1, None, None, 0), None)
    assert tap.feed(whole) == whole
    for place in (1, len(whole) - 1):
        assert tap.feed(whole[:place]) == b""
        assert tap.held_bytes == place
        assert tap.feed(whole[place:]) == whole
    with pytest.raises(sse.FrameTooLongError):
        tap.feed(whole[:-2] + b"QQQ")
    tap = ImageTap(usage.asked(1, None, None, 0), None)
    with pytest.raises(sse.FrameTooLongError):
        tap.feed(event("partial_image", b64_json="Q" * (room + 1)))


def test_an_error_event_is_kept() -> None:
    tap = ImageTap(usage.asked(1, None, None, 0), None)
    error = b'event: error\ndata: {"type":"error","error":{"message":"m"}}\n\n'
    assert tap.feed(error) == error
    assert tap.error is not None
    assert not tap.meaningful
    assert tap.usage is None
