"""What the money path costs: `python bench/ledger.py [--quick] [--only request,posting,memory] [--out FILE]`.

Runs treasury, journal, settler and bank as one worker of `serve` does (real files, SQLite, a real PostgreSQL), without
sockets. Prints tables and writes them to bench/LEDGER.md; a quick run of some seconds writes nothing.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from machine import Machine, resident_mb
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from worker import MODELS, NAMES, USAGE, CountingDatabase, Told, Worker, nothing, payers, record, working

from polyrelay.access.principal import Principal
from polyrelay.background.settler import BATCH_ROWS
from polyrelay.ledger import entries
from polyrelay.metering import estimate, rate
from polyrelay.service import facts
from polyrelay.storage.sql.database import Database, open_postgres, open_sqlite

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))

from support import postgres  # noqa: E402 - the server the tests start, from a folder that is no package

OUT = ROOT / "bench" / "LEDGER.md"
GOAL_MICROS = 12.0
IN_FLIGHT = 100
"""Exchanges reserved before any of them is settled, as at that concurrency; and how many a sample is over."""
DURABLE = ("fsync=on", "synchronous_commit=on", "full_page_writes=on", "shared_buffers=128MB", "max_connections=60")
"""What the tests' server is started with instead of their settings, as many."""
SPARING = 4
"""The exchange measured here costs a fifth of its hold; so many of them fit into one hold, to be safe."""
FLAT_MB = 4.0
"""Growth after the first tenth that still counts as flat: the allocator's own drift."""

REQUESTS_NOTE = (
    "## Reserve and settle\n\nMicroseconds of CPU per exchange: the least of all samples (a quiet core) and "
    f"their median. A sample is {IN_FLIGHT} exchanges, all reserved before the first is settled.\n"
)
POSTING_NOTE = (
    "## Posting\n\nFrom the journal into the database, 256 exchanges a transaction, one settler. CPU is this "
    "process's (reading the journal, making rows, the driver; with SQLite the database itself too), in "
    "microseconds per exchange. Both databases sync every commit to the disk.\n"
)
MEMORY_NOTE = (
    "## Memory\n\nOf one process that reserves, settles and posts to SQLite, 50 payers with a wallet and three "
    "budgets each, four models.\n"
)


# ── measuring ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Samples:
    """Microseconds of CPU per exchange, sample by sample: the least is what a quiet core takes."""

    micros: list[float] = field(default_factory=list)

    def add(self, seconds: float, number: int) -> None:
        """A sample of `number` exchanges."""
        self.micros.append(seconds / number * 1e6)

    def cells(self) -> tuple[str, str]:
        """Least and median."""
        return f"{min(self.micros):.1f}", f"{statistics.median(self.micros):.1f}"


Step = Callable[[str], None]
"""Tells the progress display what is done next."""


async def requests(database: Database, samples: int, step: Step) -> list[str]:
    """CPU of reserve and settle, their parts, and the statements that they need."""
    found: dict[str, tuple[Samples, Samples, Samples]] = {}
    for title, budgets in (("wallet", False), ("wallet and budgets of account, project and key", True)):
        step(f"reserve and settle, {title}")
        (payer,) = holders = payers(1, budgets=budgets)
        async with working(database, holders=holders) as worker:
            found[title] = await _sampled(worker, payer, samples)
            if not budgets:
                step("the parts of it")
                parts = _parts(worker, payer, samples)
    step("statements")
    statements = await _statements(database)
    least = {title: min(both.micros) for title, (_, _, both) in found.items()}
    rows = [
        [title, *reserve.cells(), *settle.cells(), *both.cells(), _verdict(least[title])]
        for title, (reserve, settle, both) in found.items()
    ]
    head = ["meters", "reserve", "median", "settle", "median", "both", "median", f"goal {GOAL_MICROS:.0f}"]
    spent = sum(min(each.micros) for each in parts.values())
    lines = [[name, *each.cells()] for name, each in parts.items()]
    lines.append(["checks, purses, clock and the hold itself (the rest)", f"{least['wallet'] - spent:.1f}", ""])
    return [
        REQUESTS_NOTE,
        table(head, rows),
        table(["part (wallet only)", "least", "median"], lines),
        *statements,
    ]


async def _sampled(worker: Worker, payer: Principal, samples: int) -> tuple[Samples, Samples, Samples]:
    reserve, settle, both = Samples(), Samples(), Samples()
    treasury = worker.treasury
    for _ in range(samples):
        await worker.fill(payer, IN_FLIGHT)
        await worker.teller.round()
        orders = [worker.order(payer) for _ in range(IN_FLIGHT)]
        records = [record(order) for order in orders]
        told = Told()
        began = time.thread_time()
        holds = [treasury.reserve(order, told) for order in orders]
        between = time.thread_time()
        for hold, each in zip(holds, records, strict=True):
            treasury.settle(hold, each, nothing)  # type: ignore[arg-type] # the purses were filled
        ended = time.thread_time()
        reserve.add(between - began, IN_FLIGHT)
        settle.add(ended - between, IN_FLIGHT)
        both.add(ended - began, IN_FLIGHT)
    return reserve, settle, both


