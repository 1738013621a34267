import json
from typing import Any

import pytest

from polyrelay.exchange.video import VideoAsk
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire.videos import shapes
from polyrelay.wire.videos.aitoearn import surface as aitoearn
from polyrelay.wire.videos.openai import surface as openai

JOB = "px_" + "0a" * 14
PNG = "data:image/png;base64,iVBORw0KGgo="


def asked(written: bool = False, **members: Any) -> VideoAsk:
    return openai.read_create({"prompt": "a cat", **members}, written=written).ask


def task(**members: Any) -> VideoAsk:
    return aitoearn.read_create(json.dumps({"prompt": "a cat", "model": "m", **members}).encode()).ask


ACCEPTED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"seconds": "8", "size": "1280x720"}, {"seconds": 8, "size": "1280x720"}),
    ({"seconds": 12}, {"seconds": 12}),
    ({"duration": 5.0}, {"seconds": 5}),
    ({"seconds": "1"}, {"seconds": 1}),
    ({"seconds": "3600"}, {"seconds": 3600}),
    ({"size": "720p"}, {"resolution": "720p"}),
    ({"size": "1280x720", "resolution": "720p"}, {"size": "1280x720", "resolution": "720p"}),
    ({"resolution": "1080p", "ratio": "9:16"}, {"resolution": "1080p", "ratio": "9:16"}),
    ({"aspect_ratio": "adaptive"}, {"ratio": "adaptive"}),
    ({"input_reference": PNG}, {"images": (PNG,)}),
    ({"input_reference": {"image_url": "https://a/b.png"}}, {"images": ("https://a/b.png",)}),
    ({"input_reference": {"image_url": {"url": PNG}}}, {"images": (PNG,)}),
    ({"image": "https://a", "images": ["https://b", "https://c"]}, {"images": ("https://a", "https://b", "https://c")}),
    ({"image": ["https://a", "https://b"]}, {"images": ("https://a", "https://b")}),
    ({"prompt": "x" * 4_000}, {"prompt": "x" * 4_000}),
    ({"style": {"a": 1}, "n": 1}, {"extra": {"style": {"a": 1}, "n": 1}}),
    ({"size": None, "image": None}, {}),
]


@pytest.mark.parametrize(("members", "expected"), ACCEPTED)
def test_both_surfaces_take_the_same(members: dict[str, Any], expected: dict[str, Any]) -> None:
    given = {"prompt": "a cat", "model": "m", **expected}
    assert asked(model="m", **members) == VideoAsk(**given)
    assert task(**members) == VideoAsk(**given)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"prompt": ""}, "prompt"),
    ({"prompt": 5}, "prompt"),
    ({"prompt": None}, "prompt"),
    ({"model": "x" * 257}, "model"),
    ({"Model": "x"}, "Model"),
    ({"seconds": "0"}, "seconds"),
    ({"seconds": "3601"}, "seconds"),
    ({"seconds": 0}, "seconds"),
    ({"duration": 5.5}, "duration"),
    ({"duration": "long"}, "duration"),
    ({"seconds": "4", "duration": 8}, "duration"),
    ({"size": "1280*720"}, "size"),
    ({"size": "wide\nscreen"}, "size"),
    ({"size": "big!", "resolution": "720p"}, "size"),
    ({"resolution": "<720>"}, "resolution"),
    ({"ratio": "16/9"}, "ratio"),
    ({"ratio": "16:9", "aspect_ratio": "1:1"}, "aspect_ratio"),
    ({"input_reference": {"file_id": "file-1"}}, "input_reference.file_id"),
    ({"input_reference": {}}, "input_reference.image_url"),
    ({"input_reference": {"image_url": {"u": 1}}}, "input_reference.image_url"),
    ({"input_reference": "file:///etc/passwd"}, "input_reference"),
    ({"image": "/etc/passwd"}, "image"),
    ({"images": ["https://a", "b"]}, "images"),
    ({"images": [5]}, "images[0]"),
    ({"images": ["https://a"] * 33}, "images"),
    ({"image": ["https://a"] * 20, "images": ["https://a"] * 20}, "images"),
    ({"notify_hook": "x"}, "notify_hook"),
    ({"notify_hook": "https://a", "webhook_url": "https://b"}, "webhook_url"),
]


