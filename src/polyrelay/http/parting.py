"""Whether the client of a long answer of the ASGI application is still there."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from uvicorn._types import ASGIReceiveCallable


@contextmanager
def watching(receive: ASGIReceiveCallable) -> Iterator[Callable[[], bool]]:
    """Says whether the client has gone, for as long as the block lasts: uvicorn does not tell those who only send."""
    gone = asyncio.create_task(_left(receive))
    try:
        yield gone.done
    finally:
        gone.cancel()


async def _left(receive: ASGIReceiveCallable) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