def _parts(worker: Worker, payer: Principal, samples: int) -> dict[str, Samples]:
    """Each part alone, in turn, on values like those of the exchange above."""
    order = worker.order(payer)
    each, now = record(order), time.time()
    purses, pricing = worker.treasury.purses, worker.treasury.pricing
    quote = pricing.pin(order.call.model, payer.group, now).quote
    held = entries.Held(order.exchange, now, 1, 2, 614_550, 1000, order.surface, order.call.model)
    told = facts.of(each)
    settled = entries.Settled(order.exchange, now, 1, 2, 614_550, 126_900, 0, USAGE, told)
    opening, ending = entries.encode(held), entries.encode(settled)
    segment = worker.journals.create(next(NAMES), 0)
    parts: dict[str, Callable[[], object]] = {
        "who pays, at which price": lambda: (purses.payer(payer, now), pricing.pin(order.call.model, payer.group, now)),
        "upper bound": lambda: estimate.bound(order.call, quote),
        "hold as bytes": lambda: entries.encode(
            entries.Held(order.exchange, now, 1, 2, 614_550, 1000, order.surface, order.call.model)
        ),
        "hold into the journal": lambda: segment.append(opening, room=entries.SETTLE_ROOM),
        "charge": lambda: rate.amount(USAGE, quote),
        "facts": lambda: facts.of(each),
        "settle as bytes": lambda: entries.encode(
            entries.Settled(order.exchange, now, 1, 2, 614_550, 126_900, 0, USAGE, told)
        ),
        "settle into the journal": lambda: segment.append(ending, reserved=entries.SETTLE_ROOM),
    }
    found = {name: Samples() for name in parts}
    for _ in range(samples):
        for name, part in parts.items():
            began = time.thread_time()
            for _ in range(IN_FLIGHT):
                part()
            found[name].add(time.thread_time() - began, IN_FLIGHT)
    segment.remove()
    return found


async def _statements(database: Database) -> list[str]:
    """Statements of 1000 exchanges, one after the other, of an account that nobody used before."""
    (payer,) = holders = payers(1)
    counting, number, waited = CountingDatabase(database), 1000, 0
    async with working(counting, holders=holders) as worker:
        counting.transactions.clear()
        counting.statements.clear()
        for _ in range(number):
            hold, late = await worker.reserve(worker.order(payer))
            worker.settle(hold)
            waited += late
        await worker.post()
        took, posts = dict(counting.transactions), dict(counting.statements)
    rows = [
        ["reserve and settle, funds in the purse", f"{number - waited}", "0", "0"],
        ["top-up (`take`), while one exchange waits", f"{waited}", f"{took.get('take', 0)}", f"{posts.get('take', 0)}"],
        ["posting, beside the requests", f"{number}", f"{took['post']}", f"{posts['post']}"],
    ]
    head = ["of 1000 exchanges, one at a time", "exchanges", "transactions", "statements"]
    return [table(head, rows)]


async def postings(sqlite: Database, rows: int, step: Step) -> list[str]:
    """How fast a settler moves a journal into the books."""
    found: list[list[str]] = []
    for title, database in (("SQLite", sqlite), ("PostgreSQL", None)):
        for number in (1, 50):
            step(f"posting, {title}, payers: {number}")
            if database is not None:
                found.append(await _posted(title, database, number, rows))
            else:
                found.append(await _on_postgres(title, number, rows))
    head = ["database", "payers", "exchanges", "a second", "CPU each, least batch", "median"]
    return [
        POSTING_NOTE,
        table(head, found),
    ]


