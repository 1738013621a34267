"""Where the key directory of a serving process reads: a server, followed by a thread."""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import TimeoutError as Expired

from polyrelay.storage.access import key_changes
from polyrelay.storage.access.key_changes import KeyChange
from polyrelay.storage.sql.postgres import PostgresDatabase
from polyrelay.storage.sql.transaction import DatabaseAway

POLL_SECONDS = 0.5
"""How often a server is asked for changes. What another machine changed is known within a second; the question is one
look into an index."""

STATEMENT_SECONDS = 5.0
"""For reading changes; a line that went dead is given up after that, and known keys go on working meanwhile."""

FIRST_SECONDS = 30.0
"""For reading all keys at the start: a hundred thousand take some seconds."""

URGENT_SECONDS = 1.0
"""How long a request waits for the change that it was told of. It holds up the whole process, and normally takes
milliseconds."""


class PostgresKeySource:
    """Follows a server from a thread with an event loop and a connection of its own.

    So the serving loop never waits, but for `fetch`: that is for a change which this machine was told of by other means
    than the database, and which must count for the very next request.
    """

    def __init__(self, url: str) -> None:
        """Reads every key. Raises `DatabaseAway`, `ConfigurationError`."""
        self._database = PostgresDatabase(url, STATEMENT_SECONDS)
        self._arrived: deque[KeyChange] = deque()
        self._seen = 0
        self._fault: DatabaseAway | None = None
        self._reading = asyncio.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="keys", daemon=True)
        self._thread.start()
        try:
            self._read(FIRST_SECONDS)
        except BaseException:
            self.close()
            raise
        self._following = asyncio.run_coroutine_threadsafe(self._follow(), self._loop)

    def changes(self) -> Sequence[KeyChange]:
        """See `KeySource`."""
        if self._fault is not None:
            raise self._fault
        return self._drained()

    def fetch(self) -> Sequence[KeyChange]:
        """See `KeySource`."""
        self._read(URGENT_SECONDS)
        return self._drained()

    def close(self) -> None:
        """End the thread."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _drained(self) -> list[KeyChange]:
        return [self._arrived.popleft() for _ in range(len(self._arrived))]

    def _read(self, seconds: float) -> None:
        reading = asyncio.run_coroutine_threadsafe(self._advance(), self._loop)
        try:
            reading.result(seconds)
        except Expired:
            reading.cancel()
            raise DatabaseAway(f"the database did not tell of changed keys within {seconds:g} seconds") from None

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            with contextlib.suppress(DatabaseAway):
                await self._advance()

    async def _advance(self) -> None:
        async with self._reading:
            try:
                found = await self._database.read(lambda tx: key_changes.since(tx, self._seen))
            except DatabaseAway as fault:
                self._fault = fault
                raise
            self._fault = None
            if found:
                self._seen = found[-1].number
                self._arrived.extend(found)

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._database.close()
