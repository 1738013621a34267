"""Taking a job on, step by step: what is held, who is asked, what the client is told, and what is left behind."""

import asyncio
from typing import Any

import pytest

from polyrelay.exchange import names
from polyrelay.exchange.call import Call, Demand
from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.exchange.job import Stage
from polyrelay.exchange.music import Concat, MusicAsk, Stems
from polyrelay.exchange.video import VideoAsk
from polyrelay.jobs.lifecycle import State
from polyrelay.kernel import errors
from polyrelay.providers.outbound import OutboundRequest
from polyrelay.service.bank import BankAway
from polyrelay.service.jobs.funding import CROWDED_SECONDS
from polyrelay.service.jobs.ports import Wanted
from polyrelay.service.waiting import PATIENCE_SECONDS
from polyrelay.settings.jobs import JobSettings
from support.books import WALLET, want
from support.jobs import TASK, TWO_CLIPS, PlainDialect, done, px
from support.till import holder
from support.workshop import DOWN, HOLDER, Vendor, Workshop, at_noon, channels, play


async def refusal(shop: Workshop, *args: Any, **more: Any) -> errors.Refusal:
    with pytest.raises(errors.Refusal) as told:
        await shop.submit(shop.commission(*args, **more))
    return told.value


def body(request: OutboundRequest) -> bytes:
    """What was sent, in one piece."""
    assert isinstance(request.body, bytes)
    return request.body


def test_a_job_is_held_sent_and_accepted() -> None:
    async def scenario(shop: Workshop) -> None:
        job = await shop.submit(shop.commission(label="mine", notify="https://hooks.example"))
        assert await shop.house.one(job.id) == job
        assert (job.state, job.stage, job.held, job.attempts) == (State.ACCEPTED, Stage.SUBMITTED, TASK, 1)
        assert job.place is not None
        assert (job.place.channel, job.place.credential, job.label) == ("a", "#1", "mine")
        assert job.upstreamed is not None
        assert job.upstreamed.ids == ("up_1",)
        assert await shop.house.held() == {WALLET.id: TASK}
        (request,) = shop.vendor.requests
        assert (request.method, request.url) == ("POST", "https://a.example/v1/make")
        assert "authorization: Bearer secret-a" in request.fixed_headers
        assert b'"model": "vendor-song"' in body(request)
        assert job.id in shop.board.rota

    shop = play(scenario)
    assert (shop.refused, shop.records) == ([], [])


def test_the_row_is_there_before_the_upstream_hears_of_it() -> None:
    async def scenario(shop: Workshop) -> None:
        task = asyncio.ensure_future(shop.desk.submit(shop.commission()))
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(shop.vendor.requests) == 1
        assert (await shop.house.one(px(1))).state is State.SUBMITTING
        assert await shop.house.held() == {WALLET.id: TASK}
        await shop.until(task.done)

    play(scenario)


def test_inline_images_are_sent_and_not_kept() -> None:
    data, url = "data:image/png;base64,aGVsbG8=", "https://i.example/a,b"

    async def scenario(shop: Workshop) -> None:
        job = await shop.submit(shop.commission(ask=VideoAsk("sora", "a cat", images=(data, url))))
        assert isinstance(job.ask, VideoAsk)
        assert job.ask.images == ("data:image/png;base64,", url)
        assert data.encode() in body(shop.vendor.requests[0])

    play(scenario)


# ── refused before there is a job ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("credit", "kind"), [(TASK - 1, errors.InsufficientQuota), (0, errors.InsufficientQuota)])
def test_who_cannot_pay_is_told_so_for_good(credit: int, kind: type[errors.Refusal]) -> None:
    async def scenario(shop: Workshop) -> None:
        told = await refusal(shop)
        assert (type(told), told.final) == (kind, True)
        assert shop.time.now == at_noon().now, "nobody waits for what cannot come"

    shop = play(scenario, credit=credit)
    (record,) = shop.refused
    assert (record.error, record.status, record.exchange) == ("insufficient_quota", 429, px(1))
    assert shop.vendor.requests == []


def test_idle_funds_of_others_are_recalled() -> None:
    async def scenario(shop: Workshop) -> None:
        await shop.house.books.bank.take("w2", [want(WALLET, 100)])
        pauses: list[int] = []

        async def give_back() -> None:
            pauses.append(1)
            if len(pauses) == 3:
                await shop.house.books.bank.give_back("w2", [(WALLET.id, 100)])

        shop.visit = give_back
        assert (await shop.submit()).state is State.ACCEPTED
        assert shop.recalled == [(WALLET.id,)]
        assert len(pauses) == 3

    assert play(scenario, credit=120).refused == []


