"""How long lists and reports take on a million usage records: `python bench/records.py [--rows N] [--data FOLDER]`.

Fills a database as settlers would have over thirty days (sound books: the audit is run over them), then times each list
and report through the functions that the command line and the control plane use, and prints a table. A folder that is
filled already is measured again. The goal is 100 ms each; the audit reads every record and has no such goal.
"""

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from polyrelay.kernel import ids
from polyrelay.ledger import statement as grouping
from polyrelay.ledger.posting import Settled, Sums, daily, rollups
from polyrelay.service.administration import accounts, charges, payments, usage
from polyrelay.service.administration.charges import Filter
from polyrelay.service.administration.pages import Page
from polyrelay.service.administration.ports import By, Session
from polyrelay.service.administration.usage import Wanted
from polyrelay.service.bank import Row
from polyrelay.service.billing import ALWAYS, Span
from polyrelay.storage.administration.office import SqlOffice
from polyrelay.storage.books.bank_post import COLUMNS
from polyrelay.storage.reports import audit, retention, statements
from polyrelay.storage.reports.holdings import SqlBillingReads
from polyrelay.storage.sql.database import Database, Tx, opened

ROWS = 1_000_000
DAYS = 30
START = 1_792_800_000.0
"""A month that is over; 2026-10-24."""
ACCOUNTS, KEYS = 200, 600
MODELS = [f"model-{number}" for number in range(10)]
CHANNELS = ("main", "spare", "resold")
RARE, RARE_EVERY = "model-rare", 200_000
FAILURES = 0.02
GROUPING_KEYS = 3
BATCH = 64
GOAL_MS = 100.0
ROUNDS = 7
PRICE = "0.000000150"
LEAD = 86_400.0
ZONE = ZoneInfo("Asia/Shanghai")

_ACCOUNT = "INSERT INTO accounts (id, name, zone, created_at) VALUES ($1, $2, 'Asia/Shanghai', $3)"
_POT = """
INSERT INTO pots (id, meter, account_id, kind, granted, overdraft, spent, escrowed, ceiling, created_at)
VALUES ($1, $1, $2, 'wallet', $3, 0, $4, 0, $3, $5)
"""
_TRANSFER = """
INSERT INTO transfers (id, at, kind, debit, credit, amount, account_id, batch, actor)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'bench')
"""
_PLACES = ", ".join(f"${number}" for number in range(1, 15))
_ROLLUP, _DAY = f"INSERT INTO rollups VALUES ({_PLACES})", f"INSERT INTO days VALUES ({_PLACES})"
_EXCHANGE = f"""
INSERT INTO exchanges ({", ".join(COLUMNS)}) VALUES ({", ".join(f"${n}" for n in range(1, len(COLUMNS) + 1))})
"""


