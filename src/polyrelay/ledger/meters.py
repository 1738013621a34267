"""Meters: what a charge counts against. Each exchange has one wallet and any number of budgets.

The period is part of a meter's identity (`key:key_1:month:2026-11`), so nothing is ever reset: a new month is another
meter, and a hold keeps the month it was made in.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta, tzinfo
from enum import Enum
from typing import Protocol

import msgspec

from polyrelay.kernel.money import Nanos

FOREVER = float("inf")


class Period(Enum):
    """How long a budget lasts."""

    DAY = "day"
    WEEK = "week"
    """From Monday."""
    MONTH = "month"
    TOTAL = "total"


class Budget(Protocol):
    """A limit on what an account, a project or a key spends in a period."""

    @property
    def owner(self) -> str:
        """Id of the account, project or key."""
        ...

    @property
    def scope(self) -> str:
        """`account`, `project` or `key`."""
        ...

    @property
    def period(self) -> str:
        """A value of `Period`."""
        ...

    @property
    def limit(self) -> int:
        """Nano-units."""
        ...


class Meter(msgspec.Struct, frozen=True, gc=False):
    """One meter. `scope` is `wallet`, `account`, `project` or `key`; `period` is empty for a wallet.

    `limit` is the budget's in nano-units as it stood when the meter was named (a wallet's limit is what is in it).
    """

    id: str
    account: str
    scope: str
    owner: str
    period: str = ""
    limit: Nanos = Nanos(0)

    def __str__(self) -> str:
        """As refusals call it."""
        if self.scope == "wallet":
            return "your account's balance"
        whose = {"account": "your account's", "project": "your project's", "key": "this API key's"}[self.scope]
        return f"{whose} {_ADJECTIVES[self.period]} budget"


_ADJECTIVES = {"day": "daily", "week": "weekly", "month": "monthly", "total": "total"}


def wallet(account: str) -> Meter:
    """The meter of an account's money."""
    return Meter(f"wallet:{account}", account, "wallet", account)


def of(account: str, budgets: Iterable[Budget], zone: tzinfo, instant: float) -> tuple[tuple[Meter, ...], float]:
    """Every meter of an exchange at `instant` (Unix seconds), the wallet first, and until when they are these."""
    found, until = [wallet(account)], FOREVER
    for budget in budgets:
        period = Period(budget.period)
        name, ends = period_at(period, zone, instant)
        until = min(until, ends)
        found.append(
            Meter(
                f"{budget.scope}:{budget.owner}:{name}",
                account,
                budget.scope,
                budget.owner,
                budget.period,
                Nanos(budget.limit),
            )
        )
    return tuple(found), until


def period_at(period: Period, zone: tzinfo, instant: float) -> tuple[str, float]:
    """The id of the period that covers `instant` on a wall clock in `zone`, and when it ends (Unix seconds).

    `day:2026-11-22`, `week:2026-W47` (ISO 8601), `month:2026-11`, `total`.
    """
    if period is Period.TOTAL:
        return "total", FOREVER
    midnight = datetime.fromtimestamp(instant, zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if period is Period.DAY:
        return f"day:{midnight:%Y-%m-%d}", _at(midnight + timedelta(days=1))
    if period is Period.WEEK:
        year, week, weekday = midnight.isocalendar()
        return f"week:{year}-W{week:02d}", _at(midnight + timedelta(days=8 - weekday))
    following = (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
    return f"month:{midnight:%Y-%m}", _at(following)


def _at(local: datetime) -> float:
    return local.timestamp()