async def _posted(title: str, database: Database, number: int, rows: int) -> list[str]:
    holders = payers(number)
    batches, wall = Samples(), 0.0
    async with working(database, holders=holders) as worker:
        for holder in holders:
            await worker.fill(holder, rows // number // SPARING + 1)
        await worker.post()
        for each in range(rows):
            hold, _ = await worker.reserve(worker.order(holders[each % number], MODELS[each % len(MODELS)]))
            worker.settle(hold)
        total = left = worker.treasury.unposted
        more = True
        while more:
            began, cpu = time.perf_counter(), time.process_time()
            more = await worker.settler.post()
            cpu, wall = time.process_time() - cpu, wall + time.perf_counter() - began
            done, left = left - worker.treasury.unposted, worker.treasury.unposted
            if more:
                batches.add(cpu, done)
    return [title, f"{number}", f"{total}", f"{total / wall:,.0f}", *batches.cells()]


async def _on_postgres(title: str, number: int, rows: int) -> list[str]:
    postgres.FAST = DURABLE
    try:
        server = postgres.Server()
    except RuntimeError as error:
        return [title, f"{number}", f"not measured: {error}", "", "", ""]
    try:
        server.start()
        database = await open_postgres(server.fresh_database())
        try:
            return await _posted(title, database, number, rows)
        finally:
            await database.close()
    finally:
        server.remove()


async def _fill(worker: Worker, holders: Sequence[Principal], holds: int) -> None:
    for holder in holders:
        await worker.fill(holder, holds)


async def memory(database: Database, exchanges: int, step: Step) -> list[str]:
    """Resident memory while many exchanges pass, and are posted, and the journal is turned over."""
    holders, found, tenth = payers(50, budgets=True), list[list[str]](), exchanges // 10
    began, sizes = time.perf_counter(), list[float]()
    async with working(database, holders=holders) as worker:
        for each in range(1, exchanges + 1):
            hold, _ = await worker.reserve(worker.order(holders[each % 50], MODELS[each % len(MODELS)]))
            worker.settle(hold)
            if worker.treasury.unposted >= BATCH_ROWS:
                await worker.teller.round()
            if each % tenth == 1:
                await _fill(worker, holders, tenth // len(holders) // SPARING + 1)
            if each % tenth == 0:
                sizes.append(resident_mb([os.getpid()]))
                found.append([f"{each:,}", f"{sizes[-1]:.1f}", f"{worker.journals.made}"])
                step(f"memory, exchanges: {each:,}")
    grown = sizes[-1] - sizes[0]
    seconds = time.perf_counter() - began
    verdict = "flat" if grown <= FLAT_MB else "**it grows**"
    return [
        MEMORY_NOTE,
        table(["exchanges", "resident MB", "journal segments so far"], found),
        f"From the first tenth to the last {grown:+.1f} MB: {verdict}. In all {seconds:.0f} s.\n",
    ]


# ── the report ───────────────────────────────────────────────────────────────────────────────────────────────────


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """In Markdown, figures to the right."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)]
    return "\n".join([*lines, *["| " + " | ".join(row) + " |" for row in rows]]) + "\n"


def _verdict(micros: float) -> str:
    return "reached" if micros <= GOAL_MICROS else f"**missed** by {micros / GOAL_MICROS - 1:.0%}"


def preamble() -> str:
    """Where and when."""
    here = Machine.here()
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return (
        "# The money path\n\nMade by `bench/ledger.py`; do not edit.\n\n"
        f"* date: {datetime.now(UTC).isoformat(timespec='seconds')}; commit {commit.stdout.strip() or 'unknown'}\n"
        f"* machine: {here.cpu}, {here.cores} cores, {here.memory_gb} GB, Linux {here.kernel}; Python {here.python}\n"
        f"* load average when it began: {here.load_average} (above {here.cores} others had the cores too; the least of "
        "many short samples hardly depends on that, medians and rates do)\n"
    )


async def measure(wanted: Sequence[str], *, quick: bool, step: Step) -> list[str]:
    """The sections."""
    sections: list[str] = []
    with tempfile.TemporaryDirectory(prefix="polyrelay-ledger-") as folder:
        database = await open_sqlite(Path(folder))
        try:
            if "request" in wanted:
                sections += await requests(database, 20 if quick else 250, step)
            if "posting" in wanted:
                sections += await postings(database, 1024 if quick else 10_240, step)
            if "memory" in wanted:
                sections += await memory(database, 10_000 if quick else 1_000_000, step)
        finally:
            await database.close()
    return sections


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Measure the money path.")
    parser.add_argument("--quick", action="store_true", help="some seconds, to see that everything works")
    parser.add_argument("--only", default="request,posting,memory", help="parts, comma-separated")
    parser.add_argument("--out", type=Path, help=f"a Markdown file [{OUT.relative_to(ROOT)}; quick: none]")
    options = parser.parse_args()
    begun, console = preamble(), Console(stderr=True)
    columns = (TextColumn("{task.description:<60}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    wanted = options.only.split(",")
    steps = sum({"request": 4, "posting": 4, "memory": 10}[each] for each in wanted)
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=steps)

        def step(title: str) -> None:
            progress.update(task, description=title, advance=1)

        sections = asyncio.run(measure(wanted, quick=options.quick, step=step))
    text = "\n".join([begun, *sections])
    print(text)
    out: Path | None = options.out or (None if options.quick else OUT)
    if out is not None:
        out.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