def test_funds_in_flight_are_waited_for_a_moment_only() -> None:
    async def scenario(shop: Workshop) -> None:
        await shop.house.books.bank.take("w2", [want(WALLET, 100)])
        began = shop.time.now
        told = await refusal(shop)
        assert isinstance(told, errors.FundsInFlight)
        assert (told.final, told.retry_after) == (False, 1.0)
        assert PATIENCE_SECONDS <= shop.time.now - began < PATIENCE_SECONDS + 0.1
        assert shop.recalled == [(WALLET.id,)]

    play(scenario, credit=120)


def test_an_account_with_too_many_jobs_waits() -> None:
    async def scenario(shop: Workshop) -> None:
        await shop.submit()
        told = await refusal(shop, 2)
        assert (told.code, told.retry_after, told.status) == ("jobs_in_flight", CROWDED_SECONDS, 429)

    shop = play(scenario, settings=JobSettings(most_in_flight=1))
    assert [record.error for record in shop.refused] == ["jobs_in_flight"]


def test_what_has_no_price_is_refused() -> None:
    async def scenario(shop: Workshop) -> None:
        told = await refusal(shop, call=Call("song", stream=False, input_bytes=1, demand=Demand(seconds=9)))
        assert isinstance(told, errors.NotPriced)

    assert play(scenario).vendor.requests == []


def test_no_upstream_that_can_do_it_holds_nothing() -> None:
    async def scenario(shop: Workshop) -> None:
        assert (await refusal(shop)).code == "unsupported"

    dialect = PlainDialect(unsupported=frozenset({MusicAsk}))
    for dialects in ({}, {"suno_native": dialect}):
        shop = play(scenario, dialects=dialects)
        assert len(shop.refused) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_books_that_are_away_refuse_and_leave_no_second_record(when: str) -> None:
    """Whether the row was written nobody knows, so the exchange must not be recorded by anybody else."""

    async def scenario(shop: Workshop) -> None:
        create = shop.house.store.create

        async def away(*args: Any) -> None:
            if when == "after":
                await create(*args)
            raise BankAway("gone")

        shop.house.store.create = away  # type: ignore[method-assign, assignment]
        assert isinstance(await refusal(shop), errors.BooksAway)
        await shop.round(10)
        assert await shop.house.held() == {}

    shop = play(scenario)
    assert shop.refused == []
    assert [record.error for record in shop.records] == ([] if when == "before" else ["relay_crashed"])


def test_a_worker_without_a_lease_takes_no_jobs() -> None:
    async def scenario(shop: Workshop) -> None:
        await shop.house.die("w1")
        assert isinstance(await refusal(shop), errors.BooksAway)

    assert len(play(scenario).refused) == 1


# ── upstreams that do not take it on ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "trouble",
    [
        DOWN,
        Fault(FaultKind.CUT),
        (500, {"error": "oops"}),
        (429, {"error": "slow down"}),
        (401, {"error": "bad key"}),
        (404, {"error": "no such model"}),
        (200, b"<html>"),
    ],
)
def test_the_next_upstream_takes_it_on(trouble: Fault | tuple[int, object]) -> None:
    async def scenario(shop: Workshop) -> None:
        shop.vendor.script(trouble)
        job = await shop.submit()
        assert job.place is not None
        assert (job.place.channel, job.attempts) == ("b", 2)
        assert await shop.house.held() == {WALLET.id: TASK}

    play(scenario, catalog=channels(2))


def test_when_nobody_does_all_is_given_back() -> None:
    async def scenario(shop: Workshop) -> None:
        shop.vendor.script((503, {"error": "full"}), (429, {"error": "slow down"}))
        told = await refusal(shop)
        assert isinstance(told, errors.RateLimited)
        assert await shop.house.held() == {}
        job = await shop.house.one(px(1))
        assert (job.state, job.watched, job.attempts) == (State.REFUSED, False, 2)
        assert await shop.desk.find(HOLDER, px(1)) is None
        assert await shop.desk.list(HOLDER, Wanted(9)) == []
        assert (await shop.house.books.snapshot()).exchanges == {px(1): (None, 0)}

    shop = play(scenario, catalog=channels(2))
    assert shop.refused == []
    assert [(record.status, record.outcome.value) for record in shop.records] == [(429, "upstream_error")]


