"""Usage added up: from hourly and daily sums, which are kept when the records themselves have gone."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from polyrelay.kernel import money
from polyrelay.service.administration import refusals, times
from polyrelay.service.administration.ports import By, Session, Span, Totals

HOUR_SECONDS = 3600
USUAL_HOURS = 24 * 30
_TIMES = frozenset({By.HOUR.value, By.DAY.value})
MOST_GROUPS = 10_000
"""Of one report; a finer one is an export."""


@dataclass(frozen=True, slots=True)
class Sum:
    """Usage of one group. Its `hour` and `day` are the instants they begin at. Money in decimal strings; `cost` is what
    upstreams take, `seconds` added up over requests.
    """

    group: dict[str, str]
    requests: int
    failures: int
    input_tokens: int
    output_tokens: int
    amount: str
    cost: str
    margin: str
    write_off: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """`from` to before `to`, in whole hours (UTC). `truncated` when there are more groups than a report has."""

    since: str
    until: str
    by: list[str]
    data: list[Sum]
    truncated: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to add up: Unix seconds (None: the last 30 days), groups, and what groups must equal, by name of `By`."""

    since: float | None = None
    until: float | None = None
    by: Sequence[By] = ()
    where: Mapping[str, str] = field(default_factory=dict)


async def report(session: Session, wanted: Wanted) -> Report:
    """The sums. Raises `Invalid`: the end is before the beginning."""
    until = await session.now() if wanted.until is None else wanted.until
    end = math.ceil(until / HOUR_SECONDS)
    first = end - USUAL_HOURS if wanted.since is None else int(wanted.since // HOUR_SECONDS)
    if first >= end:
        flaw = refusals.Flaw("must be before `until`", parameter="since")
        raise refusals.Invalid("The time is empty.", flaws=(flaw,))
    by = list(dict.fromkeys(wanted.by))
    sums = await session.totals(Span(first, end, wanted.where), by, MOST_GROUPS + 1)
    return Report(
        since=times.text(first * HOUR_SECONDS),
        until=times.text(end * HOUR_SECONDS),
        by=[each.value for each in by],
        data=[_shown(each) for each in sums[:MOST_GROUPS]],
        truncated=len(sums) > MOST_GROUPS,
    )


def _shown(sums: Totals) -> Sum:
    return Sum(
        group={name: _instant(value) if name in _TIMES else value for name, value in sums.group.items()},
        requests=sums.requests,
        failures=sums.failures,
        input_tokens=sums.input_tokens,
        output_tokens=sums.output_tokens,
        amount=money.show(sums.amount),
        cost=money.show(sums.cost),
        margin=money.show(sums.amount - sums.cost),
        write_off=money.show(sums.write_off),
        seconds=round(sums.seconds, 3),
    )


def _instant(hours: str) -> str:
    """Hours since the epoch, in RFC 3339."""
    return times.text(int(hours) * HOUR_SECONDS)
