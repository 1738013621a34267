"""Work that waits in the database, taken on by whoever has hands free: a few at a time, each in a task of its own."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from polyrelay.kernel.errors import PolyrelayError

logger = logging.getLogger(__name__)

T = TypeVar("T")

PACE_SECONDS = 1.0
"""How often it is looked for work that somebody else left, or that has become due. One's own work is told at once."""


class Crew(Generic[T]):
    """At most `hands()` at work at once; 0 rests. `claim` takes on at most so many, `work` does one and never raises
    but for `PolyrelayError`: then what was claimed is due again when its lease ends.
    """

    def __init__(
        self,
        name: str,
        hands: Callable[[], int],
        claim: Callable[[int, Sequence[T]], Awaitable[Sequence[T]]],
        work: Callable[[T], Awaitable[None]],
    ) -> None:
        """`name` is for the log. `claim` is told what is under way too."""
        self._name = name
        self._hands = hands
        self._claim = claim
        self._work = work
        self._news = asyncio.Event()
        self._busy: dict[asyncio.Task[None], T] = {}
        self._told = False

    @property
    def busy(self) -> Sequence[T]:
        """What is under way."""
        return tuple(self._busy.values())

    def nudge(self) -> None:
        """There may be work: look now."""
        self._news.set()

    async def run(self) -> None:
        """Until cancelled; what is under way is dropped then, and its lease ends by itself."""
        try:
            while True:
                await self._look()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), PACE_SECONDS)
                self._news.clear()
        finally:
            under_way = list(self._busy)
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _look(self) -> None:
        free = self._hands() - len(self._busy)
        if free <= 0:
            return
        try:
            for each in await self._claim(free, self.busy):
                task = asyncio.create_task(self._do(each))
                self._busy[task] = each
                task.add_done_callback(self._done)
            self._told = False
        except PolyrelayError as error:
            if not self._told:
                logger.warning("%s: %s", self._name, error)
            self._told = True
        except Exception:  # border: one failed look must not end the crew for good
            logger.exception("%s: looking for work failed", self._name)

    async def _do(self, each: T) -> None:
        try:
            await self._work(each)
        except PolyrelayError as error:
            logger.warning("%s: %s", self._name, error)
        except Exception:  # border: a task nobody waits for
            logger.exception("%s: a piece of work failed", self._name)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._busy.pop(task, None)
        self._news.set()