def test_an_ask_that_is_blamed_goes_to_nobody_else() -> None:
    async def scenario(shop: Workshop) -> None:
        shop.vendor.script((400, {"error": "prompt too long"}))
        told = await refusal(shop)
        assert (type(told), told.code) == (errors.InvalidRequest, "upstream_rejected")
        assert "prompt too long" in told.message
        assert len(shop.vendor.requests) == 1
        assert await shop.house.held() == {}

    play(scenario, catalog=channels(2))


@pytest.mark.parametrize("words", ["key secret-a is bad", "see https://a.example/x", "at 10.1.2.3"])
def test_an_upstreams_words_are_not_told_when_they_give_something_away(words: str) -> None:
    async def scenario(shop: Workshop) -> None:
        shop.vendor.script((400, {"error": words}))
        told = await refusal(shop)
        assert told.message == "The upstream provider rejected this request."

    play(scenario)


def test_the_only_upstream_is_tried_again_after_a_broken_connection() -> None:
    async def scenario(shop: Workshop) -> None:
        shop.vendor.script(DOWN)
        assert (await shop.submit()).attempts == 2

    play(scenario)


def test_an_upstream_that_is_silent_costs_no_more_than_the_patience() -> None:
    async def scenario(shop: Workshop) -> None:
        shop.vendor.silent = True
        task = asyncio.ensure_future(shop.desk.submit(shop.commission()))
        for _ in range(50):
            await asyncio.sleep(0)
        shop.time.pass_(shop.settings.submit_seconds)
        await shop.until(task.done)
        assert isinstance(task.exception(), errors.UpstreamSlow)
        assert len(shop.vendor.requests) == 1
        assert await shop.house.held() == {}

    play(scenario, catalog=channels(2))


def test_an_oversized_answer_is_a_fault() -> None:
    async def scenario(shop: Workshop) -> None:
        shop.vendor.script((200, b"x" * (4 * 1024 * 1024 + 1)))
        job = await shop.submit()
        assert job.attempts == 2

    play(scenario, catalog=channels(2))


# ── what is over at once ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_job_that_is_done_at_once_is_charged_before_it_is_shown() -> None:
    async def scenario(shop: Workshop) -> None:
        shop.vendor.script((200, {"id": "up_9", "stage": "succeeded"}))
        job = await shop.submit()
        assert (job.state, job.result) == (State.SUCCEEDED, TWO_CLIPS)
        assert (await shop.house.books.snapshot()).exchanges == {job.id: (TASK, 0)}
        assert await shop.house.held() == {}
        assert job.id not in shop.board

    shop = play(scenario)
    assert [record.outcome.value for record in shop.records] == ["complete"]


def test_a_job_that_fails_at_once_is_a_job_that_failed() -> None:
    async def scenario(shop: Workshop) -> None:
        shop.vendor.script((200, {"id": "up_9", "stage": "failed", "reason": "moderation, says secret-a"}))
        job = await shop.submit()
        assert (job.state, job.reason) == (State.FAILED, "The upstream provider could not do this job.")

    play(scenario)


@pytest.mark.parametrize("method", ["accept", "end"])
def test_what_cannot_be_written_at_once_is_written_later(method: str) -> None:
    async def scenario(shop: Workshop) -> None:
        shop.vendor.script((200, {"id": "up_9", "stage": "succeeded"}))
        real = getattr(shop.house.store, method)

        async def away(*_: Any) -> bool:
            raise BankAway("gone")

        setattr(shop.house.store, method, away)
        job = await shop.submit()
        assert (job.state, job.result) == (State.ACCEPTED, None)
        await shop.round()
        setattr(shop.house.store, method, real)
        await shop.round(1)
        found = await shop.house.one(job.id)
        assert (found.state, found.result) == (State.SUCCEEDED, TWO_CLIPS)

    play(scenario)


def test_a_submission_that_lost_its_job_says_so() -> None:
    """A worker that could not renew its lease for so long that another one gave the job up."""

    async def scenario(shop: Workshop) -> None:
        task = asyncio.ensure_future(shop.desk.submit(shop.commission()))
        for _ in range(50):
            await asyncio.sleep(0)
        await shop.house.die("w1")
        other = Workshop(shop.house, Vendor(), shop.time, "w2")
        await other.round()
        assert (await shop.house.one(px(1))).state is State.LOST
        await shop.until(task.done)
        assert isinstance(task.exception(), errors.BooksAway)
        assert px(1) not in shop.board
        assert (await shop.house.books.snapshot()).exchanges == {px(1): (None, 0)}

    assert play(scenario).refused == []


# ── clients that leave, and what builds on what ──────────────────────────────────────────────────────────────────


