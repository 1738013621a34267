"""Answers of the ASGI application whose bodies come piece by piece."""

import logging

from uvicorn._types import ASGIReceiveCallable, ASGISendCallable

from polyrelay.http import parting
from polyrelay.http.ports import Streamed
from polyrelay.kernel.errors import PolyrelayError
from polyrelay.service.ports import HeaderList

logger = logging.getLogger(__name__)


async def stream(
    answer: Streamed, headers: HeaderList, method: str, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """Send `answer` with these headers, the head alone to `HEAD`, for as long as its client is there."""
    try:
        await send({"type": "http.response.start", "status": answer.status, "headers": list(headers)})
        with parting.watching(receive) as gone:
            while method != "HEAD" and not gone() and (piece := await answer.pieces()):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            if not gone():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
    except PolyrelayError as error:
        # Left unfinished, which uvicorn turns into a cut: the client sees that it is not whole.
        name = dict(headers).get(b"x-request-id", b"without an id").decode("latin-1")
        logger.warning("answer %s broke off: %s", name, error)
    finally:
        answer.close()
