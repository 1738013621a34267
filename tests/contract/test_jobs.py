"""The promises of the jobs' store, in memory, in SQLite and in PostgreSQL: no hold without its job, no end twice."""

import asyncio
from pathlib import Path

import pytest

from polyrelay.exchange.call import BillingGroup, Demand
from polyrelay.exchange.job import Stage, Upstreamed
from polyrelay.exchange.usage import Usage
from polyrelay.exchange.video import Video, VideoAsk
from polyrelay.jobs import lifecycle
from polyrelay.jobs.job import Kind
from polyrelay.jobs.lifecycle import Event, State
from polyrelay.service.bank import Batch, LeaseLost
from polyrelay.service.jobs.ports import Crowded, NotCovered
from polyrelay.storage.books.memory_bank import BooksBroken
from polyrelay.storage.sql.database import Conflict
from support.books import KINDS, WALLET, budget, row, want
from support.jobs import AT, TASK, House, Play, accepted, done, ended, job, playing, px

LATER = 1e10
ENDS = [event for event in Event if lifecycle.move(event).ends]


@pytest.fixture(params=KINDS)
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    """Runs a scenario on empty books, and proves them afterwards."""
    return playing(request.param, tmp_path / "data")


# ── the hold ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_job_is_made_with_its_hold(play: Play) -> None:
    on = (WALLET, budget(500))

    async def scenario(house: House) -> None:
        await house.books.topup("acc_1", 1000)
        made = job(on=on)
        await house.store.create(made, on, 0)
        assert await house.one(made.id) == made
        assert await house.held() == {WALLET.id: TASK, budget(0).id: TASK}

    assert play(scenario).exchanges == {}


@pytest.mark.parametrize(("wallet", "limit", "fits"), [(100, 100, True), (99, 100, False), (100, 99, False)])
def test_a_hold_is_all_or_nothing(play: Play, wallet: int, limit: int, fits: bool) -> None:
    on = (WALLET, budget(limit))

    async def scenario(house: House) -> None:
        await house.books.topup("acc_1", wallet)
        if fits:
            await house.store.create(job(on=on), on, 0)
            return
        with pytest.raises(NotCovered) as lack:
            await house.store.create(job(on=on), on, 0)
        (short,) = lack.value.lacking
        assert (short.amount, short.left, short.escrowed) == (0, 99, 0)
        assert short.meter == (WALLET.id if wallet < limit else budget(0).id)
        assert await house.store.load([px(1)]) == []
        assert await house.held() == {}

    play(scenario)


def test_want_of_funds_tells_what_others_hold(play: Play) -> None:
    async def scenario(house: House) -> None:
        await house.books.topup("acc_1", 150)
        await house.books.bank.take("w2", [want(WALLET, 100)])
        with pytest.raises(NotCovered) as lack:
            await house.store.create(job(), (WALLET,), 0)
        assert [(each.left, each.escrowed) for each in lack.value.lacking] == [(50, 100)]
        await house.books.bank.give_back("w2", [(WALLET.id, 50)])
        await house.store.create(job(), (WALLET,), 0)

    play(scenario)


def test_jobs_made_at_once_never_overdraw(play: Play) -> None:
    async def scenario(house: House) -> None:
        await house.books.topup("acc_1", 5 * TASK + 99)
        made = [house.store.create(job(number), (WALLET,), 0) for number in range(8)]
        told = await asyncio.gather(*made, return_exceptions=True)
        assert [type(each) for each in told if each is not None] == [NotCovered] * 3
        assert await house.held() == {WALLET.id: 5 * TASK}

    play(scenario)


def test_jobs_made_and_ended_at_once_keep_their_holds_apart(play: Play) -> None:
    """Of one account and of others, with a promotion or two, so that slices are swapped."""
    on = (WALLET, budget(100 * TASK))

    async def scenario(house: House) -> None:
        await house.books.promote("acc_1", 7 * TASK, LATER)
        await house.books.topup("acc_1", 20 * TASK)
        taken = [await house.open(job(number, on=on), on) for number in range(8)]
        made = [house.store.create(job(100 + number, on=on), on, 0) for number in range(8)]
        ends = [done(each) if number % 2 else ended(each, Event.FAIL) for number, each in enumerate(taken)]
        await asyncio.gather(*made, *[house.store.end(*each) for each in ends])
        assert await house.held() == {WALLET.id: 8 * TASK, budget(0).id: 8 * TASK}

    snapshot = play(scenario)
    assert sum(amount or 0 for amount, _ in snapshot.exchanges.values()) == 4 * TASK


def test_a_free_job_holds_nothing(play: Play) -> None:
    async def scenario(house: House) -> None:
        taken = await house.open(job(held=0))
        assert await house.held() == {}
        assert await house.store.end(*ended(taken, Event.SUCCEED, Usage(requests=0, tasks=0)))

    assert play(scenario).exchanges == {px(1): (0, 0)}