def test_a_client_that_leaves_has_its_job_all_the_same() -> None:
    async def scenario(shop: Workshop) -> None:
        caller = asyncio.ensure_future(shop.desk.submit(shop.commission()))
        for _ in range(50):
            await asyncio.sleep(0)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        await shop.until(lambda: px(1) in shop.board.rota)
        assert (await shop.house.one(px(1))).state is State.ACCEPTED

    play(scenario)


def test_a_submission_that_is_broken_off_is_refunded_by_the_next_look() -> None:
    async def scenario(shop: Workshop) -> None:
        shop.vendor.silent = True
        caller = asyncio.ensure_future(shop.desk.submit(shop.commission()))
        for _ in range(50):
            await asyncio.sleep(0)
        await shop.desk.close(0.0)
        await asyncio.gather(caller, return_exceptions=True)
        assert await shop.house.held() == {WALLET.id: TASK}
        await shop.round(10)
        assert await shop.house.held() == {}
        assert (await shop.house.one(px(1))).state is State.LOST

    play(scenario)


def test_a_clip_is_extended_by_the_upstream_that_made_it() -> None:
    async def scenario(shop: Workshop) -> None:
        shop.vendor.script(DOWN)
        first = await shop.submit()
        assert first.place is not None
        assert first.place.channel == "b"
        assert await shop.house.store.end(*done(first))
        shop.time.pass_(0.1)
        ask = MusicAsk("chirp-v4", "more", continue_clip=names.clip(first.id, 0), continue_at=60)
        second = await shop.submit(shop.commission(2, ask))
        assert second.place == first.place
        assert second.ask == ask, "its own client's name is kept"
        assert b'"continue_clip": "up_1"' in body(shop.vendor.requests[-1])
        stranger = holder("acc_2", "key_2")
        told = await refusal(shop, 3, ask, by=stranger)
        assert (told.code, told.param) == ("not_found", "continue_clip_id")
        gone = [each for each in shop.commission().candidates if each.channel.name == "a"]
        told = await refusal(shop, 4, ask, candidates=gone)
        assert (told.code, told.param) == ("not_offered", "continue_clip_id")

    shop = play(scenario, catalog=channels(2))
    assert len(shop.refused) == 2


def test_what_its_maker_cannot_do_is_refused_before_anything_is_held() -> None:
    async def scenario(shop: Workshop) -> None:
        first = await shop.submit()
        assert await shop.house.store.end(*done(first))
        shop.time.pass_(0.1)
        told = await refusal(shop, 2, Stems(names.clip(first.id, 0)))
        assert (told.code, told.param) == ("not_offered", "audio_id")
        assert await shop.house.held() == {}
        assert len(shop.vendor.requests) == 1

    dialects = {"suno_native": PlainDialect(unsupported=frozenset({Stems}))}
    assert len(play(scenario, dialects=dialects).refused) == 1


def test_what_builds_on_nothing_is_refused() -> None:
    async def scenario(shop: Workshop) -> None:
        assert (await refusal(shop, ask=Concat(names.clip(px(77), 0)))).param == "clip_id"

    assert len(play(scenario).refused) == 1


def test_reads_while_the_books_are_away_say_so() -> None:
    async def scenario(shop: Workshop) -> None:
        async def away(*_: Any) -> Any:
            raise BankAway("gone")

        for method in ("find", "page"):
            setattr(shop.house.store, method, away)
        for read in (
            shop.desk.find(HOLDER, px(1)),
            shop.desk.list(HOLDER, Wanted(3)),
            shop.submit(shop.commission(ask=Concat(names.clip(px(1), 0)))),
        ):
            with pytest.raises(errors.BooksAway):
                await read

    play(scenario)


def test_a_defect_of_a_dialect_leaves_no_hold_behind() -> None:
    class Broken(PlainDialect):
        def accepted(self, ask: Any, status: int, body: bytes) -> Any:
            raise RuntimeError("defect")

    async def scenario(shop: Workshop) -> None:
        with pytest.raises(RuntimeError, match="defect"):
            await shop.submit()
        await shop.round(10)
        assert await shop.house.held() == {}

    play(scenario, dialects={"suno_native": Broken()})


def test_pages_are_bounded() -> None:
    async def scenario(shop: Workshop) -> None:
        first = await shop.submit()
        shop.time.pass_(0.1)
        second = await shop.submit(shop.commission(2))
        assert await shop.desk.list(HOLDER, Wanted(10**9)) == [second, first]
        assert await shop.desk.find_many(HOLDER, [first.id, px(9)]) == {first.id: first}
        assert await shop.desk.list(holder("acc_2", "key_1"), Wanted(9)) == []

    play(scenario)
