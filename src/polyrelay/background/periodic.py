"""Small chores at a steady pace."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from polyrelay.kernel.errors import PolyrelayError

logger = logging.getLogger(__name__)


async def every_while(seconds: float, chore: Callable[[], Awaitable[object]]) -> None:
    """`every` for a chore that takes its time. An expected failure is told once, until the chore works again."""
    told = False
    while True:
        await asyncio.sleep(seconds)
        try:
            await chore()
            told = False
        except PolyrelayError as error:
            if not told:
                logger.warning("%s", error)
            told = True
        except Exception:  # border: one failed round must not end the chore for good
            logger.exception("a background chore failed")


async def every(seconds: float, chore: Callable[[], object]) -> None:
    """Call `chore` every `seconds` until cancelled. A chore that raises is logged and called again next time."""
    while True:
        await asyncio.sleep(seconds)
        try:
            chore()
        except Exception:  # border: one failed round must not end the chore for good
            logger.exception("a background chore failed")
