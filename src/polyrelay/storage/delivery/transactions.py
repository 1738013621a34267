"""Transactions whose failures are the service's own."""

from polyrelay.service.bank import BankAway
from polyrelay.storage.sql.transaction import Database, DatabaseAway, T, Work


class Transactions:
    """`Database`, with `BankAway` for a database that does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, work: Work[T]) -> T:
        """See `Database`."""
        try:
            return await self._database.write(work)
        except DatabaseAway as error:
            raise BankAway(str(error)) from error

    async def read(self, work: Work[T]) -> T:
        """See `Database`."""
        try:
            return await self._database.read(work)
        except DatabaseAway as error:
            raise BankAway(str(error)) from error
