"""The proof of the books: what is posted, worked out again by other means than those that posted it. Pure.

    rule       what must hold                                                                   found by
    chart      every transfer moves money above 0 between books of its kind, of its account     `transfers`
    pot        granted and spent are the sums of a pot's transfers, nothing is below 0          `pot`
    limit      what is spent and escrowed is within the pot's ceiling                           `pot`
    escrow     what is escrowed is the sum of the slices of workers that are not closed         `pot`, `slice_of`
    charge     an exchange is charged what its own lines come to, rounded once                  `charge`
    batch      a batch's transfers are the sums of its exchanges, account by account            `batch`
    account    over all time, an account's roll-ups come to what its pots were charged          `account`
    rollup     the sums of an hour are those of its exchanges, those of a day of its hours      `rollup`
    refund     no exchange is given back more than it was charged                               `refund`
    settle     every end in a journal is in the books once: when posted, and not before         `journal`
    journal    a journal can be read to its end                                                 the reader
    job        an open job is not in the books, one that is over once, charged if it succeeded  `audit_jobs`
    hold       what jobs have in slices of a meter is the sum of what the open ones hold of it  `audit_jobs`

Charges are worked out in decimals, from texts, and so by none of the code that made them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation

import msgspec

from polyrelay.kernel import money
from polyrelay.ledger import transfer
from polyrelay.ledger.transfer import Kind

SHOWN = 100
"""Offences of one rule that are named; more are counted. Books that are wrong throughout have one cause, not many."""

SECONDS_SLACK = 1e-6
"""Relative: sums of seconds are the only floats, and depend on the order they were added up in."""


@dataclass(frozen=True, slots=True)
class Offence:
    """A row that breaks a rule; `detail` says what was expected and what is there."""

    rule: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Book:
    """Sums of one book, in nanos."""

    name: str
    debits: int
    credits: int


@dataclass(frozen=True, slots=True)
class Unposted:
    """What a journal of this machine has that the books do not have yet: ended exchanges, nanos, and open holds."""

    worker: str
    state: str
    exchanges: int
    amount: int
    in_flight: int


@dataclass(slots=True)
class Findings:
    """What an audit has looked at, and what it found."""

    checked: dict[str, int] = field(default_factory=dict)
    offences: list[Offence] = field(default_factory=list)
    hidden: dict[str, int] = field(default_factory=dict)
    books: list[Book] = field(default_factory=list)
    unposted: list[Unposted] = field(default_factory=list)
    kept_since: float = 0.0
    """Exchanges before this time (Unix seconds) were deleted by the retention setting and are proved by sums only."""
    _counted: dict[str, int] = field(default_factory=dict)

    def take(self, offences: Iterable[Offence]) -> None:
        """Keep them; of one rule at most `SHOWN`, and the number of the rest."""
        for offence in offences:
            number = self._counted[offence.rule] = self._counted.get(offence.rule, 0) + 1
            if number <= SHOWN:
                self.offences.append(offence)
            else:
                self.hidden[offence.rule] = number - SHOWN

    def count(self, what: str, number: int) -> None:
        """So many rows of a kind were looked at."""
        self.checked[what] = self.checked.get(what, 0) + number

    @property
    def clean(self) -> bool:
        """Whether everything holds."""
        return not self.offences


# ── transfers ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Flow:
    """All transfers of one kind between the same two books for one account: number, sum and smallest, in nanos."""

    kind: str
    debit: str
    credit: str
    account: str | None
    number: int
    total: int
    smallest: int


_WALLET = frozenset({"wallet"})
_PROMOTION = frozenset({"promotion"})
_MONEY = _WALLET | _PROMOTION
_BUDGET = frozenset({"budget"})

_Side = str | frozenset[str]
"""A book, or the kinds of pots that may stand there."""

_CHART: Mapping[str, tuple[tuple[_Side, _Side], ...]] = {
    Kind.TOPUP: ((transfer.CASH, _WALLET),),
    Kind.PROMOTION: ((transfer.PROMOTIONS, _PROMOTION),),
    Kind.ADJUSTMENT: ((transfer.ADJUSTMENTS, _WALLET), (_WALLET, transfer.ADJUSTMENTS)),
    Kind.REFUND: ((transfer.REFUNDS, _WALLET),),
    Kind.EXPIRY: ((_PROMOTION, transfer.EXPIRED),),
    Kind.CHARGE: ((_MONEY, transfer.REVENUE), (_BUDGET, transfer.BUDGETS)),
    Kind.WRITE_OFF: ((transfer.WRITE_OFF, transfer.REVENUE),),
}
"""Debit and credit of each kind, as the table in `ledger.transfer` has them."""


def transfers(flows: Iterable[Flow], pots: Mapping[str, tuple[str, str]]) -> Iterator[Offence]:
    """Transfers that no kind allows. `pots` has the account and kind of each pot by its id."""
    for flow in flows:
        subject = f"{flow.kind} {flow.debit} > {flow.credit}"
        if flow.smallest <= 0:
            yield Offence("chart", subject, f"moves {money.show(flow.smallest)}, which is not above 0")
        if not _in_chart(flow, pots):
            yield Offence("chart", subject, f"{flow.number} transfers between books that this kind does not join")
        for side in (flow.debit, flow.credit):
            pot = pots.get(side.removeprefix("pot:")) if side.startswith("pot:") else None
            if pot is not None and pot[0] != flow.account:
                yield Offence("chart", subject, f"the pot is of account {pot[0]}, the transfers of {flow.account}")


def books(flows: Iterable[Flow]) -> list[Book]:
    """The trial balance, by name; all pots are one line."""
    debits: dict[str, int] = {}
    credits_: dict[str, int] = {}
    for flow in flows:
        debit, credit = _line(flow.debit), _line(flow.credit)
        debits[debit] = debits.get(debit, 0) + flow.total
        credits_[credit] = credits_.get(credit, 0) + flow.total
    names = sorted({*debits, *credits_})
    return [Book(name, debits.get(name, 0), credits_.get(name, 0)) for name in names]


def _in_chart(flow: Flow, pots: Mapping[str, tuple[str, str]]) -> bool:
    if flow.kind == Kind.COST:
        book, _, channel = flow.debit.partition(":")
        return book == "cost" and flow.credit == f"payable:{channel}"

    def fits(side: _Side, book: str) -> bool:
        if isinstance(side, str):
            return book == side
        pot = pots.get(book.removeprefix("pot:")) if book.startswith("pot:") else None
        return pot is not None and pot[1] in side

    sides = _CHART.get(flow.kind, ())
    return any(fits(debit, flow.debit) and fits(credit, flow.credit) for debit, credit in sides)


def _line(book: str) -> str:
    return "pots" if book.startswith("pot:") else book


# ── pots and slices ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class PotSums:
    """A pot beside the sums of its transfers and slices, in nanos."""

    id: str
    kind: str
    granted: int
    overdraft: int
    spent: int
    escrowed: int
    ceiling: int
    credited: int
    debited: int
    sliced: int


def pot(found: PotSums) -> Iterator[Offence]:
    """What is wrong with a pot."""
    if found.kind != "budget" and found.granted != found.credited:
        yield _unequal("pot", found.id, "granted", found.granted, "its transfers come to", found.credited)
    if found.kind == "budget" and found.credited:
        yield Offence("pot", found.id, f"a budget was credited {money.show(found.credited)}")
    if found.spent != found.debited:
        yield _unequal("pot", found.id, "spent", found.spent, "its transfers come to", found.debited)
    if found.escrowed != found.sliced:
        yield _unequal("escrow", found.id, "escrowed", found.escrowed, "its slices come to", found.sliced)
    for name in ("granted", "overdraft", "spent", "escrowed", "ceiling"):
        if getattr(found, name) < 0:
            yield Offence("pot", found.id, f"{name} is {money.show(getattr(found, name))}")
    if found.spent + found.escrowed > found.ceiling:
        committed = money.show(found.spent + found.escrowed)
        yield Offence(
            "limit", found.id, f"{committed} is spent or escrowed, over its limit {money.show(found.ceiling)}"
        )
    if found.ceiling < found.granted + found.overdraft:
        yield _unequal("limit", found.id, "its limit is", found.ceiling, "less than", found.granted + found.overdraft)


def slice_of(worker: str, pot_id: str, amount: int, state: str | None) -> Iterator[Offence]:
    """A slice that nobody may hold. `state` is the worker's, None when there is no such worker."""
    subject = f"{worker} {pot_id}"
    if state in {None, "closed"}:
        yield Offence("escrow", subject, f"{money.show(amount)} is held by a worker that is {state or 'unknown'}")
    if amount < 0:
        yield Offence("escrow", subject, f"a slice of {money.show(amount)}")


