"""A client of each video surface served by an upstream of each dialect: nothing both can say is lost, nothing leaks."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyrelay.exchange import names
from polyrelay.exchange.job import Result, Stage
from polyrelay.exchange.video import Video, VideoAsk
from polyrelay.wire import dialects
from polyrelay.wire.dialect import Asked
from polyrelay.wire.videos.aitoearn import surface as aitoearn
from polyrelay.wire.videos.openai import surface as openai
from polyrelay.wire.videos.view import VideoView
from support import videos

JOB = "px_" + "0a" * 14
OTHER = "px_" + "0b" * 14
THERE, STRANGER = "video_68d7b2f4a1c0819087654321", "6710c3f2a1b2c3d4e5f60718"
DIALECTS: tuple[videos.Dialect, ...] = ("openai", "aitoearn")
everywhere = pytest.mark.parametrize("upstream", DIALECTS)
anyone = pytest.mark.parametrize("client", DIALECTS)

WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(str.strip)
SHAPES = {("720p", "16:9"): "1280x720", ("1080p", "9:16"): "1080x1920", ("480p", "1:1"): "480x480"}


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, Any]:
    """A video as a person wishes for it, in no dialect."""
    wish: dict[str, Any] = {"prompt": draw(WORDS), "model": draw(WORDS)}
    if draw(st.booleans()):
        wish["seconds"] = draw(st.integers(1, 60))
    if draw(st.booleans()):
        wish["shape"] = draw(st.sampled_from(sorted(SHAPES)))
    if draw(st.booleans()):
        wish["image"] = draw(st.sampled_from(["https://a/b.png", "data:image/png;base64,iVBORw0KGgo="]))
    return wish


def written(client: str, wish: dict[str, Any], strange: dict[str, Any]) -> VideoAsk:
    body: dict[str, Any] = {"prompt": wish["prompt"], "model": wish["model"], **strange}
    if client == "openai":
        body |= {"seconds": str(wish["seconds"])} if "seconds" in wish else {}
        body |= {"size": SHAPES[wish["shape"]]} if "shape" in wish else {}
        body |= {"input_reference": {"image_url": wish["image"]}} if "image" in wish else {}
        return openai.read_create(body).ask
    body |= {"duration": wish["seconds"]} if "seconds" in wish else {}
    body |= dict(zip(("resolution", "ratio"), wish["shape"], strict=True)) if "shape" in wish else {}
    body |= {"image": wish["image"]} if "image" in wish else {}
    return aitoearn.read_create(json.dumps(body).encode()).ask


def understood(body: dict[str, Any]) -> dict[str, Any]:
    """What a vendor takes a submission for, as a wish."""
    wish: dict[str, Any] = {"prompt": body["prompt"], "model": body["model"]}
    if (length := body.get("seconds", body.get("duration"))) is not None:
        wish["seconds"] = int(length)
    if (size := body.get("size", SHAPES.get((body.get("resolution", ""), body.get("ratio", ""))))) is not None:
        wish["shape"] = next(shape for shape, pixels in SHAPES.items() if pixels == size)
    if (image := body.get("image", body.get("input_reference", {}).get("image_url"))) is not None:
        wish["image"] = image
    return wish


@anyone
@everywhere
@settings(max_examples=60, deadline=None)
@given(wish=wishes(), strange=st.dictionaries(st.sampled_from(["fps", "x-new"]), st.integers(), max_size=2))
def test_a_wish_arrives(client: str, upstream: str, wish: dict[str, Any], strange: dict[str, Any]) -> None:
    ask = written(client, wish, strange)
    body = json.loads(dialects.DIALECTS[f"{upstream}_videos"].submit(ask, "sora-2").body)
    assert understood(body) == {**wish, "model": "sora-2"}
    assert strange.items() <= body.items()
    assert isinstance(body.get("seconds", ""), str)


@anyone
@everywhere
@settings(max_examples=60, deadline=None)
@given(
    state=st.sampled_from(["queued", "running", "done", "failed"]),
    why=st.sampled_from(["flagged", f"{STRANGER} was flagged by https://up.example"]),
    corner=st.sampled_from(["task_id", "media", "user", "remixed_from", "note"]),
)
def test_a_video_comes_back(client: str, upstream: videos.Dialect, state: str, why: str, corner: str) -> None:
    ask = VideoAsk("ours", "a cat", 8, "1280x720", remix_of=OTHER if upstream == "openai" else None)
    dialect = dialects.DIALECTS[f"{upstream}_videos"]
    there = names.renamed(ask, {OTHER: "video_other_upstream_1234"})
    taken, _ = dialect.accepted(there, 200, videos.video(upstream, THERE, "queued"))
    bait: dict[str, Any] = {corner: [THERE, {"id": STRANGER, "uuid": THERE}], "fps": 24}
    url = "https://cdn/v.mp4" if state == "done" else None
    body = videos.video(upstream, THERE, state, url=url, why=why if state == "failed" else "", **bait)
    (seen,) = dialect.polled([Asked(there, taken)], 200, body)
    assert seen is not None
    assert msgspec.json.decode(msgspec.json.encode(seen.result), type=Result | None) == seen.result
    assert isinstance(seen.result, Video | None)
    view = VideoView(
        job_id=JOB,
        ask=ask,
        model="ours",
        stage=seen.stage,
        created=1_700_000_000,
        progress=seen.progress,
        result=seen.result,
        reason=seen.reason,
        upstreamed=taken,
        known={"video_other_upstream_1234": OTHER},
    )
    answers = [openai.one(view), openai.listed([view], more=False), (200, (), openai.notice(view))]
    if client == "aitoearn":
        answers = [aitoearn.one(view), aitoearn.submitted(view), aitoearn.listed([view], aitoearn.Page(1, 10), 1)]
    for _, _, text in answers:
        assert not [
            leak for leak in (THERE, STRANGER, "other_upstream", "up.example", "up-request") if leak.encode() in text
        ]
    told = json.loads(answers[0][2])
    told = told.get("data", told)
    assert told.get("url", told.get("videoUrl")) == url
    words = videos.WORDS["openai" if client == "openai" else "aitoearn"]
    assert told["status"] == words[state]
    assert ("flagged" in json.dumps(told)) is (state == "failed") is (seen.stage is Stage.FAILED)
