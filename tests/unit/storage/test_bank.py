"""What only the bank's adapter can get wrong: the database being away."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

import pytest

from polyrelay.service.bank import BankAway, Batch
from polyrelay.storage.books.bank import SqlBank
from polyrelay.storage.sql.database import DatabaseAway, Work
from support.books import WALLET, enrolment, want


class Away:
    dialect = "sqlite"

    async def write(self, work: Work[Any], /) -> NoReturn:
        raise DatabaseAway("gone")

    read = write

    async def close(self) -> None: ...


CALLS: dict[str, Callable[[SqlBank], Coroutine[Any, Any, object]]] = {
    "enrol": lambda bank: bank.enrol(enrolment("w"), 1),
    "renew": lambda bank: bank.renew("w", 1),
    "take": lambda bank: bank.take("w", [want(WALLET, 1)]),
    "give_back": lambda bank: bank.give_back("w", [(WALLET.id, 1)]),
    "slices": lambda bank: bank.slices("w"),
    "recall": lambda bank: bank.recall([WALLET.id]),
    "recalled": lambda bank: bank.recalled(0),
    "post": lambda bank: bank.post("w", Batch(0, 0, 0, [])),
    "advance": lambda bank: bank.advance("w", 1),
    "standing": lambda bank: bank.standing("w"),
    "orphans": lambda bank: bank.orphans(),
    "suspend": lambda bank: bank.suspend("w"),
    "expire": lambda bank: bank.expire(),
}


def test_every_call_says_when_the_books_are_away() -> None:
    assert CALLS.keys() == {name for name in vars(SqlBank) if not name.startswith("_")}
    bank = SqlBank(Away())  # type: ignore[arg-type]
    for call in CALLS.values():
        with pytest.raises(BankAway, match="gone"):
            asyncio.run(call(bank))


def test_asking_for_nothing_asks_nobody() -> None:
    bank = SqlBank(Away())  # type: ignore[arg-type]
    assert asyncio.run(bank.take("w", [])) == []
    asyncio.run(bank.give_back("w", []))
    asyncio.run(bank.recall([]))
