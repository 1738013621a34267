"""What a client may ask about its own money, with its own key: `GET /v1/usage`, exact, and OpenAI's old billing routes,
which many clients show a balance from.

    hard_limit_usd          what the key has been charged in all, and what it may still spend
    total_usage             what it was charged between `start_date` and `end_date` (or in all), in hundredths

So `hard_limit_usd - total_usage / 100` is what the key may still spend: the least of the account's balance and of every
budget above it. Both are the instance's currency, rounded for display. Figures trail the answers by the moments until
the books are posted.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import parse_qs

import msgspec

from polyrelay.access.principal import Principal
from polyrelay.kernel import errors, money
from polyrelay.ledger import meters, statement
from polyrelay.ledger.meters import Period
from polyrelay.service import admit
from polyrelay.service.answers import Headers
from polyrelay.service.bank import BankAway
from polyrelay.service.ports import HeaderList
from polyrelay.service.relay import Relay
from polyrelay.wire import openai_errors as wire_errors

Answered = tuple[int, Headers, bytes]
"""Status, headers and body of a whole answer."""

Zones = Callable[[str], tzinfo]
"""A time zone by its IANA name."""

READS_AT_ONCE = 4
"""Clients poll these routes; more wait, and leave the database to those who write."""

_DISPLAYED = 6
"""Digits of the old routes' amounts: a millionth is less than any client shows."""

_JSON = (b"content-type", b"application/json")
_encode = msgspec.json.Encoder(decimal_format="number").encode


class Span(msgspec.Struct, frozen=True):
    """Whole hours since the epoch, from `first` to before `end`."""

    first: int
    end: int


ALWAYS = Span(0, 2**31)


class ModelUse(msgspec.Struct, frozen=True):
    """What a key used of one model; `amount` is what it was charged, in nanos."""

    model: str
    requests: int
    input_tokens: int
    output_tokens: int
    amount: int


class Stand(msgspec.Struct, frozen=True):
    """A meter, in nanos."""

    spent: int
    escrowed: int


class Holdings(msgspec.Struct, frozen=True):
    """An account's wallet in nanos (see `storage.transfers.Balance`), meters that anything was taken from, by id, and
    what a key used in each of the spans asked for.
    """

    available: int
    escrowed: int
    own: int
    overdraft: int
    meters: Mapping[str, Stand]
    uses: Sequence[Sequence[ModelUse]]


class BillingReads(Protocol):
    """The books, as customers may see them."""

    async def holdings(self, account: str, key: str, meter_ids: Sequence[str], spans: Sequence[Span]) -> Holdings:
        """All of it at one moment. Raises `BankAway`."""
        ...


class Billing:
    """Implements the HTTP side's port `Billing` over the configuration in force."""

    def __init__(self, relay: Relay, reads: BillingReads, zones: Zones) -> None:
        self._relay = relay
        self._reads = reads
        self._zones = zones
        self._turns = asyncio.Semaphore(READS_AT_ONCE)
        self._routes = {
            "/v1/usage": self._usage,
            "/dashboard/billing/subscription": self._subscription,
            "/v1/dashboard/billing/subscription": self._subscription,
            "/dashboard/billing/usage": self._total,
            "/v1/dashboard/billing/usage": self._total,
        }

    def serves(self, path: str) -> bool:
        """Whether `path` is one of ours."""
        return path in self._routes

    async def answer(self, path: str, query: bytes, headers: HeaderList, peer: str) -> Answered:
        """The whole answer to a GET of one of our paths, or a refusal."""
        try:
            holder = admit.principal(dict(headers), peer, keys=self._relay.world.keys, now=self._now())
            document = await self._routes[path](holder, query)
        except errors.Refusal as refusal:
            return _refused(refusal)
        except BankAway:
            return _refused(_unreadable())
        return 200, [_JSON], _encode(document)

    async def allowance(self, holder: Principal) -> tuple[int, int]:
        """What the key may still spend, and what it was charged this month, in nanos. Raises `errors.BooksAway`."""
        zone, now = self._zones(holder.zone), self._now()
        names = _meter_names(holder, zone, now)
        try:
            found = await self._holdings(holder, names, [_span_of(Period.MONTH, zone, now)])
        except BankAway as error:
            raise _unreadable() from error
        return remaining(holder, found, names), _charged(found.uses[0])

    async def _usage(self, holder: Principal, _query: bytes) -> Mapping[str, Any]:
        now, zone = self._now(), self._zones(holder.zone)
        names = _meter_names(holder, zone, now)
        spans = [_span_of(period, zone, now) for period in (Period.DAY, Period.MONTH)]
        found = await self._holdings(holder, names, spans)
        return usage_document(holder, found, [_ends(budget.period, zone, now) for budget in holder.budgets], names)

    async def _subscription(self, holder: Principal, _query: bytes) -> Mapping[str, Any]:
        names = _meter_names(holder, self._zones(holder.zone), self._now())
        found = await self._holdings(holder, names, [ALWAYS])
        return subscription_document(holder, found, names)

    async def _total(self, holder: Principal, query: bytes) -> Mapping[str, Any]:
        span = dates(query, self._zones(holder.zone))
        found = await self._holdings(holder, [], [span])
        return {"object": "list", "total_usage": _displayed(_charged(found.uses[0]) * 100)}

    async def _holdings(self, holder: Principal, names: Sequence[str], spans: Sequence[Span]) -> Holdings:
        async with self._turns:
            return await self._reads.holdings(holder.account_id, holder.key_id, names, spans)

    def _now(self) -> float:
        return self._relay.world.clock.wall()