def test_a_job_is_made_once(play: Play) -> None:
    async def scenario(house: House) -> None:
        await house.books.topup("acc_1", 1000)
        await house.store.create(job(), (WALLET,), 0)
        with pytest.raises((Conflict, BooksBroken)):
            await house.store.create(job(), (WALLET,), 0)
        assert await house.held() == {WALLET.id: TASK}

    play(scenario)


def test_only_a_live_worker_makes_jobs(play: Play) -> None:
    async def scenario(house: House) -> None:
        await house.books.topup("acc_1", 1000)
        await house.die("w1")
        for keeper in ("w1", "nobody"):
            with pytest.raises(LeaseLost):
                await house.store.create(job(keeper=keeper), (WALLET,), 0)
        assert await house.held() == {}

    play(scenario)


def test_an_account_has_so_many_open_jobs(play: Play) -> None:
    async def scenario(house: House) -> None:
        await house.books.topup("acc_1", 1000)
        first = await house.open(job(1), most=2)
        await house.open(job(2), most=2)
        with pytest.raises(Crowded):
            await house.store.create(job(3), (WALLET,), 2)
        assert await house.held() == {WALLET.id: 2 * TASK}
        assert await house.store.end(*done(first))
        await house.store.create(job(3), (WALLET,), 2)

    play(scenario)


# ── acceptance and progress ──────────────────────────────────────────────────────────────────────────────────────


def test_everything_about_a_job_is_kept(play: Play) -> None:
    ask = VideoAsk("sora", "a cat", seconds=8, size="720x1280", images=("https://i/1",), extra={"x": [1, None, "ü"]})
    full = job(
        ask=ask, kind=Kind.VIDEO, demand=Demand(seconds=8), label="mine", billing=BillingGroup("team", "console"),
        notify="https://hooks.example/x", surface="openai_videos", held=0,
    )  # fmt: skip

    async def scenario(house: House) -> None:
        await house.store.create(full, (WALLET,), 0)
        taken = accepted(full, upstreamed=Upstreamed(("t_1",), ("c_1", "c_2")), attempts=3)
        assert await house.store.accept(taken)
        assert await house.one(full.id) == taken
        begun = taken.after(Event.BEGIN, started_at=AT + 2, stage=Stage.RUNNING, progress=40, result=Video("https://v"))
        await house.store.note("w1", [begun])
        assert await house.one(full.id) == begun
        over = ended(begun, Event.EXPIRE, reason="too\0 late" + "." * 600, result=None, watched=True)
        assert await house.store.end(*over)
        found = await house.one(full.id)
        assert found.reason is not None
        assert found.reason.startswith("too late") or found.reason == over[0].reason
        assert (found.state, found.watched, found.finished_at, found.result) == (State.EXPIRED, True, AT + 60, None)

    play(scenario)


def test_a_job_is_accepted_once(play: Play) -> None:
    async def scenario(house: House) -> None:
        made = job(held=0)
        await house.store.create(made, (WALLET,), 0)
        assert await house.store.accept(accepted(made))
        assert not await house.store.accept(accepted(made, attempts=9))
        assert (await house.one(made.id)).attempts == 1
        assert not await house.store.accept(accepted(job(2)))

    play(scenario)


def test_only_the_keeper_notes_and_only_what_is_open(play: Play) -> None:
    async def scenario(house: House) -> None:
        await house.books.topup("acc_1", 1000)
        one, other = await house.open(job(1)), await house.open(job(2))
        begun = [each.after(Event.BEGIN, progress=9) for each in (one, other)]
        await house.store.note("w2", begun)
        assert await house.one(one.id) == one
        assert await house.store.end(*done(other))
        await house.store.note("w1", begun)
        await house.store.note("w1", [])
        assert (await house.one(one.id)).progress == 9
        assert (await house.one(other.id)).state is State.SUCCEEDED
        assert await house.held() == {WALLET.id: TASK}

    play(scenario)


# ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_success_charges_every_meter_and_frees_the_rest(play: Play) -> None:
    on = (WALLET, budget(1000))

    async def scenario(house: House) -> None:
        await house.books.topup("acc_1", 1000)
        taken, waiting = await house.open(job(1, 250, on=on), on), await house.open(job(2, 70, on=on), on)
        assert await house.store.end(*done(taken, 2))
        assert await house.held() == {WALLET.id: 70, budget(0).id: 70}
        assert await house.store.end(*ended(waiting, Event.FAIL))
        assert await house.held() == {}

    snapshot = play(scenario)
    assert snapshot.exchanges == {px(1): (200, 0), px(2): (None, 0)}
    assert {name: pot.spent for name, pot in snapshot.pots.items()} == {WALLET.id: 200, budget(0).id: 200}
    assert ("charge", f"pot:{WALLET.id}", "revenue", 200) in snapshot.transfers
    assert sum(sums.failures for sums in snapshot.rollups.values()) == 1


@pytest.mark.parametrize(("credit", "charged"), [(250, 200), (150, 150), (100, 100)])
def test_what_the_hold_does_not_cover_is_taken_or_written_off(play: Play, credit: int, charged: int) -> None:
    async def scenario(house: House) -> None:
        await house.books.topup("acc_1", credit)
        taken = await house.open(job())
        assert await house.store.end(*done(taken, 2))

    assert play(scenario).exchanges == {px(1): (charged, 200 - charged)}


