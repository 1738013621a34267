"""Hands out what the relay keeps of what jobs made: GET and HEAD of signed links, whole or in parts."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from email.utils import formatdate
from typing import Final, Protocol

from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, HTTPScope

from polyrelay.http import parting, ranges, streaming
from polyrelay.http.ranges import Span, Unsatisfiable
from polyrelay.jobs.artefacts import Sort
from polyrelay.kernel import errors
from polyrelay.kernel.errors import PolyrelayError
from polyrelay.service.artefacts import formats
from polyrelay.service.artefacts.gallery import Exhibit, Lent, Passed
from polyrelay.service.ports import Head, HeaderList
from polyrelay.wire import openai_errors as wire_errors

logger = logging.getLogger(__name__)

_OF_THE_FILE: Final = (b"content-length", b"content-range", b"accept-ranges", b"etag", b"last-modified")
_READABLE: Final = ("GET", "HEAD")

GUARDS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (
        b"content-security-policy",
        b"default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'; sandbox",
    ),
    (b"referrer-policy", b"no-referrer"),
)
"""Of every answer with a thing in it: it is what we say it is, and runs nothing, whatever it contains."""


class Gallery(Protocol):
    """What is handed out."""

    async def find(self, path: str, query: str, head: Head) -> Exhibit | Passed:
        """What a link leads to, for a client with these headers. Raises `errors.Refusal`."""
        ...

    def read(self, exhibit: Exhibit, start: int, length: int) -> AsyncIterator[bytes]:
        """`length` bytes from `start`. Raises `PolyrelayError`."""
        ...


class Artefacts:
    """An ASGI application for paths below `artefacts.ROOT`."""

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery

    async def __call__(self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """One request."""
        try:
            if scope["method"] not in _READABLE:
                text = f"{scope['method']} is not allowed here; use GET."
                raise errors.MethodNotAllowed(text, headers=((b"allow", b"GET, HEAD"),))
            query, head = scope["query_string"].decode("latin-1"), dict(scope["headers"])
            found = await self._gallery.find(scope["path"], query, head)
        except errors.Refusal as refusal:
            await _refuse(refusal, send)
            return
        if isinstance(found, Passed):
            await streaming.stream(found.streamed, _passed(found), scope["method"], receive, send)
        else:
            await self.lend(Lent(found, []), scope, receive, send)

    async def lend(self, lent: Lent, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """A thing, or the part of it that `scope` asks for."""
        with parting.watching(receive) as gone:
            await self._hand_out(scope, lent, send, gone)

    async def _hand_out(self, scope: HTTPScope, lent: Lent, send: ASGISendCallable, gone: Callable[[], bool]) -> None:
        exhibit = lent.exhibit
        head = {name: value.decode("latin-1") for name, value in scope["headers"]}
        own, etag, modified = _described(exhibit)
        headers = [*own, *lent.headers]
        size = exhibit.file.size
        if ranges.has_it(head.get(b"if-none-match"), etag):
            await _whole(304, headers, b"", send)
            return
        wanted = head.get(b"range") if ranges.is_current(head.get(b"if-range"), etag, modified) else None
        try:
            span = ranges.asked(wanted, size)
        except Unsatisfiable:
            await _whole(416, [*headers, (b"content-range", b"bytes */%d" % size)], b"", send)
            return
        status = 200 if span is None else 206
        first, end = span or Span(0, size)
        part = [] if span is None else [(b"content-range", b"bytes %d-%d/%d" % (first, end - 1, size))]
        length = (b"content-length", b"%d" % (end - first))
        pieces = self._gallery.read(exhibit, first, end - first) if scope["method"] == "GET" else None
        await _send(pieces, status, [*headers, *part, length], send, gone)


async def _send(
    pieces: AsyncIterator[bytes] | None,
    status: int,
    headers: HeaderList,
    send: ASGISendCallable,
    gone: Callable[[], bool],
) -> None:
    """The head leaves with the first piece, so that a thing that is not there can still be a 404."""
    try:
        first = b"" if pieces is None else await anext(pieces, b"")
    except PolyrelayError as error:
        logger.warning("an artefact cannot be read: %s", error)
        await _refuse(errors.NotFound("This is not kept any more.", code="artefact_gone"), send)
        return
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": first, "more_body": pieces is not None})
    if pieces is None:
        return
    try:
        async for piece in pieces:
            await asyncio.sleep(0)  # sending to nobody does not wait, and the news of it needs a turn of the loop
            if gone():
                return
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    except PolyrelayError as error:
        # Left unfinished, which uvicorn turns into a cut: the client sees that it is not whole.
        logger.warning("an artefact broke off: %s", error)
        return
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _whole(status: int, headers: HeaderList, body: bytes, send: ASGISendCallable) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _refuse(refusal: errors.Refusal, send: ASGISendCallable) -> None:
    status, headers, body = wire_errors.render(refusal)
    length = (b"content-length", b"%d" % len(body))
    await _whole(status, [*headers, length, (b"cache-control", b"no-store")], body, send)


def _described(exhibit: Exhibit) -> tuple[list[tuple[bytes, bytes]], str, str]:
    """Headers of a thing, its entity tag, and when it was stored."""
    file = exhibit.file
    harmless = file.media_type in formats.EXTENSIONS
    how = "inline" if harmless else "attachment"
    etag, modified = f'"{file.digest}"', formatdate(exhibit.stored_at, usegmt=True)
    headers = [
        (b"content-type", file.media_type.encode() if harmless else b"application/octet-stream"),
        (b"content-disposition", f'{how}; filename="{file.name}"'.encode()),
        (b"etag", etag.encode()),
        (b"last-modified", modified.encode()),
        (b"cache-control", b"private, max-age=%d" % max(0, exhibit.lasts)),
        (b"accept-ranges", b"bytes"),
        *GUARDS,
    ]
    return headers, etag, modified


def _passed(passed: Passed) -> list[tuple[bytes, bytes]]:
    """Headers of a video on its way from its upstream: those of the file as it has them, and ours for the rest."""
    stated = dict(passed.streamed.headers)
    kind = formats.accepted(stated.get(b"content-type", b"").decode("latin-1"), None, Sort.VIDEO)
    how, name = ("inline", f"video.{formats.EXTENSIONS[kind]}") if kind else ("attachment", "video")
    return [
        (b"content-type", (kind or "application/octet-stream").encode()),
        (b"content-disposition", f'{how}; filename="{name}"'.encode()),
        *((name, stated[name]) for name in _OF_THE_FILE if name in stated),
        (b"cache-control", b"private, max-age=%d" % max(0, passed.lasts)),
        *GUARDS,
    ]
