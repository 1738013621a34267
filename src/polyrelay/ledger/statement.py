"""What a customer is shown: the account's statement of a month, and its deductions. Pure; amounts are nano-units.

A statement counts a charge on the day it was used, from hourly sums: an hour belongs to the day in which it begins, in
the account's zone. Every other movement counts when it was booked. So months join: one closes where the next opens.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Literal

HOUR_SECONDS = 3600

By = Literal["day", "model"]
"""What the charges of a month are added up by."""


@dataclass(frozen=True, slots=True)
class Move:
    """A top-up, promotion, adjustment, refund or expiry; `amount` is what it added, negative for what it took.

    `at` is Unix seconds; `text` the reason, or the exchange that was refunded.
    """

    at: float
    kind: str
    amount: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Use:
    """Usage of one model in one hour (since the epoch), and what it was charged."""

    hour: int
    model: str
    requests: int
    input_tokens: int
    output_tokens: int
    amount: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a statement. `day` is `2026-11-22` in the account's zone, empty for sums over the month; `at` is Unix
    seconds, None for sums; `balance` is what the account has after it.
    """

    day: str
    at: float | None
    kind: str
    text: str
    amount: int
    balance: int
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Statement:
    """A month of an account: `opening` + the amounts of the lines = `closing`. `totals` are sums by kind."""

    month: str
    start: float
    end: float
    opening: int
    closing: int
    lines: Sequence[Line]
    totals: dict[str, int]


@dataclass(slots=True)
class _Charges:
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    amount: int = 0

    def add(self, use: Use) -> None:
        self.requests += use.requests
        self.input_tokens += use.input_tokens
        self.output_tokens += use.output_tokens
        self.amount += use.amount


def month(text: str, zone: tzinfo) -> tuple[float, float]:
    """Start and end, Unix seconds, of a month such as `2026-11` in `zone`. Raises ValueError."""
    first = datetime.strptime(text, "%Y-%m").replace(tzinfo=zone)
    following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return first.timestamp(), following.timestamp()


def first_hour(instant: float) -> int:
    """The first hour, since the epoch, that begins at `instant` (Unix seconds) or later."""
    return -int(-instant // HOUR_SECONDS)


def make(text: str, zone: tzinfo, opening: int, moves: Iterable[Move], uses: Iterable[Use], by: By) -> Statement:
    """The statement of the month `text` (`2026-11`). `moves` and `uses` are all of that month, in any order."""
    start, end = month(text, zone)
    charges = _charges(uses, zone, by)
    drafts = [(day, 1, 0.0, _charge(day, label, sums)) for (day, label), sums in charges.items()]
    for move in moves:
        day = _day(move.at, zone)
        drafts.append((day, 0, move.at, Line(day, move.at, move.kind, move.text, move.amount, 0)))
    # Sums over the month have no day and come last; charges of a day come after what was booked on it.
    drafts.sort(key=lambda draft: (not draft[0], *draft[:3], draft[3].text))
    lines, totals, balance = list[Line](), dict[str, int](), opening
    for *_, line in drafts:
        balance += line.amount
        totals[line.kind] = totals.get(line.kind, 0) + line.amount
        lines.append(_balanced(line, balance))
    return Statement(text, start, end, opening, balance, lines, totals)


def _charges(uses: Iterable[Use], zone: tzinfo, by: By) -> dict[tuple[str, str], _Charges]:
    """Sums by day and label: of one of them, the other stays empty."""
    found: dict[tuple[str, str], _Charges] = {}
    for use in uses:
        key = (_day(use.hour * HOUR_SECONDS, zone), "") if by == "day" else ("", use.model)
        found.setdefault(key, _Charges()).add(use)
    return found


def _charge(day: str, label: str, sums: _Charges) -> Line:
    return Line(day, None, "charge", label, -sums.amount, 0, sums.requests, sums.input_tokens, sums.output_tokens)


def _balanced(line: Line, balance: int) -> Line:
    usage = (line.requests, line.input_tokens, line.output_tokens)
    return Line(line.day, line.at, line.kind, line.text, line.amount, balance, *usage)


def _day(instant: float, zone: tzinfo) -> str:
    return datetime.fromtimestamp(instant, zone).date().isoformat()


# ── deductions ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Charged:
    """An exchange that was charged, in nanos. `billing_group` and `source` are what the client calls it by."""

    id: str
    at: float
    model: str
    amount: int
    input_tokens: int
    output_tokens: int
    billing_group: str | None = None
    source: str | None = None

    def joins(self, other: "Charged") -> bool:
        """Whether both are shown as one; without a group, none is (`spec/WIRE.md` section 1.3)."""
        same = (self.billing_group, self.source) == (other.billing_group, other.source)
        return bool(self.billing_group) and same


@dataclass(frozen=True, slots=True)
class Deduction:
    """Consecutive charges of one group, as one entry: sums, the ids and times of the first and the last of them."""

    first: str
    last: str
    since: float
    until: float
    billing_group: str | None
    source: str | None
    models: tuple[str, ...]
    calls: int
    amount: int
    input_tokens: int
    output_tokens: int


@dataclass(slots=True)
class Merging:
    """Takes an account's charges, the newest first, and gives an entry whenever one is complete."""

    _run: list[Charged] = field(default_factory=list)

    def take(self, charged: Charged) -> Deduction | None:
        """The entry that ended before this charge, if one did."""
        if self._run and charged.joins(self._run[-1]):
            self._run.append(charged)
            return None
        done = self.end()
        self._run = [charged]
        return done

    def end(self) -> Deduction | None:
        """The entry that is under way: there are no more charges."""
        run, self._run = self._run, []
        if not run:
            return None
        return Deduction(
            first=run[-1].id,
            last=run[0].id,
            since=run[-1].at,
            until=run[0].at,
            billing_group=run[0].billing_group,
            source=run[0].source,
            models=tuple(sorted({each.model for each in run})),
            calls=len(run),
            amount=sum(each.amount for each in run),
            input_tokens=sum(each.input_tokens for each in run),
            output_tokens=sum(each.output_tokens for each in run),
        )


def deductions(newest_first: Iterable[Charged]) -> Iterator[Deduction]:
    """All entries, the newest first."""
    merging = Merging()
    for charged in newest_first:
        if (done := merging.take(charged)) is not None:
            yield done
    if (rest := merging.end()) is not None:
        yield rest
