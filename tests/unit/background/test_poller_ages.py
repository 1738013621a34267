"""Jobs that grow too old, on virtual time: given up, refunded, and watched on for a while."""

from dataclasses import replace

import pytest

from polyrelay.background.poller import TAKE_OVER_SECONDS
from polyrelay.jobs.lifecycle import State
from polyrelay.routing.catalog import Catalog
from polyrelay.service.jobs.polling import LATE_PACE_SECONDS
from polyrelay.service.jobs.rota import PATIENT
from support.workshop import DOWN, SETTINGS, Workshop, channels, play

PACE = SETTINGS.pace_seconds
AGE = SETTINGS.music_max_age_seconds


def test_a_job_expires_is_refunded_and_its_late_success_is_recorded() -> None:
    async def scenario(shop: Workshop) -> None:
        (name,) = await shop.submitted()
        shop.vendor.say("running", progress=99)
        await shop.round(AGE - 1)
        assert await shop.state(name) is State.RUNNING
        await shop.round(PACE)
        assert await shop.state(name) is State.EXPIRED
        assert await shop.house.held() == {}
        count = len(shop.vendor.asked)
        await shop.rounds([1.0] * int(LATE_PACE_SECONDS))
        assert len(shop.vendor.asked) - count <= 2
        shop.vendor.say("succeeded")
        await shop.rounds([LATE_PACE_SECONDS] * 2)
        job = await shop.house.one(name)
        assert (job.state, job.result, job.watched) == (State.EXPIRED, None, False)
        assert job.late_at is not None
        assert (await shop.house.books.snapshot()).exchanges == {name: (None, 0)}
        assert name not in shop.board

    play(scenario)


def test_the_late_watch_ends() -> None:
    async def scenario(shop: Workshop) -> None:
        (name,) = await shop.submitted()
        await shop.rounds([AGE, 1])
        await shop.rounds([SETTINGS.late_watch_seconds, 1, 1])
        job = await shop.house.one(name)
        assert (job.watched, job.late_at) == (False, None)
        assert name not in shop.board

    play(scenario)


def test_without_a_late_watch_it_is_over_at_once() -> None:
    async def scenario(shop: Workshop) -> None:
        (name,) = await shop.submitted()
        await shop.rounds([AGE, 1])
        assert not (await shop.house.one(name)).watched
        assert name not in shop.board

    play(scenario, settings=replace(SETTINGS, late_watch_seconds=0.0))


def test_an_upstream_that_never_answers_expires_its_jobs() -> None:
    async def scenario(shop: Workshop) -> None:
        (name,) = await shop.submitted()
        shop.vendor.script(*[DOWN] * 500)
        await shop.round(AGE)
        assert await shop.state(name) is State.ACCEPTED, "it was not asked about often enough yet"
        for _ in range(PATIENT + 2):
            await shop.round(400)
        assert await shop.state(name) is State.EXPIRED
        assert await shop.house.held() == {}

    play(scenario)


@pytest.mark.parametrize("catalog", [Catalog(()), channels(provider="openai")])
def test_a_job_whose_channel_is_gone_waits_and_expires(catalog: Catalog) -> None:
    async def scenario(shop: Workshop) -> None:
        (name,) = await shop.submitted()
        shop.catalog = catalog
        await shop.rounds([PACE, AGE - 2 * PACE])
        assert await shop.state(name) is State.ACCEPTED
        await shop.round(PACE + TAKE_OVER_SECONDS)
        assert await shop.state(name) is State.EXPIRED
        await shop.rounds([SETTINGS.late_watch_seconds, TAKE_OVER_SECONDS])
        assert not (await shop.house.one(name)).watched
        assert shop.vendor.asked == []

    play(scenario)


def test_a_channel_that_comes_back_goes_on() -> None:
    async def scenario(shop: Workshop) -> None:
        (name,) = await shop.submitted()
        there, shop.catalog = shop.catalog, Catalog(())
        shop.vendor.say("succeeded")
        await shop.rounds([60, 60])
        shop.catalog = there
        await shop.round(1)
        assert await shop.state(name) is State.SUCCEEDED

    play(scenario)


def test_after_a_long_outage_of_the_relay_a_finished_job_is_delivered() -> None:
    async def scenario(shop: Workshop) -> None:
        (name,) = await shop.submitted()
        shop.vendor.say("succeeded")
        await shop.house.die("w1")
        shop.time.pass_(100 * AGE)
        heir = Workshop(shop.house, shop.vendor, shop.time, "w2")
        await heir.rounds([0, PACE])
        assert await shop.state(name) is State.SUCCEEDED

    play(scenario)
