"""Who keeps which job, and who may see it, in memory, in SQLite and in PostgreSQL."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from polyrelay.jobs.job import Job, Kind
from polyrelay.jobs.lifecycle import Event, State
from polyrelay.service.bank import Batch
from polyrelay.service.jobs.ports import Scope, Wanted
from polyrelay.storage.reports.doubtful import doubtful
from support.books import KINDS, WALLET, SqlBooks
from support.jobs import (
    AT,
    LYRICS_ASK,
    PLACE,
    SONG_ASK,
    TWO_CLIPS,
    House,
    Play,
    accepted,
    done,
    ended,
    job,
    playing,
    px,
)


@pytest.fixture(params=KINDS)
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    """Runs a scenario on empty books, and proves them afterwards."""
    return playing(request.param, tmp_path / "data")


# ── keepers ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_jobs_of_a_dead_worker_are_taken_over_oldest_first(play: Play) -> None:
    async def scenario(house: House) -> None:
        await house.books.topup("acc_1", 1000)
        for number in (3, 1, 2):
            await house.open(job(number))
        assert await house.store.claim("w2", 10) == []
        await house.die("w1")
        assert [each.id for each in await house.store.claim("w2", 2)] == [px(1), px(2)]
        (last,) = await house.store.claim("w2", 2)
        assert (last.id, last.keeper) == (px(3), "w2")
        assert await house.store.claim("w2", 2) == []
        assert await house.store.kept("w2") == {px(1), px(2), px(3)}
        assert await house.store.kept("w1") == set()

    play(scenario)


def test_a_closed_worker_keeps_nothing(play: Play) -> None:
    async def scenario(house: House) -> None:
        await house.open(job(held=0))
        await house.books.bank.post("w1", Batch(0, 0, 0, []), close=True)
        assert [each.id for each in await house.store.claim("w2", 9)] == [px(1)]

    play(scenario)


def test_who_is_not_live_takes_nothing_over(play: Play) -> None:
    async def scenario(house: House) -> None:
        await house.open(job(held=0))
        await house.die("w1")
        assert await house.store.claim("w1", 9) == []
        assert await house.store.claim("nobody", 9) == []

    play(scenario)


def test_two_never_take_over_the_same_job(play: Play) -> None:
    async def scenario(house: House) -> None:
        await house.work("w3", "w4")
        for number in range(40):
            await house.store.create(job(number, held=0), (WALLET,), 0)
        await house.die("w1")
        rounds = [house.store.claim(worker, 5) for worker in ("w2", "w3", "w4") * 4]
        got = [each.id for claimed in await asyncio.gather(*rounds) for each in claimed]
        while claimed := await house.store.claim("w2", 5):
            got += [each.id for each in claimed]
        assert sorted(got) == [px(number) for number in range(40)]

    play(scenario)


def test_what_is_over_is_nobodys_unless_it_is_watched_on(play: Play) -> None:
    async def scenario(house: House) -> None:
        await house.books.topup("acc_1", 1000)
        done_with, watched = await house.open(job(1)), await house.open(job(2))
        assert await house.store.end(*done(done_with))
        assert await house.store.end(*ended(watched, Event.EXPIRE, watched=True))
        assert await house.store.kept("w1") == {px(2)}
        await house.die("w1")
        (claimed,) = await house.store.claim("w2", 9)
        assert claimed.id == px(2)
        late = claimed.after(Event.LATE, late_at=AT + 99, watched=False)
        assert await house.store.unwatch(late)
        assert not await house.store.unwatch(late)
        assert not await house.store.unwatch(accepted(job(1)))
        found = await house.one(px(2))
        assert (found.state, found.late_at, found.watched, found.result) == (State.EXPIRED, AT + 99, False, None)
        assert await house.store.kept("w2") == set()

    assert play(scenario).exchanges[px(2)] == (None, 0)


def test_a_late_word_leaves_open_jobs_alone(play: Play) -> None:
    async def scenario(house: House) -> None:
        taken = await house.open(job(held=0))
        assert not await house.store.unwatch(taken)
        assert (await house.one(taken.id)).watched

    play(scenario)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "memory"])
def test_the_operator_sees_what_an_upstream_may_bill_though_nobody_paid(kind: str, tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        assert isinstance(house.books, SqlBooks)
        read = house.books.database.read
        await house.books.topup("acc_1", 1000)
        await house.store.create(job(1), (WALLET,), 0)
        assert await house.store.end(*ended(job(1), Event.STRAND))
        for number, event in ((2, Event.EXPIRE), (3, Event.EXPIRE), (4, Event.LOSE), (5, Event.FAIL)):
            over = ended(await house.open(job(number)), event, watched=event is Event.EXPIRE)
            assert await house.store.end(*over)
            if number == 2:
                assert await house.store.unwatch(over[0].after(Event.LATE, late_at=AT + 99, watched=False))
        found, following = await read(lambda tx: doubtful(tx, None, None, 9, None))
        assert [(each.id, each.late_at, each.channel, each.upstream) for each in found] == [
            (px(1), None, None, ()),
            (px(2), AT + 99, PLACE.channel, ("up_1", "up_2")),
        ]
        assert following is None
        first, following = await read(lambda tx: doubtful(tx, None, None, 1, None))
        assert (first, following) == (found[:1], px(1))
        assert await read(lambda tx: doubtful(tx, None, None, 1, following)) == (found[1:], None)
        assert await read(lambda tx: doubtful(tx, AT + 1, None, 9, None)) == ([], None)
        assert await read(lambda tx: doubtful(tx, None, AT, 9, None)) == ([], None)

    playing(kind, tmp_path / "data")(scenario)


# ── clients' reads ───────────────────────────────────────────────────────────────────────────────────────────────


def test_clients_find_their_own_jobs(play: Play) -> None:
    def mine(number: int, account: str, key: str, **more: Any) -> Job:
        made = job(number, 0, **more)
        payer = type(made.payer)(account, None, key, "default", (f"wallet:{account}",))
        return type(made)(**{name: getattr(made, name) for name in made.__struct_fields__} | {"payer": payer})

    async def scenario(house: House) -> None:
        for each in (mine(1, "acc_1", "k1"), mine(2, "acc_1", "k2"), mine(3, "acc_2", "k3"), mine(4, "acc_1", "k1")):
            await house.store.create(each, (WALLET,), 0)
        assert await house.store.end(*ended(mine(4, "acc_1", "k1"), Event.REFUSE))
        everything = [px(number) for number in range(6)]
        for scope, found in [
            (Scope("acc_1", "k1"), {px(1)}), (Scope("acc_1"), {px(1), px(2)}), (Scope("acc_1", "k3"), set()),
            (Scope("acc_2", "k3"), {px(3)}), (Scope("acc_3"), set()),
        ]:  # fmt: skip
            assert {each.id for each in await house.store.find(scope, everything)} == found
            assert {each.id for each in await house.store.page(scope, Wanted(9))} == found
        assert await house.store.find(Scope("acc_1"), []) == []

    play(scenario)


def test_pages_follow_each_other_newest_first(play: Play) -> None:
    async def scenario(house: House) -> None:
        for number in range(7):
            ask = LYRICS_ASK if number % 2 else SONG_ASK
            await house.store.create(job(number, held=0, ask=ask), (WALLET,), 0)
        for scope in (Scope("acc_1", "key_1"), Scope("acc_1")):
            first = await house.store.page(scope, Wanted(3))
            second = await house.store.page(scope, Wanted(9, before=first[-1].id))
            assert [each.id for each in (*first, *second)] == [px(number) for number in range(6, -1, -1)]
            assert await house.store.page(scope, Wanted(3, before=px(0))) == []
            lyrics = await house.store.page(scope, Wanted(2, px(4), (Kind.LYRICS, Kind.VIDEO)))
            assert [each.id for each in lyrics] == [px(3), px(1)]
            assert all(each.ask == LYRICS_ASK for each in lyrics)

    play(scenario)


def test_results_are_kept_as_they_came(play: Play) -> None:
    async def scenario(house: House) -> None:
        await house.books.topup("acc_1", 1000)
        assert await house.store.end(*done(await house.open(job())))
        assert (await house.one(px(1))).result == TWO_CLIPS

    play(scenario)