# ── documents ────────────────────────────────────────────────────────────────────────────────────────────────────


def usage_document(
    holder: Principal, found: Holdings, ends: Sequence[float], names: Sequence[str]
) -> Mapping[str, Any]:
    """`GET /v1/usage`: money in decimal strings, times in RFC 3339. `names` and `ends` go with the holder's budgets."""
    today, month = found.uses
    return {
        "object": "usage",
        "key": holder.key_id,
        "account": holder.account_id,
        "project": holder.project_id,
        "balance": {
            "available": money.show(found.available),
            "held": money.show(found.escrowed),
            "own": money.show(found.own),
            "overdraft": money.show(found.overdraft),
        },
        "remaining": money.show(remaining(holder, found, names)),
        "budgets": [
            _budget(budget.scope, budget.period, budget.limit, name, end, found.meters.get(name, _UNTOUCHED))
            for budget, name, end in zip(holder.budgets, names, ends, strict=True)
        ],
        "zone": holder.zone,
        "today": _sums(today),
        "this_month": {**_sums(month), "models": [{"model": each.model, **_sums([each])} for each in month]},
    }


def subscription_document(holder: Principal, found: Holdings, names: Sequence[str]) -> Mapping[str, Any]:
    """OpenAI's old `GET /dashboard/billing/subscription`. `access_until` is Unix seconds, 0 for never."""
    limit = _displayed(remaining(holder, found, names) + _charged(found.uses[0]))
    return {
        "object": "billing_subscription",
        "has_payment_method": True,
        "soft_limit_usd": limit,
        "hard_limit_usd": limit,
        "system_hard_limit_usd": limit,
        "access_until": 0 if holder.expires_at is None else int(holder.expires_at),
    }


def remaining(holder: Principal, found: Holdings, names: Sequence[str]) -> int:
    """Nanos that the key may still spend now: the least that any of its meters has."""
    budgets = [
        max(0, _left(budget.limit, found.meters.get(name, _UNTOUCHED)))
        for budget, name in zip(holder.budgets, names, strict=True)
    ]
    return min([found.available, *budgets])


def dates(query: bytes, zone: tzinfo) -> Span:
    """`start_date` to before `end_date` (`2026-11-22`, days of `zone`). Raises `errors.InvalidRequest`."""
    given = parse_qs(query.decode("latin-1"))
    start, end = (_date(given, name) for name in ("start_date", "end_date"))
    first = 0 if start is None else statement.first_hour(_midnight(start, zone))
    last = ALWAYS.end if end is None else statement.first_hour(_midnight(end, zone))
    if last <= first:
        raise errors.InvalidRequest("end_date must be after start_date.", param="end_date")
    return Span(first, last)


_UNTOUCHED = Stand(0, 0)


def _date(given: Mapping[str, list[str]], name: str) -> date | None:
    if name not in given:
        return None
    try:
        # A day and a year from both ends of the calendar, so that no zone leads out of it.
        found = date.fromisoformat(given[name][-1][:10])
        return min(max(found, date(1970, 1, 2)), date(9998, 1, 1))
    except ValueError as error:
        raise errors.InvalidRequest(f"{name} must be a day such as 2026-11-22.", param=name) from error


def _midnight(day: date, zone: tzinfo) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()


def _meter_names(holder: Principal, zone: tzinfo, now: float) -> list[str]:
    """Meters of the holder's budgets, in their order."""
    found, _ = meters.of(holder.account_id, holder.budgets, zone, now)
    return [meter.id for meter in found[1:]]


def _span_of(period: Period, zone: tzinfo, now: float) -> Span:
    local = datetime.fromtimestamp(now, zone)
    start = _midnight(local.date() if period is Period.DAY else local.date().replace(day=1), zone)
    return Span(statement.first_hour(start), int(now // statement.HOUR_SECONDS) + 1)


def _ends(period: str, zone: tzinfo, now: float) -> float:
    return meters.period_at(Period(period), zone, now)[1]


def _budget(scope: str, period: str, limit: int, name: str, end: float, stand: Stand) -> Mapping[str, Any]:
    return {
        "scope": scope,
        "period": period,
        "meter": name,
        "limit": money.show(limit),
        "spent": money.show(stand.spent),
        "held": money.show(stand.escrowed),
        "remaining": money.show(max(0, _left(limit, stand))),
        "ends_at": None if end == meters.FOREVER else _instant(end),
    }


def _left(limit: int, stand: Stand) -> int:
    return limit - stand.spent - stand.escrowed


def _sums(uses: Sequence[ModelUse]) -> Mapping[str, Any]:
    return {
        "requests": sum(use.requests for use in uses),
        "input_tokens": sum(use.input_tokens for use in uses),
        "output_tokens": sum(use.output_tokens for use in uses),
        "amount": money.show(_charged(uses)),
    }


def _charged(uses: Sequence[ModelUse]) -> int:
    return sum(use.amount for use in uses)


def _displayed(nanos: int) -> Decimal:
    """Rounded half to even; written as a JSON number without ever being a float."""
    step = 10 ** (money.NANO_DIGITS - _DISPLAYED)
    return Decimal(money.half_even(nanos, step)).scaleb(-_DISPLAYED)


def _instant(seconds: float) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def _unreadable() -> errors.Refusal:
    return errors.BooksAway("The books cannot be read just now; retry later.")


def _refused(refusal: errors.Refusal) -> Answered:
    status, headers, body = wire_errors.render(refusal)
    return status, list(headers), body
