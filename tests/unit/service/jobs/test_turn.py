"""Upstreams that take so many calls at once: a submission has its place in the line while its call is open."""

import asyncio
from typing import Any

import pytest

from polyrelay.jobs.job import Job
from polyrelay.jobs.lifecycle import State
from polyrelay.kernel import errors
from polyrelay.service.line import RETRY_SECONDS
from support.books import WALLET
from support.jobs import TASK, px
from support.workshop import Workshop, channels, play

QUEUE: dict[str, Any] = {"concurrency": 1, "waiting": 1}


async def begun(shop: Workshop, *numbers: int) -> list[asyncio.Task[Job]]:
    """Submissions as far as they get while no upstream answers."""
    shop.vendor.silent = True
    tasks = [asyncio.ensure_future(shop.desk.submit(shop.commission(number))) for number in numbers]
    for _ in range(200):
        await asyncio.sleep(0)
    return tasks


def test_a_submission_has_its_place_while_its_call_is_open_and_no_longer() -> None:
    async def scenario(shop: Workshop) -> None:
        first, second = await begun(shop, 1, 2)
        assert len(shop.vendor.requests) == 1
        assert await shop.house.held() == {WALLET.id: 2 * TASK}
        shop.vendor.silent = False
        await shop.until(lambda: first.done() and second.done())
        assert [(await task).state for task in (first, second)] == [State.ACCEPTED] * 2
        assert len(shop.vendor.requests) == 2
        assert (await shop.submit(shop.commission(3))).state is State.ACCEPTED, "two jobs are being done by then"

    play(scenario, catalog=channels(**QUEUE))


def test_the_second_goes_to_the_next_channel_that_is_free() -> None:
    async def scenario(shop: Workshop) -> None:
        tasks = await begun(shop, 1, 2)
        assert [request.channel.name for request in shop.vendor.requests] == ["a", "b"]
        shop.vendor.silent = False
        await shop.until(lambda: all(task.done() for task in tasks))

    play(scenario, catalog=channels(2, **QUEUE))


def test_who_finds_no_room_in_the_line_is_refused_and_pays_nothing() -> None:
    async def scenario(shop: Workshop) -> None:
        tasks = await begun(shop, 1, 2)
        with pytest.raises(errors.Overloaded) as told:
            await shop.desk.submit(shop.commission(3))
        assert (told.value.code, told.value.retry_after) == ("queue_full", RETRY_SECONDS)
        assert await shop.house.held() == {WALLET.id: 2 * TASK}
        assert await shop.state(px(3)) is State.REFUSED
        shop.vendor.silent = False
        await shop.until(lambda: all(task.done() for task in tasks))

    play(scenario, catalog=channels(**QUEUE))


def test_nobody_waits_longer_than_a_submission_may_take() -> None:
    async def scenario(shop: Workshop) -> None:
        first, second = await begun(shop, 1, 2)
        shop.time.pass_(shop.settings.submit_seconds)
        await shop.until(lambda: first.done() and second.done())
        assert isinstance(first.exception(), errors.UpstreamSlow)
        assert isinstance(second.exception(), errors.Overloaded)
        assert len(shop.vendor.requests) == 1
        assert await shop.house.held() == {}

    play(scenario, catalog=channels(**QUEUE))


def test_a_failure_lets_the_next_one_go() -> None:
    async def scenario(shop: Workshop) -> None:
        first, second = await begun(shop, 1, 2)
        shop.vendor.script((500, {}))
        shop.vendor.silent = False
        await shop.until(lambda: first.done() and second.done())
        assert isinstance(first.exception(), errors.UpstreamFailure)
        assert (await second).state is State.ACCEPTED

    play(scenario, catalog=channels(**QUEUE))


def test_a_relay_that_goes_away_leaves_no_place_taken() -> None:
    async def scenario(shop: Workshop) -> None:
        tasks = await begun(shop, 1, 2)
        await shop.desk.close(0)
        assert all(task.done() for task in tasks)

    play(scenario, catalog=channels(**QUEUE))
