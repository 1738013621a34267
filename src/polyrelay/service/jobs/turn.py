"""A submission's turn at an upstream that takes only so many calls at once: in the line where every call to it stands.

It has its place while its call is open, not for as long as the job lives: an upstream that takes jobs on has a queue of
its own for them.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from polyrelay.kernel import errors
from polyrelay.routing.channel import Candidate
from polyrelay.service.line import RETRY_SECONDS, Entry, Lines
from polyrelay.service.ports import Timers


class Turn(NamedTuple):
    """Who may be asked now. `leave` gives the place back."""

    candidate: Candidate
    leave: Callable[[], None]


async def wait(lines: Lines, timers: Timers, candidates: Sequence[Candidate], seconds: float) -> Turn:
    """The turn at the first of `candidates`; or, if that takes only so many calls at once, at the first that is free.

    Raises `errors.Overloaded` when no line has room, or nobody is free within so many seconds.
    """
    if not candidates[0].channel.concurrency:
        return Turn(candidates[0], _nothing)
    chosen: asyncio.Future[Candidate | None] = asyncio.get_running_loop().create_future()

    def tell(candidate: Candidate | None) -> None:
        if not chosen.done():
            chosen.set_result(candidate)

    entry = Entry(lines, candidates, tell)
    timer = timers.call_later(seconds, lambda: tell(None))
    try:
        entry.seek()
        found = await chosen
    except BaseException:
        entry.leave()
        raise
    finally:
        timer.cancel()
    if found is None:
        entry.leave()
        raise errors.Overloaded(
            "The upstream providers of this model are busy; retry later.", code="queue_full", retry_after=RETRY_SECONDS
        )
    return Turn(found, entry.leave)


def _nothing() -> None:
    """It takes any number of calls."""
