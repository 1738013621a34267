"""The writing end of one exchange on an HTTP/1 connection."""

import asyncio
import http
import logging
import socket
import struct
from typing import Protocol

from polyrelay.http.request import Request
from polyrelay.service.ports import Exchange, HeaderList

logger = logging.getLogger(__name__)

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_NO_BODY = (204, 304)


def _status_line(status: int) -> bytes:
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


STATUS_LINES = {status: _status_line(status) for status in range(200, 600)}


class Line(Protocol):
    """A connection, as its answers see it."""

    transport: asyncio.Transport
    closing: bool
    """This connection is not kept alive after the answer."""

    def date_line(self) -> bytes:
        """`date: ...` with CR and LF."""
        ...

    def answered(self, *, close: bool) -> None:
        """The answer is complete; `close` when nothing may follow it."""
        ...


def header_block(headers: HeaderList) -> bytes:
    """Header lines. One with CR or LF in it is left out: it could end the head early and forge an answer."""
    block = b"\r\n".join([b": ".join(header) for header in headers])
    if block.count(b"\n") >= len(headers) or block.count(b"\r") >= len(headers):
        logger.error("an answer header with a line break was left out")
        return header_block([h for h in headers if not any(bad in part for part in h for bad in (b"\r", b"\n"))])
    return block + b"\r\n"


class Answer:
    """A `service.ports.Client` for one request. After the end, or once the client is gone, calls do nothing."""

    __slots__ = ("_chunked", "_line", "_over", "_request", "_started", "exchange")

    def __init__(self, line: Line, request: Request) -> None:
        self._line = line
        self._request = request
        self._chunked = False
        self._started = False
        self._over = False
        self.exchange: Exchange | None = None
        """Set once the service has opened one."""

    @property
    def over(self) -> bool:
        """Whether nothing can be written any more."""
        return self._over

    def reply(self, status: int, headers: HeaderList, body: bytes) -> None:
        """The whole answer in one write."""
        if self._over or self._started:
            return
        self._over = True
        close = self._line.closing or not self._request.keep_alive
        head = self._head(status, headers, close=close)
        if status in _NO_BODY:
            whole = head + b"\r\n"
        elif self._request.method == b"HEAD":
            whole = b"%bcontent-length: %d\r\n\r\n" % (head, len(body))
        else:
            whole = b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body)
        self._line.transport.write(whole)
        self._line.answered(close=close)

    def start(self, status: int, headers: HeaderList) -> None:
        """Status and headers; the body follows in chunks, or until close for HTTP/1.0."""
        if self._over or self._started:
            return
        self._started = True
        self._chunked = not self._request.legacy
        close = self._line.closing or not self._request.keep_alive or not self._chunked
        self._request.keep_alive = not close
        framing = b"transfer-encoding: chunked\r\n\r\n" if self._chunked else b"\r\n"
        self._line.transport.write(self._head(status, headers, close=close) + framing)

    def write(self, data: bytes) -> None:
        """A piece of the body, in one write."""
        if self._over or not data:
            return
        if self._chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        self._line.transport.write(data)

    def finish(self, *, close: bool = False) -> None:
        """The proper end of the body."""
        if self._over:
            return
        self._over = True
        if self._chunked:
            self._line.transport.write(b"0\r\n\r\n")
        self._line.answered(close=close or self._line.closing or not self._request.keep_alive)

    def cut(self) -> None:
        """Close without a proper end. Where the end of an HTTP/1.0 body is the close itself, it is a reset."""
        if self._over:
            return
        self._over = True
        if not self._chunked:
            sock: socket.socket | None = self._line.transport.get_extra_info("socket")
            if sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._line.answered(close=True)

    def gone(self) -> None:
        """The client has left: tell the exchange, once."""
        if self._over:
            return
        self._over = True
        if self.exchange is not None:
            self.exchange.client_gone()

    def shut(self) -> None:
        """Pass the drain deadline on."""
        if self.exchange is not None and not self._over:
            self.exchange.shut()

    def fail(self) -> None:
        """The service broke: 500 when nothing was sent yet, else the truth is a cut."""
        self._request.keep_alive = False
        if self._started:
            self.cut()
        else:
            body = b'{"error":{"message":"Internal error.","type":"server_error","param":null,"code":"internal_error"}}'
            self.reply(500, [(b"content-type", b"application/json")], body)

    def _head(self, status: int, headers: HeaderList, *, close: bool) -> bytes:
        """Everything but the framing and the empty line."""
        if close:
            connection = b"connection: close\r\n"
        else:
            connection = b"connection: keep-alive\r\n" if self._request.legacy else b""
        line = STATUS_LINES.get(status, STATUS_LINES[502])
        block = header_block(headers) if headers else b""
        return b"".join((line, self._line.date_line(), block, self._request.origin_lines, connection))