@dataclass
class Filler:
    """Makes exchanges in the order of time, and adds up what posting them would have."""

    rows: int
    dice: random.Random = field(default_factory=lambda: random.Random(1))
    spent: dict[str, int] = field(default_factory=dict)
    transfers: list[tuple[Any, ...]] = field(default_factory=list)
    sums: dict[Any, Sums] = field(default_factory=dict)
    moved: int = 0

    def exchanges(self) -> Iterator[Row]:
        """Few keys make most of the calls, as everywhere: the weight of the n-th is 1/n. Each uses two models, one of
        them for 9 calls in 10, and 19 calls in 20 go by the first channel of their model.
        """
        keys = self.dice.choices(range(KEYS), [1 / (number + 1) for number in range(KEYS)], k=self.rows)
        for number, key in enumerate(keys):
            at = START + number * DAYS * 86_400 / self.rows
            tokens = self.dice.randrange(50, 5_000)
            failed = self.dice.random() < FAILURES
            yield Row(
                id=ids.exchange_id(int(at * 1000), number.to_bytes(8, "big")),
                at=at,
                account_id=f"acc_{key % ACCOUNTS:04}",
                project_id=None,
                key_id=f"key_{key:04}",
                customer_group="default",
                meters=(),
                surface="openai_chat",
                model=RARE if number % RARE_EVERY == RARE_EVERY // 2 else self._model(key),
                channel=None if failed else self._channel(key),
                status=502 if failed else 200,
                outcome="upstream_error" if failed else "complete",
                attempts=1,
                seconds=1.25,
                billing_group=f"group-{number // 40}" if key < GROUPING_KEYS else None,
                source="chat" if key < GROUPING_KEYS else None,
                input_tokens=0 if failed else tokens,
                held=0 if failed else tokens * 150,
                amount=None if failed else tokens * 150,
                cost=None if failed else tokens * 100,
                usage=None if failed else json.dumps({"input_text": tokens}),
                tariff="model",
                tariff_version="1",
                multiplier=None if failed else "1",
                lines=None if failed else _lines(tokens),
            )

    def _model(self, key: int) -> str:
        return MODELS[(key + (self.dice.random() < 0.1)) % len(MODELS)]  # noqa: PLR2004 - see `exchanges`

    def _channel(self, key: int) -> str:
        return CHANNELS[(key + (self.dice.random() < 0.05)) % len(CHANNELS)]  # noqa: PLR2004 - see `exchanges`

    def posted(self, batch: int, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
        """The values of a batch's exchanges; its transfers and sums are kept for later."""
        settled = [Settled(row, row.amount, 0) for row in rows]
        for key, sums in rollups(settled).items():
            self.sums.setdefault(key, Sums()).add(sums)
        name, at = f"bench:0:{batch}", rows[-1].at
        totals: dict[str, int] = {}
        for row in rows:
            totals[row.account_id] = totals.get(row.account_id, 0) + (row.amount or 0)
        for account, total in totals.items():
            if total:
                self.spent[account] = self.spent.get(account, 0) + total
                self._move(at, "charge", f"pot:wallet:{account}", "revenue", total, account, name)
        cost = sum(row.cost or 0 for row in rows)
        self._move(at, "cost", "cost:main", "payable:main", cost, None, name)
        return [_values(row, name) for row in rows]

    def topups(self) -> list[tuple[Any, ...]]:
        """Wallets with as much again as was spent."""
        for account, spent in self.spent.items():
            self._move(START - LEAD, "topup", "cash", f"pot:wallet:{account}", 2 * spent, account, None)
        return [(f"wallet:{name}", name, 2 * spent, spent, START - LEAD) for name, spent in self.spent.items()]

    def _move(self, at: float, *content: Any) -> None:
        self.moved += 1
        self.transfers.append((ids.stamped("tr_", int(at * 1000), self.moved.to_bytes(8, "big")), at, *content))


def _lines(tokens: int) -> str:
    amount = f"{tokens * 150 / 10**9:.9f}"
    line = {
        "bucket": "input_text",
        "quantity": tokens,
        "unit_price": PRICE,
        "priced_as": "input_text",
        "amount": amount,
    }
    return json.dumps([line])


def _values(row: Row, batch: str) -> tuple[Any, ...]:
    special = {"estimated": 0, "indeterminate": 0, "write_off": 0, "batch": batch}
    return tuple(special[name] if name in special else getattr(row, name) for name in COLUMNS)


async def fill(database: Database, rows: int) -> None:
    """Make the books in one transaction."""
    filler = Filler(rows)

    async def work(tx: Tx) -> None:
        await tx.many(_ACCOUNT, [(f"acc_{n:04}", f"customer {n}", START) for n in range(ACCOUNTS)])
        made, batch = filler.exchanges(), 0
        while part := list(islice(made, BATCH)):
            await tx.many(_EXCHANGE, filler.posted(batch, part))
            batch += 1
        await tx.many(_POT, filler.topups())
        await tx.many(_TRANSFER, filler.transfers)
        names = ("requests", "failures", "input_tokens", "output_tokens", "amount", "cost", "write_off", "seconds")
        for sql, sums in ((_ROLLUP, filler.sums), (_DAY, daily(filler.sums))):
            await tx.many(sql, [(*key, *[getattr(each, name) for name in names]) for key, each in sums.items()])

    await database.write(work)


Work = Callable[[], Awaitable[Any]]


def reports(database: Database, newest: str) -> Iterator[tuple[str, Work]]:
    """Each list and report, by what it shows."""
    office, reads = SqlOffice(database), SqlBillingReads(database)
    busiest, quiet = "acc_0000", "acc_0150"
    end = START + DAYS * 86_400
    middle = ids.exchange_id(int((START + 15 * 86_400) * 1000), bytes(8))

    def ask(work: Callable[[Session], Coroutine[Any, Any, Any]]) -> Work:
        return lambda: office.read(work)

    def view(work: Callable[[Tx], Coroutine[Any, Any, Any]]) -> Work:
        return lambda: database.read(work)

    def listed(wanted: Filter, page: Page | None = None) -> Work:
        return ask(lambda session: charges.listed(session, page or Page(50), wanted))

    def added_up(*by: By, since: float = START, until: float = end, **where: str) -> Work:
        return ask(lambda session: usage.report(session, Wanted(since, until, by, where)))

    def monthly(by: grouping.By) -> Work:
        return view(lambda tx: statements.of_month(tx, busiest, "2026-11", ZONE, by))

    yield "charges, newest page", listed(Filter())
    yield "charges, a page in the middle, 500 rows", listed(Filter(), Page(500, middle))
    yield "charges of the busiest account", listed(Filter(account=busiest))
    yield "charges of a quiet account", listed(Filter(account=quiet))
    yield "charges of a quiet key", listed(Filter(key="key_0551"))
    yield "charges of a common model", listed(Filter(model=MODELS[0]))
    yield "charges of a day", listed(Filter(since=START + 86_400, until=START + 2 * 86_400))
    yield "charges of a model with 5 rows", listed(Filter(model=RARE))
    yield "charges, busiest account, that model", listed(Filter(account=busiest, model=RARE))
    yield "a charge explained", ask(lambda session: charges.one(session, newest))
    yield "transfers, newest page", ask(lambda session: payments.listed(session, Page(50), None, None, None))
    yield (
        "transfers of the busiest account",
        ask(lambda session: payments.listed(session, Page(50), busiest, None, None)),
    )
    yield (
        "top-ups of the busiest account",
        ask(lambda session: payments.listed(session, Page(50), busiest, "topup", None)),
    )
    yield "top-ups of all", ask(lambda session: payments.listed(session, Page(50), None, "topup", None))
    yield "accounts", ask(lambda session: accounts.listed(session, Page(50), None, None))
    yield "usage of 30 days by day", added_up(By.DAY)
    yield "usage of 30 days by model", added_up(By.MODEL)
    yield "usage of 30 days by account", added_up(By.ACCOUNT)
    yield "usage of 30 days by key and model", added_up(By.KEY, By.MODEL)
    yield "usage of 29 days and 22 hours by model", added_up(By.MODEL, since=START + 3_600, until=end - 3_600)
    yield "usage of a day by hour", added_up(By.HOUR, since=end - 86_400)
    yield "usage of 30 days by day, busiest account", added_up(By.DAY, account=busiest)
    yield "statement of the busiest account by day", monthly("day")
    yield "statement of the busiest account by model", monthly("model")
    yield "deductions of the busiest account", view(lambda tx: statements.deductions(tx, busiest, 50))
    yield "deductions of a quiet account", view(lambda tx: statements.deductions(tx, quiet, 50))
    month = Span(int(START // 3600), int(end // 3600))
    yield "GET /v1/usage, busiest key", lambda: reads.holdings(busiest, "key_0000", ["m"], [month, month])
    yield "billing/subscription, busiest key", lambda: reads.holdings(busiest, "key_0000", ["m"], [ALWAYS])


async def timed(work: Work, rounds: int = ROUNDS) -> tuple[float, float, float]:
    """Median, slowest, and the median of processor time, which others on the machine hardly change; in milliseconds."""
    found, busy = [], []
    for _ in range(rounds):
        started, used = time.perf_counter(), time.process_time()
        await work()
        found.append((time.perf_counter() - started) * 1000)
        busy.append((time.process_time() - used) * 1000)
    return statistics.median(found), max(found), statistics.median(busy)


async def measure(data: Path, rows: int) -> bool:
    """Fill, time, print; whether every goal was reached."""
    async with opened("", data) as database:
        had = (await database.read(lambda tx: tx.fetch("SELECT count(*) AS number FROM exchanges")))[0]["number"]
        if not had:
            started = time.perf_counter()
            await fill(database, rows)
            print(f"filled with {rows} exchanges in {time.perf_counter() - started:.0f} s")
        counts = {
            table: (await database.read(lambda tx, table=table: tx.fetch(f"SELECT count(*) AS n FROM {table}")))[0]["n"]  # type: ignore[misc]
            for table in ("exchanges", "transfers", "rollups", "days")
        }
        print(", ".join(f"{number} {table}" for table, number in counts.items()))
        reached = True
        print(f"\n| list or report | median ms | slowest ms | CPU ms | {GOAL_MS:.0f} ms |\n|---|--:|--:|--:|---|")
        newest = (await database.read(lambda tx: tx.fetch("SELECT max(id) AS id FROM exchanges")))[0]["id"]
        for name, work in reports(database, newest):
            median, slowest, busy = await timed(work)
            reached &= median <= GOAL_MS
            verdict = "reached" if median <= GOAL_MS else "**missed**"
            print(f"| {name} | {median:.1f} | {slowest:.1f} | {busy:.1f} | {verdict} |")
        started = time.perf_counter()
        found = await database.read(lambda tx: audit.prove(tx, lambda: ((), ())))
        print(f"\nthe audit of all of it takes {time.perf_counter() - started:.1f} s; clean: {found.clean}")
        for offence in found.offences[:5]:
            print(offence)
        pruned = await timed(lambda: database.write(lambda tx: retention.prune(tx, START + 86_400)))
        print(f"deleting {retention.ROWS} old exchanges takes {pruned[0]:.1f} ms (slowest {pruned[1]:.1f})")
    return reached


def main() -> int:
    """0 when every goal was reached."""
    parser = argparse.ArgumentParser(description="Time lists and reports on many usage records.")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--data", type=Path, help="keep the database here")
    options = parser.parse_args()
    if options.data is not None:
        return 0 if asyncio.run(measure(options.data, options.rows)) else 1
    with tempfile.TemporaryDirectory() as folder:
        return 0 if asyncio.run(measure(Path(folder), options.rows)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