# ── charges ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Line(msgspec.Struct, frozen=True, gc=False):
    """A line of a bill as the books keep it; `amount` is quantity x unit price x multiplier, exactly."""

    bucket: str
    quantity: int
    unit_price: str
    amount: str


@dataclass(frozen=True, slots=True)
class Bill:
    """What an exchange was charged and why. Nanos; `lines` is JSON."""

    id: str
    held: int
    amount: int | None
    write_off: int
    indeterminate: bool
    multiplier: str | None
    lines: str | None


_lines = msgspec.json.Decoder(list[Line]).decode
_EXACT = Context(prec=120, rounding=ROUND_HALF_EVEN, traps=[Inexact, InvalidOperation])
_NANO = Decimal(1).scaleb(-money.NANO_DIGITS)
_ROUND = Context(prec=120, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])


def charge(bill: Bill) -> Iterator[Offence]:
    """What is wrong with a charge. What has no lines had no price for what was used, and cost its hold."""
    if bill.amount is None:
        if bill.write_off or bill.lines is not None:
            yield Offence("charge", bill.id, "nothing is charged, but it has a bill")
        return
    due = bill.amount + bill.write_off
    if min(bill.amount, bill.write_off) < 0:
        yield Offence("charge", bill.id, f"charged {money.show(bill.amount)}, wrote off {money.show(bill.write_off)}")
    if bill.lines is None:
        if due != bill.held:
            yield _unequal("charge", bill.id, "has no lines and comes to", due, "its hold is", bill.held)
        return
    try:
        exact = _worked_out(bill)
    except (msgspec.MsgspecError, ArithmeticError, _Wrong) as error:
        yield Offence("charge", bill.id, f"its lines cannot be added up: {error}")
        return
    expected = int(exact.quantize(_NANO, context=_ROUND).scaleb(money.NANO_DIGITS, _EXACT))
    if bill.indeterminate:
        expected = min(expected, bill.held)
    if due != expected:
        yield _unequal("charge", bill.id, "charged and written off are", due, "its lines come to", expected)


