"""The life of a call for images where it differs from a chat: what is counted, and JSON in place of a stream."""

import json
from typing import Any

import msgspec
import pytest

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.exchange.outcome import Outcome
from polyrelay.exchange.usage import ImageCount, Usage
from polyrelay.kernel import bounds
from polyrelay.service.dispatch import Dispatch
from polyrelay.service.ports import Inbound
from polyrelay.settings.bounds import Bounds
from polyrelay.upstream.recorded import Answer
from polyrelay.wire import sse
from support.stage import JSON, TOKEN, Page, Stage, comments, stream, whole

CUT = Fault(FaultKind.CUT, "secret detail 10.0.0.1")
STATED = {"input_tokens": 10, "output_tokens": 20, "total_tokens": 30}
ONE = {"b64_json": "QUJD"}


def ask(stage: Stage, *, deliver: bool = True, asks_cost: bool = False, **fields: Any) -> tuple[Dispatch | None, Page]:
    page = Page(stage.diary)
    head = [(b"authorization", b"Bearer " + TOKEN.encode())]
    if asks_cost:
        head.append((b"x-polyrelay-usage-cost", b"true"))
    body = msgspec.json.encode({"model": "m", "prompt": "a cat", **fields})
    stage.time.pass_(0.002)
    dispatch = stage.relay.open(Inbound("openai_images", head, body, "127.0.0.1", stage.time.now), page)
    if deliver:
        stage.upstream.deliver()
    return dispatch, page


def answer(*data: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"created": 5, "data": data, **more}).encode()


def event(kind: str, **more: Any) -> bytes:
    name = f"image_generation.{kind}"
    return b"event: %b\ndata: %b\n\n" % (name.encode(), json.dumps({"type": name, **ONE, **more}).encode())


def used(stage: Stage) -> Usage:
    found = stage.records[-1].usage
    assert found is not None
    return found


def told(page: Page) -> list[dict[str, Any]]:
    return [json.loads(sse.fields(frame)[1] or b"") for frame in sse.Framer().feed(page.body)]


def test_a_whole_answer_leaves_as_it_came_and_its_images_are_counted() -> None:
    body = answer(ONE, ONE, usage=STATED, size="1x1")
    stage = Stage(whole(body))
    _, page = ask(stage, n=3, quality="hd")
    assert page.body == body
    assert used(stage) == Usage(input_text=10, output_image=20, images=(ImageCount("1x1", "hd", 2),))
    assert stage.upstream.requests[0].url == "https://a.example/v1/images/generations"
    stage.at_rest()


def test_an_answer_without_images_fails_over_and_is_free() -> None:
    stage = Stage(whole(answer()), whole(answer(ONE)), channels=2)
    _, page = ask(stage)
    assert (page.status, stage.records[0].attempts) == (200, 2)
    alone = Stage(whole(answer()))
    _, page = ask(alone)
    assert page.status == 502
    assert alone.diary[:2] == ["reserve", "void"]
    alone.at_rest()


@pytest.mark.parametrize("usage", [STATED, None])
def test_an_answer_too_large_to_keep_is_charged_by_its_tail_or_as_asked_for(usage: Any) -> None:
    body = answer({"b64_json": "QUJD" * 1000}, **({"usage": usage} if usage else {}))
    stage = Stage(Answer(200, JSON, (body[:2000], body[2000:])), bounds=Bounds(unary_bytes=1000))
    _, page = ask(stage, n=4, prompt="")
    assert page.body == body
    assert used(stage).images == (ImageCount("auto", "auto", 4),)
    assert used(stage).estimated is (usage is None)
    stage.at_rest()


def test_a_stream_is_charged_for_all_of_its_images() -> None:
    completed = event("completed", usage=STATED)
    stage = Stage(stream(event("partial_image") + completed, completed))
    _, page = ask(stage, n=2, stream=True)
    assert page.body == event("partial_image") + completed + completed
    assert used(stage) == Usage(input_text=20, output_image=40, images=(ImageCount("auto", "auto", 2),))
    assert stage.records[0].outcome is Outcome.COMPLETE
    stage.at_rest()


def test_a_stream_that_breaks_is_charged_for_the_images_that_were_finished() -> None:
    stage = Stage(stream(event("completed", usage=STATED), event("partial_image"), fault=CUT))
    _, page = ask(stage, n=2, stream=True)
    assert used(stage) == Usage(
        input_text=10, output_image=120, images=(ImageCount("auto", "auto", 1),), estimated=True
    )
    assert told(page)[-1]["error"]["code"] == "stream_cut"
    stage.at_rest()


def test_a_client_that_leaves_a_stream_pays_an_image_of_which_it_has_a_preview() -> None:
    stage = Stage(stream(event("completed", usage=STATED), event("partial_image"), hangs=True))
    dispatch, _ = ask(stage, n=2, stream=True)
    assert dispatch is not None
    dispatch.client_gone()
    assert used(stage).images == (ImageCount("auto", "auto", 2),)
    stage.at_rest()


@pytest.mark.parametrize("frame", [event("queued"), event("partial_image")])
def test_a_stream_that_breaks_before_an_image_costs_none(frame: bytes) -> None:
    stage = Stage(stream(frame, fault=CUT))
    ask(stage, stream=True)
    assert stage.records[0].outcome is Outcome.TRUNCATED
    assert used(stage).images == ()
    stage.at_rest()


