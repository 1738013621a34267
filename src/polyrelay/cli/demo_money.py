"""The demo's money: what its account gets to spend, and what became of it, as the books say."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import msgspec

from polyrelay.cli import demo_client, office, options, output
from polyrelay.kernel import money
from polyrelay.kernel.ids import AccountId
from polyrelay.kernel.money import NANOS_PER_UNIT
from polyrelay.service.administration import charges as use_cases
from polyrelay.service.administration.charges import Charge
from polyrelay.service.administration.ports import Kind
from polyrelay.storage.administration.office import SqlOffice
from polyrelay.storage.books import transfers
from polyrelay.storage.sql.database import Database
from polyrelay.storage.sql.transaction import Tx

FULL = 5 * NANOS_PER_UNIT
"""USD in the demo account at first, in nanos: some ten thousand answers of its model."""

LOW = NANOS_PER_UNIT
"""With less than this the account is filled up again, so that neither many demos nor few make it grow."""

POSTED_SECONDS = 10.0
"""How long to wait for a charge. The relay posts them some times a second."""

LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Bill:
    """The charge of one exchange, and what the account had before and after it, in nanos."""

    charge: Charge
    before: int
    after: int

    def document(self) -> dict[str, Any]:
        """For programs; amounts are decimal strings in USD."""
        balance = {"before": money.show(self.before), "after": money.show(self.after)}
        return {"charge": msgspec.to_builtins(self.charge), "balance": balance}

    def tell(self) -> None:
        """For people."""
        columns = ("bucket", "quantity", "unit_price", "amount")
        lines = self.charge.lines or []
        output.table(columns, [*(office.cells(line, columns) for line in lines), self._total()])
        output.line(f"price list  {self.charge.tariff_version}, in USD")
        output.line(f"balance     {money.show(self.before)} before, {money.show(self.after)} after")

    def _total(self) -> list[str]:
        return ["charged", "", "", self.charge.amount or "nothing"]


def fund(where: options.Store, account: AccountId) -> int:
    """Fill the account up when little is left; what it has then, in nanos."""

    async def fill(tx: Tx) -> int:
        left = (await transfers.balance(tx, account)).own
        if left >= LOW:
            return left
        await transfers.topup(tx, account, FULL - left, transfers.Note("demo", "money to try the relay with"))
        return FULL

    async def use(database: Database) -> int:
        return await database.write(fill)

    return office.within(where, use)


def settled(where: options.Store, account: AccountId, exchange: str, before: int) -> Bill:
    """The bill of an exchange, once it is in the books. Raises `DemoError` when it does not get there."""

    async def look(database: Database) -> Bill:
        found, deadline = SqlOffice(database), time.monotonic() + POSTED_SECONDS
        while (row := await found.read(lambda session: session.get(Kind.EXCHANGES, exchange))) is None:
            if time.monotonic() > deadline:
                raise demo_client.DemoError(f"exchange {exchange} was answered and is not in the books")
            await asyncio.sleep(LOOK_SECONDS)
        left = await database.read(lambda tx: transfers.balance(tx, account))
        return Bill(use_cases.document(row), before, left.own)

    return office.within(where, look)
