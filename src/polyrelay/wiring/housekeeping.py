"""What grows for ever unless somebody tidies it up."""

from collections.abc import Coroutine
from typing import Any

from polyrelay.background.periodic import every_while
from polyrelay.service.administration import desk
from polyrelay.storage.administration import reading
from polyrelay.storage.jobs import pruning
from polyrelay.storage.reports import retention
from polyrelay.storage.sql.transaction import Database, Tx

SECONDS = 600.0
"""Between two rounds. What is tidied is counted in days."""

PAUSE_ROUNDS = 4000
"""Transactions in one round, each of some hundred exchanges: a million, so that a first clean-up ends within hours."""

_DAY_SECONDS = 86400.0


class Housekeeping:
    """Deletes exchanges and jobs `retention_days` after they ended (0 keeps them), and stored answers of the API."""

    def __init__(self, database: Database, retention_days: int) -> None:
        self._database = database
        self._days = retention_days

    def chores(self) -> list[Coroutine[Any, Any, None]]:
        """One, for as long as the process lives."""
        return [every_while(SECONDS, self.tidy)]

    async def tidy(self) -> None:
        """One round."""

        async def answers(tx: Tx) -> int:
            return await reading.forget_answers(tx, await tx.now() - desk.KEPT_SECONDS)

        async def exchanges(tx: Tx) -> int:
            return await retention.prune(tx, await tx.now() - self._days * _DAY_SECONDS)

        async def jobs(tx: Tx) -> int:
            return await pruning.prune(tx, await tx.now() - self._days * _DAY_SECONDS)

        await self._database.write(answers)
        for old in (exchanges, jobs):
            for _ in range(PAUSE_ROUNDS if self._days else 0):
                if not await self._database.write(old):
                    break