class _Wrong(Exception):
    """A line is not what it says it is."""


def _worked_out(bill: Bill) -> Decimal:
    """The sum of the lines, unrounded. Raises `_Wrong`, and ArithmeticError for what is no decimal."""
    total = Decimal(0)
    multiplier = Decimal(bill.multiplier or "1")
    for line in _lines(bill.lines or "[]"):
        amount = _EXACT.multiply(_EXACT.multiply(Decimal(line.quantity), Decimal(line.unit_price)), multiplier)
        if amount != Decimal(line.amount):
            raise _Wrong(f"{line.bucket} is {line.amount}, but quantity x price x multiplier is {amount:f}")
        total = _EXACT.add(total, amount)
    return total


# ── sums that must agree ─────────────────────────────────────────────────────────────────────────────────────────


def batch(name: str | None, account: str | None, charged: int, written_off: int, cost: int) -> Iterator[Offence]:
    """A batch whose exchanges, less its transfers, are not 0."""
    subject = f"{name or 'outside any batch'} {account or ''}".strip()
    parts = {"charged": charged, "written off": written_off, "cost": cost}
    for word, difference in parts.items():
        if difference:
            yield Offence("batch", subject, f"{word}: exchanges less transfers are {money.show(difference)}, not 0")


def account(account_id: str, difference: int, written_off: int) -> Iterator[Offence]:
    """An account whose roll-ups, less the transfers that charged it, are not 0."""
    for word, nanos in (("charged", difference), ("written off", written_off)):
        if nanos:
            yield Offence("account", account_id, f"{word}: roll-ups less transfers are {money.show(nanos)}, not 0")


