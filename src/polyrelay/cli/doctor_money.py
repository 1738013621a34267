"""What `polyrelay doctor` looks at of prices, limits and money."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from polyrelay.cli import journals as lost_journals
from polyrelay.cli.findings import Finding, some
from polyrelay.config import tariffs
from polyrelay.config.load import Configuration
from polyrelay.config.tariffs import Served
from polyrelay.kernel import money
from polyrelay.metering import read
from polyrelay.metering.book import TariffBook
from polyrelay.metering.sheet import BadTariff, Sheet
from polyrelay.metering.tariff import Source
from polyrelay.service.administration.ports import Kind, Query
from polyrelay.settings.root import Settings
from polyrelay.storage.administration import reading
from polyrelay.storage.administration.reading import Kept
from polyrelay.storage.administration.session import SqlSession
from polyrelay.storage.books import transfers
from polyrelay.storage.journaling import journals
from polyrelay.storage.journaling.journals import JournalFolder
from polyrelay.storage.reports import onlooker, workers
from polyrelay.storage.reports.workers import OpenWorker
from polyrelay.storage.sql.transaction import Tx

MOST_ACCOUNTS = 1000
"""Accounts whose balance is looked at, the oldest first: a tenth of a second."""

LIMITS = ("requests_per_minute", "requests_per_day", "tokens_per_minute", "concurrency")


EMPTY = Kept(0, (), {}, ())
"""What a database without tables keeps."""


@dataclass(frozen=True, slots=True)
class Stock:
    """What the database has to do with money. `groups` are the customer groups of accounts, `poor` names of those that
    have nothing to spend, `tight` what has a limit below the number of workers, `workers` those that are not
    closed.
    """

    kept: Kept = EMPTY
    groups: frozenset[str] = frozenset()
    poor: list[str] = field(default_factory=list)
    tight: list[str] = field(default_factory=list)
    workers: list[OpenWorker] = field(default_factory=list)


async def take(tx: Tx, processes: int) -> Stock:
    """Look at the database. Credentials stay sealed."""
    session = SqlSession(tx)
    accounts = await session.find(Kind.ACCOUNTS, Query({"disabled": 0}, limit=MOST_ACCOUNTS))
    balances = [(row["name"], await transfers.balance(tx, row["id"])) for row in accounts]
    tight: list[str] = []
    for kind in (Kind.ACCOUNTS, Kind.PROJECTS, Kind.KEYS) if processes > 1 else ():
        for limit in LIMITS:
            rows = await session.find(kind, Query(since={limit: 1}, until={limit: processes}, limit=MOST_ACCOUNTS))
            tight += [f"{limit} of {row['id']}" for row in rows if row.get("revoked_at") is None]
    return Stock(
        await reading.kept(tx, lambda sealed, _: sealed),
        frozenset(row["customer_group"] for row in accounts),
        [name for name, found in balances if found.available + found.escrowed <= 0],
        tight,
        await workers.not_closed(tx),
    )


def examine(found: Configuration, stock: Stock) -> Iterator[Finding]:
    """Prices of what is served, groups, limits and accounts."""
    try:
        book = _book(found, stock.kept)
    except BadTariff as error:
        yield Finding("prices", "problem", str(error), "Correct the tariff.")
        return
    yield from _prices(found.settings, book)
    yield from _groups(found.settings, stock.groups, book)
    yield from _limits(found.settings, stock.tight)
    if stock.poor:
        remedy = "polyrelay topup ACCOUNT 10"
        yield Finding("money", "warning", f"accounts with nothing to spend: {some(stock.poor)}", remedy)


def left_behind(data: Path, stock: Stock) -> Iterator[Finding]:
    """Journals that nobody writes any more, or that cannot be read, and workers whose journal is lost."""
    lost = lost_journals.lost(data, stock.workers)
    for worker, state in lost:
        name = worker.standing.worker
        detail = f"{state} here, and {money.show(worker.escrowed)} is set aside ({worker.standing.machine})"
        remedy = (
            f"Bring its files back ({worker.standing.journal}.*), or: polyrelay ledger give-up {name} --reason TEXT"
        )
        yield Finding(f"journal {name}", "problem", detail, remedy)
    if not (data / journals.FOLDER).exists():
        return
    told = {worker.standing.worker for worker, _ in lost}
    _, offences = onlooker.read(data)
    for offence in offences:
        if offence.subject not in told:
            remedy = "Keep the file: it has charges in it. See polyrelay ledger journals."
            yield Finding(f"journal {offence.subject}", "problem", offence.detail, remedy)
    damaged = told | {offence.subject for offence in offences}
    left = [worker for worker in _estates(data) if worker not in damaged]
    if left:
        remedy = "The next start of the relay brings them into the books. Do not delete them."
        yield Finding("journals", "warning", f"left behind by {some(left)}", remedy)


def _estates(data: Path) -> Iterator[str]:
    """Workers whose journal nobody holds."""
    for estate in JournalFolder(data, "off").estates():
        yield estate.worker
        estate.close()


def _book(found: Configuration, kept: Kept) -> TariffBook:
    """The tariffs of the database over those of the file over the shipped lists. Raises `BadTariff`."""
    served = [
        Served(model.name, channel.provider, model.upstream or model.name)
        for channel in found.settings.channels
        for model in channel.models
    ]
    added = [
        read.tariff(document, source=Source.API, zones=tariffs.zone, path=f"tariff {document.get('id')!r} (database)")
        for document in kept.tariffs
    ]
    groups = read.factors(kept.groups, "groups in the database")
    return TariffBook(
        (*added, *found.operator.tariffs, *tariffs.seeds(served)), {**groups, **(found.operator.groups or {})}
    )


def _prices(settings: Settings, book: TariffBook) -> Iterator[Finding]:
    now = time.time()
    models = sorted({model.name for channel in settings.channels for model in channel.models})
    if not models:
        return
    unpriced = book.unpriced(models, now)
    if unpriced:
        remedy = (
            'Requests for them are refused. Write [[tariffs]] with model = "..." and sell = { ... }, or free = true.'
        )
        yield Finding("prices", "problem", f"no price: {some(list(unpriced))}", remedy)
    else:
        yield Finding("prices", "ok", f"{len(models)} models priced")
    free = [model for model in models if _costs_nothing(book, model, now)]
    if free:
        yield Finding("free models", "ok", f"priced at zero: {some(free)}")


def _costs_nothing(book: TariffBook, model: str, now: float) -> bool:
    tariff = book.find(model, now)
    return tariff is not None and _is_zero(tariff.quote(now).prices.sell)


def _is_zero(sheet: Sheet) -> bool:
    rates = [rate for tier in sheet.tiers for rate in tier.rates.values()]
    units = [getattr(sheet, unit) for unit in read.UNIT_PRICES]
    return not any((*rates, *units, *(row.price for row in sheet.per_image)))


def _groups(settings: Settings, of_accounts: frozenset[str], book: TariffBook) -> Iterator[Finding]:
    remedy = 'Write its multiplier under [groups], such as NAME = "1".'
    missing = sorted(of_accounts - set(book.groups))
    if missing:
        detail = f"no multiplier, so their accounts are refused: {some(missing)}"
        yield Finding("customer groups", "problem", detail, remedy)
    named = {rule.group for rule in settings.limits if rule.group is not None}
    strange = sorted(named - set(book.groups))
    if strange:
        yield Finding(
            "customer groups", "warning", f"[[limits]] for a group that is not there: {some(strange)}", remedy
        )


def _limits(settings: Settings, tight: list[str]) -> Iterator[Finding]:
    workers = settings.server.workers
    rules = [(f"limits[{position}]", rule) for position, rule in enumerate(settings.limits)]
    written = [
        f"{name}.{limit}"
        for name, table in (("key_defaults", settings.key_defaults), *rules)
        for limit in LIMITS
        if 0 < getattr(table, limit) < workers
    ]
    if written or tight:
        detail = f"below the number of workers, so that some always refuse: {some(written + tight)}"
        yield Finding("limits", "warning", detail, f"Raise them, or serve with fewer than {workers} workers.")
