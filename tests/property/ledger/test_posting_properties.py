"""Posting, whatever is posted: no pot gives what it has not, all meters pay alike, and nothing gets lost."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from polyrelay.ledger import posting
from polyrelay.ledger.pots import Pot
from polyrelay.ledger.transfer import Kind
from polyrelay.service.bank import Row

NOW = 1000.0
METERS = ("wallet:a", "key:1:total", "key:2:total")
NANOS = st.integers(0, 50)


@st.composite
def pots_found(draw: st.DrawFn) -> list[Pot]:
    found = []
    for number in range(draw(st.integers(0, 5))):
        mine, others, spent = draw(NANOS), draw(NANOS), draw(NANOS)
        found.append(
            Pot(
                id=f"p{number}",
                meter=draw(st.sampled_from(METERS)),
                account="a",
                kind=draw(st.sampled_from(["wallet", "promotion", "budget"])),
                granted=draw(st.integers(0, 200)),
                overdraft=draw(NANOS),
                spent=spent,
                escrowed=mine + others,
                expires_at=draw(st.sampled_from([None, NOW - 1, NOW + 1])),
                slice=mine,
            )
        )
    return found


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    return [
        Row(
            id=f"px_{number}", at=draw(st.floats(0, 20_000)), account_id="a", project_id=None, key_id="k",
            customer_group="g", meters=METERS[: draw(st.integers(1, 3))], surface="s", model="m",
            channel=draw(st.sampled_from([None, "c"])), status=draw(st.sampled_from([200, 399, 400, 502])),
            outcome="complete", attempts=1, seconds=0.25, amount=draw(st.none() | NANOS), short=draw(NANOS),
            cost=draw(st.none() | NANOS),
        )
        for number in range(draw(st.integers(0, 6)))
    ]  # fmt: skip


@given(pots_found(), rows())
def test_no_pot_gives_what_it_has_not_and_all_meters_pay_alike(found: list[Pot], batch: list[Row]) -> None:
    before = [replace(pot) for pot in found]
    result = posting.post(batch, found, NOW)
    for pot, was in zip(found, before, strict=True):
        assert 0 <= pot.charged <= was.slice
        assert 0 <= pot.direct <= was.available(NOW) - pot.gained
        assert not pot.swapped
    for meter in METERS:
        due = sum(each.amount or 0 for each in result.settled if meter in each.row.meters)
        assert due == sum(pot.charged + pot.direct for pot in found if pot.meter == meter)


@given(pots_found(), rows())
def test_each_exchange_is_charged_or_written_off_and_the_books_say_so(found: list[Pot], batch: list[Row]) -> None:
    result = posting.post(batch, found, NOW)
    assert [each.row for each in result.settled] == batch
    for each in result.settled:
        assert (each.amount is None) == (each.row.amount is None)
        if each.row.amount is not None:
            assert (each.amount or 0) + each.write_off == each.row.amount + each.row.short
    sums = {kind: sum(move.amount for move in result.transfers if move.kind is kind) for kind in Kind}
    assert sums[Kind.CHARGE] == sum(pot.charged + pot.direct for pot in found)
    assert sums[Kind.WRITE_OFF] == result.written_off == sum(each.write_off for each in result.settled)
    assert sums[Kind.COST] == sum(row.cost or 0 for row in batch)
    assert all(move.amount > 0 for move in result.transfers)


@given(pots_found(), rows(), st.data())
def test_any_cut_gives_the_same_result(found: list[Pot], batch: list[Row], data: st.DataObject) -> None:
    whole_pots = [replace(pot) for pot in found]
    whole = posting.post(batch, whole_pots, NOW)
    cut = data.draw(st.integers(0, len(batch)))
    first = posting.post(batch[:cut], found, NOW)
    between = _carried(found)
    parts = [first, posting.post(batch[cut:], between, NOW)]
    assert [each for part in parts for each in part.settled] == list(whole.settled)
    assert [(pot.spent, pot.escrowed, pot.slice) for pot in _carried(between)] == [
        (pot.spent, pot.escrowed, pot.slice) for pot in _carried(whole_pots)
    ]
    merged: dict[posting.RollupKey, posting.Sums] = {}
    for part in parts:
        for key, sums in part.rollups.items():
            merged.setdefault(key, posting.Sums()).add(sums)
    assert merged == whole.rollups


def _carried(found: list[Pot]) -> list[Pot]:
    """The pots as the next transaction finds them."""
    return [
        replace(
            pot,
            spent=pot.spent + pot.charged + pot.direct,
            escrowed=pot.escrowed + pot.gained - pot.charged,
            slice=pot.sliced(),
            gained=0,
            charged=0,
            direct=0,
        )
        for pot in found
    ]


ENDS = (NOW + 1, NOW + 2, None)


@given(
    st.lists(st.tuples(NANOS, NANOS, NANOS), min_size=3, max_size=3),
    st.lists(st.tuples(st.sampled_from("AB"), NANOS), max_size=8),
)
def test_all_workers_together_spend_first_what_expires_first(
    amounts: list[tuple[int, int, int]], charges: list[tuple[str, int]]
) -> None:
    """Whatever slices A and B hold, whoever charges: `amounts` are those of A, of B, and what is available."""
    slices = [{"A": of_a, "B": of_b} for of_a, of_b, _ in amounts]
    books = [
        Pot(f"p{k}", "wallet:a", "a", "wallet", sum(amounts[k]), 0, 0, sum(slices[k].values()), ENDS[k])
        for k in range(3)
    ]
    total = 0
    for worker, wish in charges:
        other = "B" if worker == "A" else "A"
        held = {name: sum(each[name] for each in slices) for name in "AB"}
        amount = min(wish, held[worker])
        found = [
            replace(pot, slice=of[worker], others={other: of[other]}, swapped={})
            for pot, of in zip(books, slices, strict=True)
        ]
        result = posting.post([charge(amount)], found, NOW)
        total += amount
        assert (result.written_off, result.uncovered) == (0, 0)
        slices = [{worker: pot.sliced(), other: pot.sliced_of(other)} for pot in found]
        books = _carried(found)
        assert {name: sum(each[name] for each in slices) for name in "AB"} == {**held, worker: held[worker] - amount}
        for pot, of in zip(books, slices, strict=True):
            assert pot.escrowed == sum(of.values())
            assert min(of.values()) >= 0
            assert pot.left() >= 0
        rest = total
        for pot in books:
            assert pot.spent == min(rest, pot.granted)
            rest -= pot.spent


@given(NANOS, NANOS, NANOS)
def test_an_expired_pot_pays_only_for_whom_holds_it(mine: int, others: int, due: int) -> None:
    ended = Pot("p", "wallet:a", "a", "promotion", 100, 0, 0, mine + others, NOW, mine, others={"B": others})
    main = Pot("w", "wallet:a", "a", "wallet", 100, 0, 0, 50, None, 50, others={})
    posting.post([charge(due)], [ended, main], NOW)
    assert (ended.charged, main.charged) == (min(mine, due), max(0, due - mine))
    assert not ended.direct
    assert not ended.swapped


def charge(amount: int) -> Row:
    return Row(
        id="px_1", at=0.0, account_id="a", project_id=None, key_id="k", customer_group="g", meters=("wallet:a",),
        surface="s", model="m", channel=None, status=200, outcome="complete", attempts=1, seconds=0.25, amount=amount,
    )  # fmt: skip


@given(rows())
def test_failures_begin_at_status_400_and_hours_at_their_first_second(batch: list[Row]) -> None:
    found = posting.post(batch, [], NOW).rollups
    assert list(found) == sorted(found)
    for (hour, _, _, _, _, channel), sums in found.items():
        of_hour = [row for row in batch if hour * 3600 <= row.at < (hour + 1) * 3600 and (row.channel or "") == channel]
        assert sums.requests == len(of_hour)
        assert sums.failures == sum(row.status in (400, 502) for row in of_hour)
        assert sums.seconds == 0.25 * len(of_hour)
