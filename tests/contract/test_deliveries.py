"""The promises of deliveries, in memory, in SQLite and in PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from polyrelay.jobs.artefacts import State as ThingState
from polyrelay.jobs.job import Payer
from polyrelay.jobs.lifecycle import Event
from polyrelay.service.webhooks.ports import Attempt, Claim, Delivery, Result, State
from support.made import KINDS, URL, Sequel, job_id, kept, made, of, opened

Scenario = Callable[[Sequel], Awaitable[None]]
Play = Callable[[Scenario], None]

ALL = Claim(100, 100, 60)
GOOD = Attempt(1.0, 0.5, 200)
BAD = Attempt(1.0, 0.5, 500, "status 500")
DONE = Result(State.DELIVERED)


@pytest.fixture(params=KINDS)
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    async def run(scenario: Scenario) -> None:
        async with opened(request.param, tmp_path / "data") as sequel:
            await scenario(sequel)

    return lambda scenario: asyncio.run(run(scenario))


def by(account: str) -> Payer:
    return Payer(account, None, f"key_{account}", "default", (f"wallet:{account}",))


async def one(sequel: Sequel, claim: Claim = ALL) -> Delivery:
    (found,) = await sequel.deliveries.claim(claim)
    return found


@pytest.mark.parametrize("event", [Event.SUCCEED, Event.FAIL, Event.EXPIRE, Event.LOSE, Event.STRAND])
def test_every_end_of_a_job_calls_its_client(play: Play, event: Event) -> None:
    async def scenario(sequel: Sequel) -> None:
        await sequel.end(made(1), event)
        await sequel.end(made(2, notify=None), event)
        found = await one(sequel)
        assert found == Delivery(f"msg_{job_id(1)[3:]}", job_id(1), "acc_1", "key_1", URL, 1)

    play(scenario)


def test_who_was_refused_is_not_called(play: Play) -> None:
    async def scenario(sequel: Sequel) -> None:
        await sequel.end(made(1), Event.REFUSE)
        assert await sequel.deliveries.claim(ALL) == []

    play(scenario)


def test_what_is_claimed_is_nobody_else_s_until_the_lease_ends(play: Play) -> None:
    async def scenario(sequel: Sequel) -> None:
        await sequel.end(made(1))
        first = await one(sequel)
        assert await sequel.deliveries.claim(ALL) == []
        await sequel.pass_by(59)
        assert await sequel.deliveries.claim(ALL) == []
        await sequel.pass_by(2)
        assert await one(sequel) == msgspec.structs.replace(first, attempts=2)

    play(scenario)


def test_what_is_concluded_stays_so(play: Play) -> None:
    async def scenario(sequel: Sequel) -> None:
        await sequel.end(made(1))
        found = await one(sequel)
        await sequel.deliveries.conclude(found, GOOD, DONE)
        await sequel.deliveries.conclude(found, BAD, Result(State.PENDING, 0.0))
        assert await sequel.log(found.id) == [(1, 200, None)]
        assert await sequel.state(found.id) == ("delivered", 1, False)
        await sequel.pass_by(1000)
        assert await sequel.deliveries.claim(ALL) == []

    play(scenario)


def test_a_failed_attempt_is_due_again_at_its_time(play: Play) -> None:
    async def scenario(sequel: Sequel) -> None:
        await sequel.end(made(1))
        found = await one(sequel)
        await sequel.deliveries.conclude(found, BAD, Result(State.PENDING, 4e9))
        await sequel.pass_by(100)
        assert await sequel.deliveries.claim(ALL) == []
        await sequel.pass_by(4e9)
        again = await one(sequel)
        assert (again.id, again.attempts) == (found.id, 2)
        await sequel.deliveries.conclude(again, BAD, Result(State.FAILED))
        assert await sequel.log(found.id) == [(1, 500, "status 500"), (2, 500, "status 500")]
        assert await sequel.state(found.id) == ("failed", 2, False)

    play(scenario)


def test_an_attempt_that_comes_back_after_its_lease_decides_nothing(play: Play) -> None:
    async def scenario(sequel: Sequel) -> None:
        await sequel.end(made(1))
        late = await one(sequel)
        await sequel.pass_by(61)
        second = await one(sequel)
        await sequel.deliveries.conclude(late, BAD, Result(State.FAILED))
        assert await sequel.state(late.id) == ("pending", 2, True)
        await sequel.deliveries.conclude(second, GOOD, DONE)
        assert await sequel.state(late.id) == ("delivered", 2, False)
        assert await sequel.log(late.id) == [(1, 500, "status 500"), (2, 200, None)]

    play(scenario)


def test_no_account_gets_more_than_its_share(play: Play) -> None:
    async def scenario(sequel: Sequel) -> None:
        for number in range(6):
            await sequel.end(made(number, payer=by("hog")))
        await sequel.end(made(6, payer=by("quiet")))
        first = await sequel.deliveries.claim(Claim(4, 2, 60))
        assert sorted(each.account for each in first) == ["hog", "hog", "quiet"]
        second = await sequel.deliveries.claim(Claim(4, 2, 60, {"hog": 1}))
        assert [each.account for each in second] == ["hog"]
        assert await sequel.deliveries.claim(Claim(4, 2, 60, {"hog": 2})) == []
        assert len(of([*first, *second])) == 4

    play(scenario)


def test_the_longest_due_come_first_and_no_more_than_wanted(play: Play) -> None:
    async def scenario(sequel: Sequel) -> None:
        for number in range(3):
            await sequel.end(made(number))
            await sequel.pass_by(1)
        assert of(await sequel.deliveries.claim(Claim(2, 9, 60))) == {job_id(0), job_id(1)}
        assert of(await sequel.deliveries.claim(Claim(2, 9, 60))) == {job_id(2)}

    play(scenario)


def test_claims_at_once_share_what_is_due(play: Play) -> None:
    async def scenario(sequel: Sequel) -> None:
        for number in range(12):
            await sequel.end(made(number))
        found = await asyncio.gather(*(sequel.deliveries.claim(Claim(4, 99, 60)) for _ in range(4)))
        rest = await sequel.deliveries.claim(ALL)
        names = [each.id for claim in (*found, rest) for each in claim]
        assert len(names) == len(set(names)) == 12

    play(scenario)


def test_a_call_waits_for_what_its_job_made(play: Play) -> None:
    async def scenario(sequel: Sequel) -> None:
        await sequel.end(kept(1))
        things = await sequel.artefacts.claim(9, 60)
        assert len(things) == 4
        for number, thing in enumerate(things):
            assert await sequel.deliveries.claim(ALL) == []
            failed = msgspec.structs.replace(thing, state=ThingState.FAILED)
            await sequel.artefacts.conclude(failed if number else thing, None if number else 0.0, "gone")
        (again,) = await sequel.artefacts.claim(9, 60)
        assert await sequel.deliveries.claim(ALL) == []
        await sequel.artefacts.conclude(msgspec.structs.replace(again, state=ThingState.FAILED), None, "gone")
        assert of(await sequel.deliveries.claim(ALL)) == {job_id(1)}

    play(scenario)


def test_what_ended_long_ago_is_forgotten(play: Play) -> None:
    async def scenario(sequel: Sequel) -> None:
        await sequel.end(made(1))
        await sequel.end(made(2))
        found = await sequel.deliveries.claim(ALL)
        await sequel.deliveries.conclude(found[0], GOOD, DONE)
        await sequel.pass_by(100)
        assert await sequel.deliveries.prune(101) == 0
        assert await sequel.deliveries.prune(99) == 1
        assert await sequel.state(found[0].id) is None
        assert await sequel.log(found[0].id) == []
        assert await sequel.state(found[1].id) is not None

    play(scenario)