@pytest.mark.parametrize(("members", "param"), REFUSED)
def test_both_surfaces_refuse_the_same(members: dict[str, Any], param: str) -> None:
    for read in (asked, task):
        with pytest.raises(InvalidRequest) as caught:
            read(**members)
        assert caught.value.param == param


def test_form_fields_are_read_alike() -> None:
    form = {"model": "m", "seconds": "8", "size": "720x1280", "input_reference": PNG, "style": "x", "webhook_url": ""}
    ask = asked(written=True, **form)
    assert ask == VideoAsk("m", "a cat", 8, "720x1280", images=(PNG,), extra={"style": "x"})


def test_defaults_and_bounds_differ() -> None:
    assert asked() == VideoAsk("sora-2", "a cat")
    assert len(asked(prompt="x" * 32_000).prompt) == 32_000
    for read, members, param in (
        (asked, {"prompt": "x" * 32_001}, "prompt"),
        (task, {"prompt": "x" * 4_001}, "prompt"),
        (task, {"model": None}, "model"),
        (task, {"model": ""}, "model"),
    ):
        with pytest.raises(InvalidRequest) as caught:
            read(**members)
        assert caught.value.param == param


def test_what_only_aitoearn_names_is_checked_and_passed_on() -> None:
    own = {
        "groupId": "g",
        "image_tail": "https://z",
        "video_url": "https://v",
        "videos": ["https://v"],
        "audios": ["https://a"],
        "mode": "flf2video",
        "seed": 7,
        "watermark": False,
        "tools": [{"type": "web_search"}],
        "metadata": {"k": {"v": 1}},
    }
    assert task(**own, newer=1).extra == {**own, "newer": 1}
    for members, param in (
        ({"seed": "7"}, "seed"),
        ({"watermark": 1}, "watermark"),
        ({"tools": ["x"]}, "tools[0]"),
        ({"metadata": []}, "metadata"),
        ({"groupID": "g"}, "groupID"),
    ):
        with pytest.raises(InvalidRequest) as caught:
            task(**members)
        assert caught.value.param == param


def test_remixes() -> None:
    source = VideoAsk("m", "a cat", 8)
    assert openai.read_remix({"prompt": "a dog", "x": 1}, source, JOB).ask == VideoAsk(
        "m", "a dog", remix_of=JOB, extra={"x": 1}
    )
    with pytest.raises(InvalidRequest):
        openai.read_remix({}, source, JOB)


def test_names_of_videos() -> None:
    assert openai.job_id(openai.name(JOB)) == JOB
    for name in ("", "video_", "video_" + JOB + "-0", "video_abc", "px_"):
        assert openai.job_id(name) is None


def test_pages_and_variants() -> None:
    assert openai.read_list(b"") == openai.Page(20, ascending=False, after=None)
    assert openai.read_list(f"limit=100&order=asc&after=video_{JOB}".encode()) == openai.Page(100, True, JOB)
    assert openai.read_variant(b"") == "video"
    assert openai.read_variant(b"variant=thumbnail") == "thumbnail"
    assert aitoearn.read_list(b"") == aitoearn.Page(1, 10)
    assert aitoearn.read_list(b"page=3&pageSize=1000") == aitoearn.Page(3, 1000)
    for read, query, param in (
        (openai.read_list, b"limit=0", "limit"),
        (openai.read_list, b"limit=101", "limit"),
        (openai.read_list, b"limit=x", "limit"),
        (openai.read_list, b"order=up", "order"),
        (openai.read_variant, b"variant=gif", "variant"),
        (aitoearn.read_list, b"page=0", "page"),
        (aitoearn.read_list, b"pageSize=1001", "pageSize"),
    ):
        with pytest.raises(InvalidRequest) as caught:
            read(query)
        assert caught.value.param == param


@pytest.mark.parametrize(
    ("resolution", "ratio", "size"),
    [
        (None, None, None),
        ("720p", None, "1280x720"),
        ("720P", "9:16", "720x1280"),
        ("1080p", "16:9", "1920x1080"),
        ("480p", "1:1", "480x480"),
        ("480p", "16:9", "854x480"),
        ("4K", "9:16", "2160x3840"),
        (None, "9:16", "720x1280"),
        ("720p", "4:3", "960x720"),
        ("HD", None, None),
        ("720p", "adaptive", None),
        ("720p", "0:1", None),
    ],
)
def test_shapes_in_pixels(resolution: str | None, ratio: str | None, size: str | None) -> None:
    assert shapes.pixels(resolution, ratio) == size
