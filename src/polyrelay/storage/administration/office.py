"""The office: runs the work of administration in transactions of the database."""

from collections.abc import Callable
from typing import Any, TypeVar

from polyrelay.service.administration.ports import Away, Taken, Work
from polyrelay.storage.administration.session import SqlSession
from polyrelay.storage.sql.transaction import Conflict, Database, DatabaseAway, Tx

T = TypeVar("T")


class SqlOffice:
    """Implements `Office`. `keys_changed` is called after a transaction that changed what keys may do was kept."""

    def __init__(self, database: Database, keys_changed: Callable[[], Any] = lambda: None) -> None:
        self._database = database
        self._keys_changed = keys_changed

    async def read(self, work: Work[T]) -> T:
        """See `Office`."""
        try:
            return await self._database.read(lambda tx: work(SqlSession(tx)))
        except DatabaseAway as error:
            raise Away(str(error)) from error

    async def write(self, work: Work[T]) -> T:
        """See `Office`."""

        async def noted(tx: Tx) -> tuple[T, bool]:
            session = SqlSession(tx)
            return await work(session), session.keys_changed

        try:
            result, changed = await self._database.write(noted)
        except Conflict as error:
            raise Taken(error.columns) from error
        except DatabaseAway as error:
            raise Away(str(error)) from error
        if changed:
            self._keys_changed()
        return result
