"""The promises of the books, in memory, in SQLite and in PostgreSQL."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import astuple
from pathlib import Path

import pytest

from polyrelay.service.bank import Bank, Batch, LeaseLost, Posted, Row, Taken
from polyrelay.storage.books.bank import OutOfOrder
from polyrelay.storage.books.bank_post import COLUMNS, WIDTHS
from polyrelay.storage.books.memory_bank import BooksBroken
from polyrelay.storage.schema import exchanges
from polyrelay.storage.sql.database import Conflict
from support.books import HOUR, KINDS, WALLET, Books, MemoryBooks, Snapshot, budget, enrolment, opened, row, want

Scenario = Callable[[Books], Awaitable[None]]
Play = Callable[[Scenario], Snapshot]

LATER = time.time() + 1e9


@pytest.fixture(params=KINDS)
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    """Runs a scenario on empty books with live worker `w1`, and proves them afterwards."""

    async def run(scenario: Scenario) -> Snapshot:
        async with opened(request.param, tmp_path / "data") as books:
            await books.bank.enrol(enrolment("w1"), 60)
            await scenario(books)
            snapshot = await books.snapshot()
            snapshot.check()
            return snapshot

    return lambda scenario: asyncio.run(run(scenario))


async def take(bank: Bank, worker: str, amount: int, **more: int) -> int:
    return (await bank.take(worker, [want(WALLET, amount, **more)]))[0].amount


async def post(bank: Bank, *rows: Row, start: int = 0, end: int | None = None, close: bool = False) -> Posted:
    return await bank.post("w1", Batch(0, start, start + 1 if end is None else end, rows), close=close)


# ── taking ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_take_never_passes_the_limit(play: Play) -> None:
    async def scenario(books: Books) -> None:
        await books.topup("acc_1", 100)
        await books.bank.enrol(enrolment("w2"), 60)
        assert await books.bank.take("w1", [want(WALLET, 60)]) == [Taken(WALLET.id, 60, 40, 60)]
        assert await books.bank.take("w2", [want(WALLET, 41)]) == [Taken(WALLET.id, 0, 40, 60)]
        assert await books.bank.take("w2", [want(WALLET, 99, least=40)]) == [Taken(WALLET.id, 40, 0, 100)]
        assert await take(books.bank, "w1", 1) == 0
        assert await books.bank.slices("w1") == {WALLET.id: 60}

    assert play(scenario).pots[WALLET.id].escrowed == 100


def test_wants_of_one_take_see_each_other(play: Play) -> None:
    async def scenario(books: Books) -> None:
        await books.topup("acc_1", 10)
        wants = [want(WALLET, 6), want(budget(5), 5), want(WALLET, 6), want(budget(5), 1)]
        assert [taken.amount for taken in await books.bank.take("w1", wants)] == [6, 5, 0, 0]

    play(scenario)


def test_an_overdraft_is_part_of_what_is_available(play: Play) -> None:
    async def scenario(books: Books) -> None:
        await books.topup("acc_1", 10)
        await books.overdraft("acc_1", 5)
        assert await take(books.bank, "w1", 16) == 0
        assert await take(books.bank, "w1", 15) == 15
        await books.overdraft("acc_1", 0)
        await post(books.bank, row("px_1", 15))

    pot = play(scenario).pots[WALLET.id]
    assert (pot.granted, pot.overdraft, pot.spent, pot.ceiling) == (10, 0, 15, 15)


def test_promotions_are_spent_first_to_expire_first_and_given_back_last_first(play: Play) -> None:
    async def scenario(books: Books) -> None:
        late = await books.promote("acc_1", 10, LATER + 1)
        soon = await books.promote("acc_1", 10, LATER)
        await books.topup("acc_1", 10)
        assert await take(books.bank, "w1", 25) == 25
        assert {pot: state.escrowed for pot, state in (await books.snapshot()).pots.items()} == {
            soon: 10, late: 10, WALLET.id: 5,
        }  # fmt: skip
        await books.bank.give_back("w1", [(WALLET.id, 7)])
        await post(books.bank, row("px_1", 11))
        pots = (await books.snapshot()).pots
        assert [(pots[pot].spent, pots[pot].escrowed) for pot in (soon, late, WALLET.id)] == [(10, 0), (1, 7), (0, 0)]

    play(scenario)


def test_an_expired_promotion_pays_only_what_was_escrowed(play: Play) -> None:
    async def scenario(books: Books) -> None:
        pot = await books.promote("acc_1", 10, LATER)
        assert await take(books.bank, "w1", 4) == 4
        await books.lapse(pot)
        assert await take(books.bank, "w1", 1) == 0
        assert await books.bank.expire() == 6
        assert await books.bank.expire() == 0
        await post(books.bank, row("px_1", 3, short=1), close=True)
        assert await books.bank.expire() == 1

    snapshot = play(scenario)
    assert snapshot.exchanges == {"px_1": (3, 1)}


def test_the_budgets_table_overrules_what_the_worker_believes(play: Play) -> None:
    async def scenario(books: Books) -> None:
        await books.budget("key_1", "month", 7)
        taken = await books.bank.take("w1", [want(budget(50), 8), want(budget(50, "key_2"), 8)])
        assert [each.amount for each in taken] == [0, 8]

    pots = play(scenario).pots
    assert {pot.granted for pot in pots.values()} == {7, 50}
    assert {pot.kind for pot in pots.values()} == {"budget"}


def test_a_meter_of_an_unknown_account_has_nothing(play: Play) -> None:
    async def scenario(books: Books) -> None:
        assert (await books.bank.take("w1", [want(WALLET, 1)]))[0] == Taken(WALLET.id, 0, 0, 0)
        await post(books.bank, row("px_1", 2, 3))

    assert play(scenario).exchanges == {"px_1": (0, 5)}


def test_what_has_expired_is_recalled_and_given_back_first(play: Play) -> None:
    async def scenario(books: Books) -> None:
        await books.topup("acc_1", 10)
        promotion = await books.promote("acc_1", 6, LATER)
        await take(books.bank, "w1", 9)
        since, _ = await books.bank.recalled(0.0)
        await books.lapse(promotion)
        await books.bank.expire()
        assert (await books.bank.recalled(since))[1] == [WALLET.id]
        await books.bank.give_back("w1", [(WALLET.id, 6)])
        assert await books.bank.expire() == 6, "none of it is left in the slice"
        since, _ = await books.bank.recalled(0.0)
        await books.bank.expire()
        assert (await books.bank.recalled(since))[1] == [], "there is nothing to ask for"

    play(scenario)


def test_a_lowered_limit_binds_later_takes(play: Play) -> None:
    async def scenario(books: Books) -> None:
        assert (await books.bank.take("w1", [want(budget(100), 60)]))[0].amount == 60
        await books.limit(budget(0).id, 50)
        assert (await books.bank.take("w1", [want(budget(100), 1)]))[0] == Taken(budget(0).id, 0, 0, 60)
        await books.bank.give_back("w1", [(budget(0).id, 20)])
        taken = (await books.bank.take("w1", [want(budget(100), 99, least=1)]))[0]
        assert taken.amount == 10

    assert play(scenario).pots[budget(0).id].granted == 50


def test_more_than_a_slice_cannot_be_given_back(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(books: Books) -> None:
        await books.topup("acc_1", 10)
        await take(books.bank, "w1", 4)
        await books.bank.give_back("w1", [(WALLET.id, 5)])
        assert await books.bank.slices("w1") == {}

    play(scenario)
    assert "gives back 5 nanos" in caplog.text


# ── posting ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_replayed_batch_posts_once(play: Play) -> None:
    async def scenario(books: Books) -> None:
        await books.topup("acc_1", 100)
        await take(books.bank, "w1", 50)
        assert await post(books.bank, row("px_1", 10), end=80) == Posted(0, 80)
        assert await post(books.bank, row("px_1", 10), end=80) == Posted(0, 80)
        assert await post(books.bank, row("px_1", 10), row("px_2", 5), end=120) == Posted(0, 80)
        with pytest.raises(OutOfOrder):
            await post(books.bank, row("px_3", 1), start=81)
        await books.bank.advance("w1", 1)
        await books.bank.advance("w1", 1)
        assert await post(books.bank, row("px_2", 5), start=80, end=120) == Posted(1, 0)
        assert await books.bank.slices("w1") == {WALLET.id: 40}

    assert play(scenario).exchanges == {"px_1": (10, 0)}


def test_an_exchange_is_never_charged_twice(play: Play) -> None:
    async def scenario(books: Books) -> None:
        await books.topup("acc_1", 100)
        await take(books.bank, "w1", 50)
        await post(books.bank, row("px_1", 10))
        with pytest.raises((Conflict, BooksBroken)):
            await post(books.bank, row("px_2", 1), row("px_1", 10), start=1)
        with pytest.raises((Conflict, BooksBroken)):
            await post(books.bank, row("px_2", 1), row("px_2", 1), start=1)
        assert await books.bank.slices("w1") == {WALLET.id: 40}

    assert play(scenario).exchanges == {"px_1": (10, 0)}


def test_what_power_loss_made_doubtful_again_stays_as_it_was_posted(play: Play) -> None:
    async def scenario(books: Books) -> None:
        await books.topup("acc_1", 100)
        await take(books.bank, "w1", 50)
        await post(books.bank, row("px_1", 10))
        doubtful = [row(name, amount, indeterminate=True) for name, amount in (("px_1", 3), ("px_2", 4))]
        await post(books.bank, *doubtful, start=1, close=True)

    snapshot = play(scenario)
    assert snapshot.exchanges == {"px_1": (10, 0), "px_2": (4, 0)}
    assert snapshot.pots[WALLET.id].spent == 14


def test_every_meter_pays_the_same_and_budgets_are_no_revenue(play: Play) -> None:
    meters = (WALLET, budget(30), budget(40, "key_2"))

    async def scenario(books: Books) -> None:
        await books.topup("acc_1", 100)
        await books.bank.take("w1", [want(meter, 20) for meter in meters])
        rows = [
            row("px_1", 5, on=meters, cost=2),
            row("px_2", 6, on=meters, cost=3),
            row("px_3", 1, cost=9, channel="b"),
        ]
        await post(books.bank, *rows, row("px_4", None, status=502, channel=None))

    snapshot = play(scenario)
    assert [snapshot.pots[meter.id].spent for meter in meters] == [12, 11, 11]
    assert sorted(move for move in snapshot.transfers if move[0] != "topup") == sorted([
        ("charge", f"pot:{WALLET.id}", "revenue", 12),
        *[("charge", f"pot:{meter.id}", "budgets", 11) for meter in meters[1:]],
        ("cost", "cost:vendor", "payable:vendor", 5),
        ("cost", "cost:b", "payable:b", 9),
    ])  # fmt: skip
    assert snapshot.exchanges["px_4"] == (None, 0)
    assert [sums.failures for sums in snapshot.rollups.values() if sums.failures] == [1]


@pytest.mark.parametrize(("left", "charged"), [(3, 13), (4, 14), (5, 14)])
def test_what_is_short_comes_from_what_the_scarcest_meter_has_left(play: Play, left: int, charged: int) -> None:
    scarce = budget(10 + left)

    async def scenario(books: Books) -> None:
        await books.topup("acc_1", 100)
        await books.bank.take("w1", [want(WALLET, 10), want(scarce, 10)])
        posted = await post(books.bank, row("px_1", 10, short=4, on=(WALLET, scarce)))
        assert posted.written_off == 14 - charged

    snapshot = play(scenario)
    assert snapshot.exchanges == {"px_1": (charged, 14 - charged)}
    assert {pot.spent for pot in snapshot.pots.values()} == {charged}


def test_slices_that_do_not_cover_are_made_up_from_the_meters(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(books: Books) -> None:
        await books.topup("acc_1", 12)
        await take(books.bank, "w1", 5)
        assert await post(books.bank, row("px_1", 9), row("px_2", 9)) == Posted(0, 1, 6)

    assert play(scenario).exchanges == {"px_1": (9, 0), "px_2": (3, 6)}
    assert "lack 13 nanos" in caplog.text


def test_texts_and_figures_that_no_column_holds_do_not_stop_the_settler(play: Play) -> None:
    async def scenario(books: Books) -> None:
        odd = row("px_1", 0, 10**30, label="l" * 500, finish="a\0b", model="m" * 999, input_tokens=10**25, cost=10**30)
        await post(books.bank, odd)

    assert play(scenario).exchanges == {"px_1": (0, 10**17)}


def test_columns_are_those_of_the_schema() -> None:
    assert {column.name for column in exchanges.columns} == set(COLUMNS)
    for name, width in WIDTHS.items():
        assert exchanges.columns[name].type.length == width  # type: ignore[attr-defined]


# ── leases ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_lease_that_is_over_makes_an_orphan_and_suspense_keeps_its_slices(play: Play) -> None:
    async def scenario(books: Books) -> None:
        bank = books.bank
        await books.topup("acc_1", 100)
        await take(bank, "w1", 30)
        await bank.suspend("w1")
        assert await bank.orphans() == []
        await bank.renew("w1", -1)
        assert [orphan.state for orphan in await bank.orphans()] == ["live"]
        await bank.suspend("w1")
        assert [orphan.state for orphan in await bank.orphans()] == ["suspense"]
        with pytest.raises(LeaseLost):
            await take(bank, "w1", 1)
        assert await bank.slices("w1") == {WALLET.id: 30}
        await post(bank, row("px_1", 10))
        await bank.renew("w1", 60)
        assert await take(bank, "w1", 1) == 1
        assert await bank.orphans() == []

    assert play(scenario).pots[WALLET.id].spent == 10


def test_closing_gives_all_back_and_ends_the_worker(play: Play) -> None:
    async def scenario(books: Books) -> None:
        bank = books.bank
        await books.topup("acc_1", 100)
        await bank.take("w1", [want(WALLET, 30), want(budget(50), 20)])
        await bank.renew("w1", -1)
        for _ in range(2):
            assert await post(bank, row("px_1", 10), end=7, close=True) == Posted(0, 7)
        standing = await bank.standing("w1")
        assert standing is not None
        assert (standing.state, standing.segment, standing.position) == ("closed", 0, 7)
        assert await bank.orphans() == []
        for action in (bank.renew("w1", 60), take(bank, "w1", 1), post(bank, row("px_2", 1), start=7)):
            with pytest.raises(LeaseLost):
                await action
        assert await bank.standing("w9") is None

    snapshot = play(scenario)
    assert snapshot.slices == {}
    assert [(pot.spent, pot.escrowed) for _, pot in sorted(snapshot.pots.items())] == [(0, 0), (10, 0)]


def test_a_batch_posted_without_its_answer_is_closed_by_the_next_try(play: Play) -> None:
    async def scenario(books: Books) -> None:
        await books.topup("acc_1", 100)
        await take(books.bank, "w1", 30)
        await post(books.bank, row("px_1", 10), end=7)
        assert await post(books.bank, row("px_1", 10), end=7, close=True) == Posted(0, 7)

    assert play(scenario).slices == {}


def test_recalls_are_seen_once(play: Play) -> None:
    async def scenario(books: Books) -> None:
        await books.bank.recall(["a", "b", "a"])
        since, meters = await books.bank.recalled(0)
        assert meters == ["a", "b"]
        assert await books.bank.recalled(since) == (since, [])
        await books.bank.recall(["b"])
        assert (await books.bank.recalled(since))[1] == ["b"]

    play(scenario)


# ── any order, any workers, any splits ───────────────────────────────────────────────────────────────────────────


def ledger_of(snapshot: Snapshot) -> tuple[object, ...]:
    """What does not depend on the names of promotions."""
    return sorted(map(astuple, snapshot.pots.values())), snapshot.exchanges, snapshot.rollups


@pytest.mark.parametrize("seed", range(4))
def test_books_balance_after_any_operation_and_are_those_of_the_twin(play: Play, seed: int) -> None:
    async def scenario(books: Books) -> None:
        dice = random.Random(seed)
        positions = {"w1": 0, "w2": 0}
        await books.bank.enrol(enrolment("w2"), 60)
        promotion = await books.promote("acc_1", 60, LATER)
        for number in range(40):
            worker = dice.choice(["w1", "w2"])
            await step(
                books, dice, worker, Batch(0, positions[worker], number + 1, drawn_rows(dice, number)), promotion
            )
            standing = await books.bank.standing(worker)
            assert standing is not None
            positions[worker] = standing.position
            (await books.snapshot()).check()
        for worker, position in positions.items():
            await books.bank.post(worker, Batch(0, position, position, []), close=True)

    async def twin() -> Snapshot:
        books = MemoryBooks()
        await books.bank.enrol(enrolment("w1"), 60)
        await scenario(books)
        return await books.snapshot()

    snapshot = play(scenario)
    assert {pot.escrowed for pot in snapshot.pots.values()} == {0}
    assert ledger_of(snapshot) == ledger_of(asyncio.run(twin()))


METERS = (WALLET, budget(300), budget(500, "key_2"))


def drawn_rows(dice: random.Random, number: int) -> list[Row]:
    return [
        row(f"px_{number}_{k}", dice.randrange(30), dice.randrange(9), on=METERS[: dice.randrange(1, 4)])
        for k in range(dice.randrange(4))
    ]


async def step(books: Books, dice: random.Random, worker: str, batch: Batch, promotion: str) -> None:
    match dice.choice(["take", "take", "post", "post", "give", "topup", "limit", "expire"]):
        case "take":
            wants = [want(meter, dice.randrange(90), least=1, cushion=9) for meter in METERS]
            await books.bank.take(worker, wants)
        case "post":
            await books.bank.post(worker, batch)
        case "give":
            await books.bank.give_back(worker, [(dice.choice(METERS).id, dice.randrange(60))])
        case "topup":
            await books.topup("acc_1", dice.randrange(1, 50))
        case "limit":
            await books.limit(METERS[1].id, dice.randrange(200))
        case _:
            await books.lapse(promotion)
            await books.bank.expire()


@pytest.mark.parametrize("slice_of_budget", [51, 45], ids=["covered", "uncovered"])
def test_any_cut_into_batches_books_the_same(play: Play, slice_of_budget: int) -> None:
    scarce = budget(60)
    rows = [
        row(
            f"px_{k}", 3 * k % 11, k % 3, on=(WALLET, scarce) if k % 2 else (WALLET,), at=1_800_000_000.0 + k * HOUR / 7
        )
        for k in range(20)
    ]

    def cut(*sizes: int) -> tuple[object, ...]:
        async def scenario(books: Books) -> None:
            await books.promote("acc_1", 20, LATER)
            await books.topup("acc_1", 90)
            await books.bank.take("w1", [want(WALLET, 100), want(scarce, slice_of_budget)])
            at = 0
            for size in sizes:
                await post(books.bank, *rows[at : at + size], start=at, end=at + size)
                at += size

        snapshot = play(scenario)
        pots = sorted((pot.kind, pot.spent, pot.escrowed) for pot in snapshot.pots.values())
        return pots, snapshot.exchanges, snapshot.rollups

    whole = cut(20)
    assert [cut(1, 2, 17), cut(7, 7, 6), cut(*[1] * 20)] == [whole] * 3


def test_workers_at_once_take_no_more_than_there_is(play: Play) -> None:
    """With budgets that are made by whoever comes first."""
    workers = [f"w{number}" for number in range(1, 7)]
    meters = [budget(100, f"key_{number}") for number in range(3)]

    async def scenario(books: Books) -> None:
        bank = books.bank
        await books.topup("acc_1", 1000)
        await asyncio.gather(*[bank.enrol(enrolment(worker), 60) for worker in workers])

        async def work(worker: str, number: int) -> None:
            order = [WALLET, *meters] if number % 2 else [*reversed(meters), WALLET]
            for at in range(8):
                await bank.take(worker, [want(meter, 7) for meter in order])
                await bank.post(worker, Batch(0, at, at + 1, [row(f"px_{worker}_{at}", 3, on=tuple(order))]))
                await bank.recall([WALLET.id])
                await bank.give_back(worker, [(meter.id, 1) for meter in order[at % 4 :]])

        await asyncio.gather(*[work(worker, number) for number, worker in enumerate(workers)])

    snapshot = play(scenario)
    assert len(snapshot.exchanges) == 48
    assert snapshot.pots[WALLET.id].spent == sum(amount or 0 for amount, _ in snapshot.exchanges.values())
    assert all(pot.spent <= 100 for pot in snapshot.pots.values() if pot.kind == "budget")
