"""From journal entries to rows of the books, for the worker's own journal and for one that was left behind."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import tzinfo
from functools import lru_cache
from typing import NamedTuple, TypeVar

import msgspec

from polyrelay.exchange import guess
from polyrelay.exchange.outcome import Outcome
from polyrelay.exchange.usage import Usage
from polyrelay.kernel.errors import PolyrelayError
from polyrelay.kernel.money import Nanos
from polyrelay.ledger import entries
from polyrelay.ledger.entries import Facts, Held, Payer, Pinned, Sent, Settled, Voided
from polyrelay.metering import rate, read, write
from polyrelay.metering.book import Unpriced
from polyrelay.metering.rate import BadUsage
from polyrelay.metering.sheet import Factor
from polyrelay.metering.tariff import Quote, Source, Tariff
from polyrelay.service.bank import Row

CRASHED = "relay_crashed"
"""`error` of an exchange whose worker died before it ended."""

TARIFFS_KEPT = 64
"""Pinned tariffs that are kept read: each job pins one anew, and most of them the same few."""

_STATUS_OK = 200
_STATUS_CRASHED = 500

_OUTCOMES = {outcome: outcome.value for outcome in Outcome}
_json = msgspec.json.Encoder().encode

Zones = Callable[[str], tzinfo]
"""Finds a time zone by its IANA name."""

_T = TypeVar("_T")


class _Bill(NamedTuple):
    """The last columns of a `Row`, in their order."""

    input_tokens: int = 0
    output_tokens: int = 0
    usage: str | None = None
    estimated: bool = False
    indeterminate: bool = False
    held: int = 0
    amount: int | None = None
    short: int = 0
    cost: int | None = None
    tariff: str | None = None
    tariff_version: str | None = None
    multiplier: str | None = None
    lines: str | None = None


_NO_BILL = _Bill()


class Transcript:
    """Reads entries in their order. `zones` finds time zones by their IANA name."""

    def __init__(self, zones: Zones) -> None:
        self._zones = zones
        self._payers: dict[int, Payer] = {}
        self._quotes: dict[int, Quote] = {}
        self._held: dict[str, Held] = {}
        self._sent: dict[str, str | None] = {}

    def row(self, entry: entries.Entry) -> Row | None:
        """The row that `entry` completes, if it completes one. Raises `BadJournal`."""
        match entry:
            case Held():
                self._held[entry.exchange] = entry
            case Settled() | Voided():
                self._held.pop(entry.exchange, None)
                self._sent.pop(entry.exchange, None)
                return self._ended(entry)
            case Sent():
                self._sent[entry.exchange] = entry.channel
            case Payer():
                self._payers[entry.number] = entry
            case Pinned():
                self._quotes[entry.number] = quote(entry, self._zones)
        return None

    def unresolved(self) -> Iterator[Row]:
        """Rows for the holds that have no end, as recovery books them: charged at the prompt's estimate when bytes had
        been sent to the client, else voided; flagged indeterminate either way. Raises `BadJournal`.
        """
        for held in self._held.values():
            facts = self._crashed(held)
            ended: Settled | Voided = Voided(held.exchange, held.at, held.payer, facts)
            if held.exchange in self._sent:
                ended = self._estimated(held, facts)
            yield msgspec.structs.replace(self._ended(ended), indeterminate=True, held=held.amount)

    # ── inside ──

    def _crashed(self, held: Held) -> Facts:
        sent = held.exchange in self._sent
        return Facts(
            surface=held.surface,
            model=held.model,
            channel=self._sent.get(held.exchange),
            provider=None,
            status=_STATUS_OK if sent else _STATUS_CRASHED,
            outcome=Outcome.TRUNCATED,
            attempts=1 if sent else 0,
            seconds=0.0,
            first_token=None,
            finish=None,
            error=CRASHED,
            label=None,
            billing_group=None,
            source=None,
        )

    def _estimated(self, held: Held, facts: Facts) -> Settled:
        """The prompt's estimate, at most the hold."""
        usage = Usage(input_text=guess.tokens(held.input_bytes), estimated=True)
        quote = self._stated(self._quotes, held.quote)
        due = min(self._amount(usage, quote, held.amount), held.amount)
        return Settled(held.exchange, held.at, held.payer, held.quote, held.amount, due, 0, usage, facts)

    def _ended(self, entry: Settled | Voided) -> Row:
        if isinstance(entry, Settled):
            return self._settled(entry)
        return _row(entry.exchange, entry.at, self._stated(self._payers, entry.payer), entry.facts)

    @staticmethod
    def _stated(stated: Mapping[int, _T], number: int) -> _T:
        """The payer or quote of that number."""
        try:
            return stated[number]
        except KeyError as error:
            raise BadJournal(f"a journal names payer or quote {number} without stating it") from error

    def _settled(self, entry: Settled) -> Row:
        quote, usage = self._stated(self._quotes, entry.quote), entry.usage
        lines, cost, estimated = _billed(usage, quote, entry.facts)
        bill = _Bill(
            usage.input_tokens,
            usage.output_tokens,
            _json(usage).decode(),
            estimated,
            False,
            entry.held,
            entry.amount,
            entry.short,
            cost,
            quote.tariff,
            quote.version,
            write.factor(quote.multiplier),
            lines,
        )
        return _row(entry.exchange, entry.at, self._stated(self._payers, entry.payer), entry.facts, bill)

    @staticmethod
    def _amount(usage: Usage, quote: Quote, fallback: int) -> int:
        try:
            return rate.amount(usage, quote)
        except (Unpriced, BadUsage):
            return fallback


def quote(pinned: Pinned, zones: Zones) -> Quote:
    """The prices that were pinned."""
    tariff = _tariff(pinned.tariff, zones)
    window = next((each for each in tariff.windows if each.name == pinned.window), None)
    prices = tariff.prices if pinned.window is None or window is None else window.prices
    return Quote(tariff.id, tariff.version, prices, tariff.maxima, Factor(pinned.multiplier), pinned.window)


@lru_cache(TARIFFS_KEPT)
def _tariff(document: bytes, zones: Zones) -> Tariff:
    return read.tariff(json.loads(document), source=Source.FILE, zones=zones)


class BadJournal(PolyrelayError):
    """A journal names what it never stated: it is not whole, and nobody may guess."""


def _billed(usage: Usage, quote: Quote, facts: Facts) -> tuple[str | None, Nanos | None, bool]:
    """The lines of the bill as JSON, what the upstream takes, and whether the bill is an estimate. None when something
    used has no price (it was charged its hold).
    """
    upstream = [name for name in (facts.channel, facts.provider) if name is not None]
    try:
        lines = rate.bill(usage, quote.prices.sell, quote.multiplier)
        return write.bill(lines), rate.cost(usage, quote, *upstream), rate.is_estimated(usage, lines)
    except (Unpriced, BadUsage):
        return None, None, usage.estimated


def _row(exchange: str, at: float, payer: Payer, facts: Facts, bill: _Bill = _NO_BILL) -> Row:
    return Row(
        exchange,
        at,
        payer.account,
        payer.project,
        payer.key,
        payer.group,
        payer.meters,
        facts.surface,
        facts.model,
        facts.channel,
        facts.status,
        _OUTCOMES[facts.outcome],
        facts.attempts,
        facts.seconds,
        facts.first_token,
        facts.finish,
        facts.error,
        facts.label,
        facts.billing_group,
        facts.source,
        *bill,
    )