def test_half_of_an_answer_too_large_to_keep_is_no_image() -> None:
    body = answer({"b64_json": "QUJD" * 1000}, {"b64_json": "QUJD" * 1000})
    stage = Stage(Answer(200, JSON, (body[:2000], body[2000:6000]), fault=CUT), bounds=Bounds(unary_bytes=1000))
    _, page = ask(stage, n=2, prompt="a cat!!!")
    assert page.ended == "cut"
    kept = used(stage)
    assert (kept.images, kept.output_image, kept.estimated) == ((), 0, True)
    assert kept.input_text > 0, "the upstream had read the prompt"
    stage.at_rest()


def test_a_stream_that_breaks_before_an_event_is_free() -> None:
    stage = Stage(stream(b": ping\n\n", fault=CUT), stream(b": ping\n\n", fault=CUT), channels=2)
    _, page = ask(stage, stream=True)
    assert page.status == 502
    assert "void" in stage.diary
    stage.at_rest()


def test_a_client_that_leaves_once_the_answer_has_begun_pays_for_what_it_asked() -> None:
    stage = Stage(stream(b": ping\n\n", hangs=True))
    dispatch, _ = ask(stage, n=3, stream=True)
    assert dispatch is not None
    dispatch.client_gone()
    assert used(stage).images == (ImageCount("auto", "auto", 3),)
    assert used(stage).estimated
    stage.at_rest()


@pytest.mark.parametrize("asks_cost", [False, True])
def test_json_in_place_of_a_stream_is_told_as_events(*, asks_cost: bool) -> None:
    stage = Stage(whole(answer(ONE, {"url": "https://x/y"}, usage=STATED)))
    _, page = ask(stage, n=2, stream=True, asks_cost=asks_cost)
    assert page.headers[b"content-type"].startswith(b"text/event-stream")
    assert page.headers[b"x-polyrelay-cost"] == b"0.030000000"
    first, last = told(page)
    assert first == {"type": "image_generation.completed", "created_at": 5, **ONE}
    assert last["url"] == "https://x/y"
    assert last["usage"] == {**STATED, **({"cost": 0.03} if asks_cost else {})}
    assert used(stage).images == (ImageCount("auto", "auto", 2),)
    assert stage.diary[:2] == ["reserve", "settle"]
    stage.at_rest()


def test_json_in_place_of_a_stream_may_be_larger_than_a_whole_answer() -> None:
    stage = Stage(whole(answer({"b64_json": "QUJD" * 1000})), bounds=Bounds(unary_bytes=1000))
    _, page = ask(stage, stream=True)
    assert told(page)[0]["b64_json"] == "QUJD" * 1000
    stage.at_rest()


def test_json_in_place_of_a_stream_may_be_as_long_as_a_frame_and_no_longer() -> None:
    room = bounds.IMAGE_FRAME_BYTES - len(answer({"b64_json": ""}))
    for size, status in ((room, 200), (room + 1, 502)):
        stage = Stage(whole(answer({"b64_json": "Q" * size})))
        _, page = ask(stage, stream=True)
        assert page.status == status
        stage.at_rest()


LARGE = event("partial_image", b64_json="Q" * (bounds.SSE_FRAME_BYTES + 1))
PIECES = [LARGE[at : at + 1_000_000] for at in range(0, len(LARGE), 1_000_000)]


def test_an_image_longer_than_other_frames_passes_as_one_event() -> None:
    stage = Stage(stream(*PIECES, event("completed", usage=STATED)))
    _, page = ask(stage, stream=True)
    assert page.body == LARGE + event("completed", usage=STATED)
    stage.at_rest()


def test_long_images_that_wait_together_are_bounded() -> None:
    """Two that are not complete are more than the bound; each by itself is not."""
    most = Bounds(bytes_in_flight=bounds.SSE_FRAME_BYTES * 3 // 2)
    stage = Stage(stream(*PIECES, hangs=True), stream(*PIECES, hangs=True), bounds=most)
    for dispatch, page in (ask(stage, stream=True) for _ in range(2)):
        assert page.body == LARGE, "the first is complete by then"
        assert dispatch is not None
        dispatch.client_gone()
    part = LARGE[:-1]
    waiting = Stage(stream(part, hangs=True), stream(part, hangs=True), bounds=most)
    kept, refused = (ask(waiting, stream=True) for _ in range(2))
    assert (kept[1].status, refused[1].status) == (0, 502)
    assert kept[0] is not None
    kept[0].client_gone()
    waiting.at_rest()


def test_json_without_images_in_place_of_a_stream_fails_over() -> None:
    stage = Stage(whole(answer()), stream(event("completed")), channels=2)
    _, page = ask(stage, stream=True)
    assert page.body == event("completed")
    stage.at_rest()


def test_json_after_a_comment_goes_on_with_the_stream_that_has_begun() -> None:
    stage = Stage(whole(answer(ONE)), answers=comments(5))
    _, page = ask(stage, deliver=False, stream=True)
    stage.time.pass_(6)
    assert page.body == b": keep-alive\n\n"
    stage.upstream.deliver()
    assert page.body.startswith(b": keep-alive\n\nevent: image_generation.completed\n")
    assert (page.ended, page.closed) == ("finished", False)
    stage.at_rest()


def test_a_page_in_place_of_a_stream_is_still_garbled() -> None:
    stage = Stage(Answer(200, ((b"content-type", b"text/html"),), (b"<html>",)))
    _, page = ask(stage, stream=True)
    assert page.status == 502
    stage.at_rest()
