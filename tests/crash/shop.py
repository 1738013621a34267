"""A relay that sells one model, `m`, to one account with little money."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from polyrelay.storage.access import key_changes
from polyrelay.storage.sql.database import Tx, opened
from support import postgres
from support.processes import RelayProcess, Vendor, channel, make_key, running
from support.proof import Ledger


@dataclass(frozen=True)
class Shop:
    """The relay, and whose money is spent."""

    relay: RelayProcess
    ledger: Ledger
    account: str
    key_id: str

    @property
    def port(self) -> int:
        return urlsplit(self.relay.url).port or 0

    @property
    def key(self) -> str:
        return self.relay.key

    @property
    def log(self) -> Path:
        return self.relay.process.log


@contextmanager
def opened_shop(
    folder: Path,
    vendor: Vendor,
    database: str,
    sell: str,
    upstream: str,
    *,
    credit: int,
    workers: int = 4,
    policy: str = "clamp",
    budgets: Mapping[str, int] | None = None,
    more: str = "",
) -> Iterator[Shop]:
    """`database` is `sqlite`, `postgresql` or a URL; `credit` and `budgets` (by scope) in nanos."""
    url = {"sqlite": "", "postgresql": ""}.get(database, database)
    if database == "postgresql":
        url = postgres.ready_database()
    file = folder / "polyrelay.toml"
    file.write_text(
        f'[server]\nport = 0\ndata = "{folder / "data"}"\nworkers = {workers}\ndrain_seconds = 3\n'
        + (f'[database]\nurl = "{url}"\n' if url else "")
        + more
        + channel("main", vendor.base_url, f'{{ name = "m", upstream = "{upstream}" }}')
        + f'[[tariffs]]\nmodel = "m"\nsell = {sell}\nmaxima = {{ context = 131072, output = 16384 }}\n'
    )
    key = make_key(file, credit=credit)
    ledger = Ledger(url, folder / "data")
    account, key_id = asyncio.run(_set_up(ledger, policy, budgets or {}))
    with running(folder / "relay.log", "serve", "--config", str(file)) as process:
        yield Shop(RelayProcess(process, file, key), ledger, account, key_id)


async def _set_up(ledger: Ledger, policy: str, budgets: Mapping[str, int]) -> tuple[str, str]:
    """What an administrator would do: the hold policy, a project, budgets. Ids of the account and of the key."""

    async def work(tx: Tx) -> tuple[str, str]:
        (row,) = await tx.fetch("SELECT id, account_id FROM keys")
        account, key = row["account_id"], row["id"]
        await tx.execute("UPDATE accounts SET hold_policy = $1", policy)
        await tx.execute(
            "INSERT INTO projects (id, account_id, name, created_at) VALUES ('prj_1', $1, 'p', 0.0)", account
        )
        await tx.execute("UPDATE keys SET project_id = 'prj_1'")
        owners = {"account": account, "project": "prj_1", "key": key}
        for scope, amount in budgets.items():
            await tx.execute(
                "INSERT INTO budgets (id, account_id, scope, owner, period, amount, created_at) "
                "VALUES ($1, $2, $3, $4, 'total', $5, 0.0)",
                f"bud_{scope}", account, scope, owners[scope], amount,
            )  # fmt: skip
        await key_changes.touch(tx, account=account)
        return account, key

    async with opened(ledger.url, ledger.data) as database:
        return await database.write(work)
