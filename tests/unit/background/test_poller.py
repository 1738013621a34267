"""Jobs from their acceptance to their end, on virtual time: who is asked when, and what is written."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from polyrelay.background.poller import ANSWER_SECONDS, TAKE_OVER_SECONDS
from polyrelay.exchange.job import Snapshot
from polyrelay.jobs.job import Job
from polyrelay.jobs.lifecycle import State
from polyrelay.service.bank import BankAway
from polyrelay.wire.dialect import Asked
from support.books import WALLET
from support.jobs import TASK, TWO_CLIPS, PlainDialect, housed, px
from support.workshop import DOWN, SETTINGS, Vendor, Workshop, at_noon, channels, play

PACE = SETTINGS.pace_seconds
AGE = SETTINGS.music_max_age_seconds


# ── the way to the end ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_job_is_asked_about_until_it_is_done_and_charged_once() -> None:
    async def scenario(shop: Workshop) -> None:
        (name,) = await shop.submitted()
        await shop.rounds([PACE, PACE, PACE])
        assert len(shop.vendor.asked) == 3
        shop.vendor.say("running", progress=40)
        await shop.round(PACE)
        assert (await shop.house.one(name)).progress == 40
        shop.vendor.say("succeeded")
        await shop.round(PACE)
        job = await shop.house.one(name)
        assert (job.state, job.result, job.watched) == (State.SUCCEEDED, TWO_CLIPS, False)
        await shop.rounds([PACE] * 5)
        assert len(shop.vendor.asked) == 5
        assert (await shop.house.books.snapshot()).exchanges == {name: (TASK, 0)}
        assert await shop.house.held() == {}
        assert name not in shop.board

    shop = play(scenario)
    (record,) = shop.records
    assert (record.status, record.outcome.value, record.channel, record.finish) == (200, "complete", "a", "succeeded")
    assert record.seconds == 5 * PACE


def test_a_failure_is_refunded_with_its_reason() -> None:
    async def scenario(shop: Workshop) -> None:
        first, second = await shop.submitted(2)
        shop.vendor.say("failed", "up_1", reason="too loud")
        shop.vendor.say("failed", "up_2", reason="key spare at https://a.example")
        await shop.round(PACE)
        assert (await shop.house.one(first)).reason == "too loud"
        assert (await shop.house.one(second)).reason == "The upstream provider could not do this job."
        assert (await shop.house.books.snapshot()).exchanges == {first: (None, 0), second: (None, 0)}
        assert await shop.house.held() == {}

    assert [record.error for record in play(scenario).records] == ["job_failed", "job_failed"]


def test_jobs_are_asked_about_together() -> None:
    async def scenario(shop: Workshop) -> None:
        await shop.submitted(7)
        await shop.round(PACE)
        assert shop.vendor.asked == ["/ask?ids=up_1,up_2,up_3", "/ask?ids=up_4,up_5,up_6", "/ask?ids=up_7"]

    play(scenario, dialects={"suno_native": PlainDialect(most=3)})


def test_by_the_credential_that_made_it() -> None:
    async def scenario(shop: Workshop) -> None:
        shop.vendor.script((401, {"error": "no"}))
        spare = [candidate for tier in shop.catalog.tiers("song") for candidate in tier[0]]
        job = await shop.submit(shop.commission(candidates=spare))
        assert job.place is not None
        assert job.place.credential == "#2"
        await shop.round(PACE)
        assert "authorization: Bearer spare" in shop.vendor.requests[-1].fixed_headers

    play(scenario)


def test_a_channel_may_have_its_own_pace() -> None:
    async def scenario(shop: Workshop) -> None:
        await shop.submitted()
        await shop.round()
        await shop.round(2 * PACE - 0.1)
        assert len(shop.vendor.asked) == 1
        await shop.round(0.1)
        assert len(shop.vendor.asked) == 2

    play(scenario, catalog=channels(poll_seconds=2 * PACE))


def test_nothing_is_written_while_nothing_changes() -> None:
    async def scenario(shop: Workshop) -> None:
        await shop.submitted(3)
        shop.vendor.say("running", progress=10)
        await shop.round(PACE)
        written: list[Sequence[Job]] = []
        note = shop.house.store.note

        async def noted(keeper: str, jobs: Sequence[Job]) -> None:
            written.append(jobs)
            await note(keeper, jobs)

        shop.house.store.note = noted  # type: ignore[method-assign]
        await shop.rounds([PACE] * 4)
        assert written == []
        shop.vendor.say("running", "up_2", progress=20)
        await shop.round(PACE)
        assert [job.progress for jobs in written for job in jobs] == [20]

    play(scenario)


# ── trouble ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "trouble",
    [DOWN, (500, {"error": "oops"}), (429, {"error": "slow"}), (401, {"error": "key"}), (502, b"<html>bad gateway")],
)
def test_an_upstream_in_trouble_fails_no_job(trouble: Any) -> None:
    async def scenario(shop: Workshop) -> None:
        names = await shop.submitted(3)
        shop.vendor.script(*[trouble] * 4)
        shop.vendor.say("succeeded")
        await shop.rounds([PACE] * 12)
        assert len(shop.vendor.asked) < 5, "it rests the longer the more often it fails"
        assert {await shop.state(name) for name in names} == {State.ACCEPTED}
        await shop.rounds([PACE] * 50)
        assert {await shop.state(name) for name in names} == {State.SUCCEEDED}

    play(scenario)


def test_retry_after_is_heeded() -> None:
    async def scenario(shop: Workshop) -> None:
        await shop.submitted()
        shop.vendor.headers = [(b"retry-after", b"200")]
        shop.vendor.script((429, {"error": "slow"}))
        await shop.round(PACE)
        await shop.round(199)
        assert len(shop.vendor.asked) == 1
        await shop.round(1)
        assert len(shop.vendor.asked) == 2

    play(scenario)


def test_an_answer_that_does_not_come_is_not_waited_for() -> None:
    async def scenario(shop: Workshop) -> None:
        (name,) = await shop.submitted()
        shop.vendor.silent = True
        await shop.round(PACE)
        assert shop.poller.asking == 1
        await shop.round(ANSWER_SECONDS - 0.1)
        assert shop.poller.asking == 1
        await shop.round(0.1)
        assert shop.poller.asking == 0
        assert all(flight.sink is None for flight in shop.vendor.flights)
        shop.vendor.silent = False
        shop.vendor.say("succeeded")
        await shop.rounds([PACE] * 3)
        assert await shop.state(name) is State.SUCCEEDED

    play(scenario)


@pytest.mark.parametrize("poison", [(400, {"error": "bad id"}), (200, b"not json"), (404, {"error": "which?"})])
def test_one_job_does_not_spoil_the_others(poison: Any) -> None:
    """A batch is refused because of one of its jobs: each is asked about alone."""

    class Spoilt(Vendor):
        def _truth(self, request: Any) -> Any:
            return poison if "up_2" in request.url else super()._truth(request)

    async def run() -> None:
        async with housed("memory", Path()) as house:
            await house.books.topup("acc_1", 100 * TASK)
            shop = Workshop(house, Spoilt(), at_noon())
            names = await shop.submitted(3)
            shop.vendor.say("succeeded")
            await shop.rounds([PACE, PACE, PACE])
            assert [await shop.state(name) for name in names] == [State.SUCCEEDED, State.ACCEPTED, State.SUCCEEDED]
            await shop.rounds([PACE * 10] * 40)
            assert (await shop.state(names[1])) in {State.LOST, State.EXPIRED}
            assert await house.held() == {}

    asyncio.run(run())


def test_a_job_unknown_for_long_is_lost_and_refunded() -> None:
    async def scenario(shop: Workshop) -> None:
        first, second = await shop.submitted(2)
        del shop.vendor.songs["up_1"]
        await shop.round(PACE)
        until = shop.time.now + SETTINGS.lost_seconds
        while shop.time.now < until - PACE:
            await shop.round(PACE)
            assert await shop.state(first) is State.ACCEPTED
        await shop.round(PACE)
        assert await shop.state(first) is State.LOST
        assert await shop.state(second) is State.ACCEPTED
        assert await shop.house.held() == {WALLET.id: TASK}

    assert [record.error for record in play(scenario).records] == ["job_lost"]


def test_a_job_that_shows_up_again_is_not_lost() -> None:
    async def scenario(shop: Workshop) -> None:
        (name,) = await shop.submitted()
        for _ in range(4):
            song = shop.vendor.songs.pop("up_1")
            await shop.round(SETTINGS.lost_seconds - 1)
            shop.vendor.songs["up_1"] = song
            await shop.round(PACE)
        assert await shop.state(name) is State.ACCEPTED

    play(scenario)


# ── whose jobs ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_jobs_of_a_dead_worker_go_on_elsewhere() -> None:
    async def scenario(shop: Workshop) -> None:
        names = await shop.submitted(3)
        heir = Workshop(shop.house, shop.vendor, shop.time, "w2")
        await heir.round()
        assert len(heir.board.rota) == 0
        await shop.house.die("w1")
        await heir.round(TAKE_OVER_SECONDS)
        assert set(heir.board.rota) == set(names)
        shop.vendor.say("succeeded")
        await heir.round(PACE)
        assert {await shop.state(name) for name in names} == {State.SUCCEEDED}
        await shop.house.books.bank.renew("w1", 60)
        await shop.round(TAKE_OVER_SECONDS)
        assert len(shop.board.rota) == 0, "it lets go of what is not its own any more"

    play(scenario)


def test_whoever_is_slower_charges_nothing() -> None:
    async def scenario(shop: Workshop) -> None:
        (name,) = await shop.submitted()
        await shop.house.die("w1")
        heir = Workshop(shop.house, shop.vendor, shop.time, "w2")
        await heir.round(TAKE_OVER_SECONDS - 0.1)
        shop.vendor.say("succeeded")
        await shop.round(0.1)
        await heir.round(PACE)
        assert (await shop.house.books.snapshot()).exchanges == {name: (TASK, 0)}
        assert len(shop.records) + len(heir.records) == 1

    play(scenario)


def test_who_missed_the_answer_of_the_books_finds_its_jobs_again() -> None:
    """An acceptance that was kept although nobody heard of it, and an end."""

    async def scenario(shop: Workshop) -> None:
        for method in ("accept", "end"):
            real = getattr(shop.house.store, method)

            async def deaf(*args: Any, real: Any = real, method: str = method) -> bool:
                setattr(shop.house.store, method, real)
                await real(*args)
                raise BankAway("gone")

            setattr(shop.house.store, method, deaf)
        (name,) = await shop.submitted()
        shop.vendor.say("succeeded")
        await shop.rounds([PACE] * 5)
        assert await shop.state(name) is State.SUCCEEDED
        assert (await shop.house.books.snapshot()).exchanges == {name: (TASK, 0)}
        assert name not in shop.board

    play(scenario)


def test_while_the_books_are_away_ends_wait() -> None:
    async def scenario(shop: Workshop) -> None:
        names = await shop.submitted(2)
        real = {method: getattr(shop.house.store, method) for method in ("note", "end", "claim", "kept", "load")}

        async def away(*_: Any) -> Any:
            raise BankAway("gone")

        for method in real:
            setattr(shop.house.store, method, away)
        shop.vendor.say("succeeded", "up_1")
        shop.vendor.say("running", "up_2", progress=50)
        await shop.rounds([PACE] * 4)
        assert len(shop.vendor.asked) >= 4, "asking goes on"
        for method, kept in real.items():
            setattr(shop.house.store, method, kept)
        await shop.round(PACE)
        first, second = [await shop.house.one(name) for name in names]
        assert (first.state, second.progress) == (State.SUCCEEDED, 50)

    play(scenario)


def test_an_end_that_cannot_be_written_keeps_no_other_back(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(shop: Workshop) -> None:
        first, second = await shop.submitted(2)
        end = shop.house.store.end

        async def broken(job: Job, *rest: Any) -> bool:
            if job.id == first:
                raise RuntimeError("defect")
            return await end(job, *rest)

        shop.house.store.end = broken  # type: ignore[method-assign, assignment]
        shop.vendor.say("succeeded")
        await shop.rounds([PACE] * 3)
        assert [await shop.state(name) for name in (first, second)] == [State.ACCEPTED, State.SUCCEEDED]
        shop.house.store.end = end  # type: ignore[method-assign]
        await shop.round(PACE)
        assert await shop.state(first) is State.SUCCEEDED

    play(scenario)
    assert caplog.text.count("cannot be written") == 1


@pytest.mark.parametrize("defect", ["poll", "polled", "short"])
def test_a_dialects_defect_ends_no_rounds(defect: str, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(PlainDialect):
        def poll(self, jobs: Sequence[Asked]) -> Any:
            if defect == "poll":
                raise RuntimeError("defect")
            return super().poll(jobs)

        def polled(self, jobs: Sequence[Asked], status: int, body: bytes) -> list[Snapshot | None]:
            if defect == "polled":
                raise RuntimeError("defect")
            return super().polled(jobs, status, body)[:-1]

    async def scenario(shop: Workshop) -> None:
        names = await shop.submitted(2)
        await shop.rounds([PACE] * 3)
        assert {await shop.state(name) for name in names} == {State.ACCEPTED}
        await shop.rounds([AGE / 4] * 8)
        assert {await shop.state(name) for name in names} == {State.EXPIRED}
        assert await shop.house.held() == {}

    play(scenario, dialects={"suno_native": Broken()})
    assert defect == "short" or "defect" in caplog.text


def test_the_poller_runs_until_it_is_stopped() -> None:
    async def scenario(shop: Workshop) -> None:
        (name,) = await shop.submitted()
        shop.vendor.say("succeeded")
        shop.time.pass_(PACE)
        running = asyncio.ensure_future(shop.poller.run())
        await shop.until(lambda: shop.poller.asking == 0 and name not in shop.board.rota)
        shop.poller.stop()
        await running
        await shop.poller.close()
        assert await shop.state(name) is State.SUCCEEDED

    play(scenario)


def test_what_was_heard_before_the_stop_is_written() -> None:
    async def scenario(shop: Workshop) -> None:
        names = await shop.submitted(2)
        shop.vendor.say("succeeded", "up_1")
        shop.time.pass_(PACE)
        await shop.poller.round()
        shop.vendor.deliver()
        shop.vendor.silent = True
        shop.time.pass_(PACE)
        await shop.poller.round()
        await shop.poller.close()
        assert shop.poller.asking == 0
        assert await shop.state(names[0]) is State.SUCCEEDED

    play(scenario)


def test_nobody_is_asked_when_there_are_no_jobs() -> None:
    async def scenario(shop: Workshop) -> None:
        await shop.rounds([1.0] * 20)
        assert shop.vendor.requests == []
        assert px(1) not in shop.board

    play(scenario)