def rollup(
    subject: str, differences: Mapping[str, int], seconds: float, magnitude: float, parts: str = "exchanges"
) -> Iterator[Offence]:
    """A roll-up that, less its parts, is not 0. `magnitude` is the larger sum of seconds."""
    wrong = [f"{name} by {difference}" for name, difference in differences.items() if difference]
    if abs(seconds) > SECONDS_SLACK * max(1.0, magnitude):
        wrong.append(f"seconds by {seconds:.6f}")
    if wrong:
        yield Offence("rollup", subject, f"differs from its {parts}: {', '.join(wrong)}")


def refund(exchange: str, refunded: int, charged: int | None) -> Iterator[Offence]:
    """More given back than was charged; `charged` is None when there is no such exchange."""
    if refunded > (charged or 0):
        yield Offence("refund", exchange, f"{money.show(refunded)} given back of {money.show(charged or 0)}")


# ── journals ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class End:
    """A settle or void record: where it ends in the journal, when it was written (Unix seconds), nanos charged."""

    exchange: str
    segment: int
    offset: int
    at: float
    amount: int


@dataclass(frozen=True, slots=True)
class Transcribed:
    """A journal as an onlooker reads it: its ends, and the holds that have none."""

    worker: str
    ends: Sequence[End]
    open: Sequence[str]


@dataclass(frozen=True, slots=True)
class Stand:
    """How far the books have posted a journal; of a closed worker all of it."""

    state: str
    segment: int
    position: int

    def covers(self, end: End) -> bool:
        """Whether the books say that it is posted."""
        return self.state == "closed" or (end.segment, end.offset) <= (self.segment, self.position)


UNKNOWN = Stand("unknown", -1, 0)
"""A worker that enrolled after the books were looked at."""


def journal(
    found: Transcribed, stand: Stand, posted: Callable[[str], bool], kept_since: float = 0.0
) -> Iterator[Offence]:
    """Ends that are not in the books as often as they should be. `posted` tells whether an exchange is in them."""
    seen: set[str] = set()
    for end in found.ends:
        subject = f"{end.exchange} {found.worker}"
        if end.exchange in seen:
            yield Offence("settle", subject, f"ended twice in one journal, again at {end.segment}:{end.offset}")
        elif stand.covers(end) and end.at >= kept_since and not posted(end.exchange):
            yield Offence(
                "settle", subject, f"lost: posted up to {stand.segment}:{stand.position}, but not in the books"
            )
        elif not stand.covers(end) and posted(end.exchange):
            yield Offence("settle", subject, f"in the books before its journal is posted to {end.segment}:{end.offset}")
        seen.add(end.exchange)


def missing(worker: str, machine: str, escrowed: int) -> Offence:
    """A worker past its lease whose journal is not here: what it ended last cannot be proved."""
    held = money.show(escrowed)
    return Offence("journal", worker, f"not here, and {held} is set aside; it was written on {machine}")


def unposted(found: Transcribed, stand: Stand) -> Unposted:
    """What of a journal the books do not have yet."""
    late = {end.exchange: end.amount for end in found.ends if not stand.covers(end)}
    in_flight = 0 if stand.state == "closed" else len(found.open)
    return Unposted(found.worker, stand.state, len(late), sum(late.values()), in_flight)


def _unequal(rule: str, subject: str, what: str, nanos: int, other: str, expected: int) -> Offence:
    return Offence(rule, subject, f"{what} {money.show(nanos)}, {other} {money.show(expected)}")
