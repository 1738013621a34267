"""What upstreams of songs are asked at once: who is asked, what a failure becomes, and what of an answer is shown."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

import pytest

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.exchange.job import Upstreamed
from polyrelay.exchange.music import AlignedWord
from polyrelay.jobs.job import Job, Place
from polyrelay.kernel import errors
from polyrelay.routing.channel import Candidate
from polyrelay.service.jobs.inquiry import ANSWER_SECONDS, Inquiry
from polyrelay.wire import dialects
from polyrelay.wire.suno.personas import Query
from support.jobs import accepted, done, job
from support.workshop import DOWN, Workshop, channels, play

WORDS = {"aligned_words": [{"word": "la", "start_s": 0, "end_s": 1, "success": True, "p_align": 0.5}]}
PERSONA = {"persona": {"id": "p", "name": "Nina"}, "total_results": 0, "current_page": 1}
QUERY = Query("p", 2, "song")

_Told = TypeVar("_Told")


def made(place: Place | None = None, **changes: Any) -> Job:
    """A song that channel `a` made."""
    clips = Upstreamed(("up_1", "up_2"), ("up_1", "up_2"))
    return done(accepted(job(), place=place or Place("a", "suno_native", "#2"), upstreamed=clips, **changes))[0]


def inquiry(shop: Workshop) -> Inquiry:
    return Inquiry(shop.works, {"suno_native": dialects.STUDIOS["suno_native"]})


async def told(shop: Workshop, question: Awaitable[_Told]) -> _Told:
    task = asyncio.ensure_future(question)
    await shop.until(task.done)
    return await task


async def refused(shop: Workshop, question: Awaitable[Any]) -> errors.Refusal:
    with pytest.raises(errors.Refusal) as caught:
        await told(shop, question)
    return caught.value


def everyone(shop: Workshop) -> list[Candidate]:
    return [tier[0][0] for tier in shop.catalog.tiers("song")]


def test_a_clip_is_asked_about_where_it_was_made() -> None:
    async def scenario(shop: Workshop) -> None:
        shop.vendor.script((200, WORDS))
        words = await told(shop, inquiry(shop).aligned(made(), 1))
        assert words == (AlignedWord("la", 0, 1, p_align=0.5),)
        (request,) = shop.vendor.requests
        assert (request.method, request.url) == ("GET", "https://a.example/v1/api/gen/up_2/aligned_lyrics/v2/")
        assert "authorization: Bearer spare" in request.fixed_headers

    assert play(scenario, catalog=channels(2)).refused == []


@pytest.mark.parametrize(
    "of",
    [
        made(Place("a", "suno_native", "#9")),
        made(Place("gone", "suno_native", "#1")),
        made(),
        job(),
    ],
    ids=["credential", "channel", "clip", "place"],
)
def test_what_nobody_can_tell_is_not_asked(of: Job) -> None:
    async def scenario(shop: Workshop) -> None:
        refusal = await refused(shop, inquiry(shop).aligned(of, 2))
        assert (refusal.status, refusal.code) == (400, "not_offered")
        assert shop.vendor.requests == []

    play(scenario)


def test_a_dialect_without_words_is_not_asked() -> None:
    async def scenario(shop: Workshop) -> None:
        refusal = await refused(shop, inquiry(shop).aligned(made(), 0))
        assert refusal.code == "not_offered"
        refusal = await refused(shop, inquiry(shop).persona(everyone(shop), QUERY))
        assert (refusal.code, refusal.param) == ("not_offered", "model")
        assert shop.vendor.requests == []

    play(scenario, catalog=channels(1, provider="suno_task"))


@pytest.mark.parametrize(
    ("reply", "status", "code"),
    [
        ((404, {"detail": "no alignment"}), 404, "not_found"),
        ((422, {"detail": "not yet"}), 404, "not_found"),
        ((401, {"detail": "bad key"}), 502, "upstream_error"),
        ((500, {"detail": "oops"}), 502, "upstream_error"),
        ((503, {"detail": "busy"}), 503, "upstream_unavailable"),
        ((429, {"detail": "slowly"}), 429, "upstream_rate_limited"),
        ((200, {"words": []}), 502, "upstream_error"),
        ((200, b"<html>"), 502, "upstream_error"),
        ((302, b""), 502, "upstream_error"),
        (Fault(FaultKind.TOTAL, "late"), 504, "upstream_timeout"),
    ],
)
def test_failures_are_told_in_the_relays_words(reply: Any, status: int, code: str) -> None:
    async def scenario(shop: Workshop) -> None:
        shop.vendor.script(reply)
        refusal = await refused(shop, inquiry(shop).aligned(made(), 0))
        assert (refusal.status, refusal.code) == (status, code)
        assert len(shop.vendor.requests) == 1

    play(scenario)


def test_a_connection_that_fails_once_is_tried_again() -> None:
    async def scenario(shop: Workshop) -> None:
        shop.vendor.script(DOWN, (200, WORDS))
        assert await told(shop, inquiry(shop).aligned(made(), 0))
        assert len(shop.vendor.requests) == 2

    play(scenario)


def test_nobody_waits_for_ever() -> None:
    async def scenario(shop: Workshop) -> None:
        shop.vendor.silent = True
        task = asyncio.ensure_future(inquiry(shop).aligned(made(), 0))
        await shop.until(lambda: bool(shop.vendor.requests))
        shop.time.pass_(ANSWER_SECONDS + 0.001)
        with pytest.raises(errors.UpstreamSlow):
            await task

    play(scenario)


def test_a_persona_is_asked_of_one_after_the_other() -> None:
    async def scenario(shop: Workshop) -> None:
        shop.vendor.script((404, {}), (500, {}), (200, PERSONA))
        page = await told(shop, inquiry(shop).persona(everyone(shop), QUERY))
        assert (page["persona"]["name"], page["total_results"]) == ("Nina", 0)
        path = "/v1/api/persona/get-persona-paginated/p/?page=2"
        assert [request.url for request in shop.vendor.requests] == [f"https://{each}.example{path}" for each in "abc"]

    play(scenario, catalog=channels(4))


def test_a_persona_that_nobody_has() -> None:
    async def scenario(shop: Workshop) -> None:
        shop.vendor.script((500, {}), (404, {}))
        refusal = await refused(shop, inquiry(shop).persona(everyone(shop), QUERY))
        assert (refusal.status, refusal.code, refusal.param) == (404, "not_found", "id")

    play(scenario, catalog=channels(2))


@pytest.mark.parametrize("leak", ["call SECRET-A", "at a.example", "from 10.1.2.3"])
def test_an_answer_that_names_us_is_none(leak: str) -> None:
    async def scenario(shop: Workshop) -> None:
        shop.vendor.script((200, {"persona": {"id": "p", "description": leak}}))
        refusal = await refused(shop, inquiry(shop).persona(everyone(shop), QUERY))
        assert (refusal.status, leak in refusal.message) == (502, False)
        shop.vendor.script((200, {"aligned_words": [{"word": leak, "start_s": 0, "end_s": 1}]}))
        assert (await refused(shop, inquiry(shop).aligned(made(), 0))).status == 502

    play(scenario)