@pytest.mark.parametrize("event", ENDS)
@pytest.mark.parametrize("state", State)
def test_an_end_happens_where_the_table_says(play: Play, state: State, event: Event) -> None:
    """Told by somebody who believes the job in another state than it is in."""
    believed = job() if State.SUBMITTING in lifecycle.origins(event) else accepted(job())
    usage = Usage(tasks=1) if event is Event.SUCCEED else None
    over = ended(believed, event, usage)

    async def scenario(house: House) -> None:
        await house.books.topup("acc_1", 1000)
        await _bring(house, state)
        before = await house.books.snapshot()
        assert await house.store.end(*over) == (state in lifecycle.origins(event))
        if state not in lifecycle.origins(event):
            assert await house.books.snapshot() == before
            assert (await house.one(px(1))).state is state
        else:
            assert (await house.one(px(1))).state is over[0].state
            assert await house.held() == {}

    play(scenario)


async def _bring(house: House, state: State) -> None:
    """Job 1 to a state, on its way through the table."""
    made = job()
    await house.store.create(made, (WALLET,), 0)
    if state is State.SUBMITTING:
        return
    if state is State.REFUSED:
        assert await house.store.end(*ended(made, Event.REFUSE))
        return
    taken = accepted(made)
    assert await house.store.accept(taken)
    event = {State.FAILED: Event.FAIL, State.EXPIRED: Event.EXPIRE, State.LOST: Event.LOSE}.get(state)
    if state is State.RUNNING:
        await house.store.note("w1", [taken.after(Event.BEGIN)])
    elif state is State.SUCCEEDED:
        assert await house.store.end(*done(taken))
    elif event is not None:
        assert await house.store.end(*ended(taken, event))


def test_of_many_that_end_a_job_at_once_one_does(play: Play) -> None:
    async def scenario(house: House) -> None:
        await house.books.topup("acc_1", 1000)
        taken = await house.open(job())
        ends = [done(taken), ended(taken, Event.EXPIRE), done(taken), ended(taken, Event.LOSE), done(taken)]
        told = await asyncio.gather(*[house.store.end(*each) for each in ends])
        assert sum(told) == 1
        assert await house.held() == {}

    assert len(play(scenario).exchanges) == 1


def test_a_job_that_is_not_there_does_not_end(play: Play) -> None:
    async def scenario(house: House) -> None:
        assert not await house.store.end(*done(accepted(job())))

    assert play(scenario).exchanges == {}


def test_an_exchange_that_is_in_the_books_already_is_not_charged_again(play: Play) -> None:
    async def scenario(house: House) -> None:
        await house.books.topup("acc_1", 1000)
        taken = await house.open(job())
        await house.books.bank.post("w2", Batch(0, 0, 1, [row(taken.id, None)]))
        with pytest.raises((Conflict, BooksBroken)):
            await house.store.end(*done(taken))
        assert (await house.one(taken.id)).state is State.ACCEPTED
        assert await house.held() == {WALLET.id: TASK}

    play(scenario)


def test_a_stranded_submission_is_refunded_and_in_doubt(play: Play) -> None:
    async def scenario(house: House) -> None:
        await house.books.topup("acc_1", 1000)
        made = job()
        await house.store.create(made, (WALLET,), 0)
        assert await house.store.end(*ended(made, Event.STRAND))
        assert not await house.store.accept(accepted(made))
        assert await house.held() == {}

    assert play(scenario).exchanges == {px(1): (None, 0)}


# ── holds among other slices ─────────────────────────────────────────────────────────────────────────────────────


def test_a_hold_keeps_its_size_when_others_spend_the_promotion_it_is_of(play: Play) -> None:
    """Another worker's charge takes what expires first, and the job gets as much of what does not."""

    async def scenario(house: House) -> None:
        promotion = await house.books.promote("acc_1", 100, LATER)
        await house.books.topup("acc_1", 100)
        taken = await house.open(job())
        await house.books.bank.take("w2", [want(WALLET, 100)])
        await house.books.bank.post("w2", Batch(0, 0, 1, [row("px_w2", 60)]))
        assert await house.held() == {WALLET.id: TASK}
        assert (await house.books.snapshot()).pots[promotion].spent == 60
        assert await house.store.end(*done(taken))

    snapshot = play(scenario)
    assert snapshot.exchanges == {"px_w2": (60, 0), px(1): (100, 0)}
    assert snapshot.pots[WALLET.id].spent == 60


def test_a_promotion_that_ends_meanwhile_pays_for_the_job_that_holds_it(play: Play) -> None:
    async def scenario(house: House) -> None:
        promotion = await house.books.promote("acc_1", 150, LATER)
        paid, refunded = await house.open(job(1)), await house.open(job(2, 50))
        await house.books.lapse(promotion)
        assert await house.store.end(*done(paid))
        assert await house.store.end(*ended(refunded, Event.FAIL))
        assert await house.books.bank.expire() == 50

    assert play(scenario).exchanges[px(1)] == (100, 0)
