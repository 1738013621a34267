"""What an easy handle sends: the method and body of one request after the other."""

import os
from typing import Final

import pycurl

from polyrelay.exchange.upload import Stream
from polyrelay.providers.outbound import OutboundRequest

KEPT_BODY_BYTES: Final = 64 * 1024
"""A larger request body is let go of as soon as the exchange ends, a smaller one with the next request."""

PIECE_BYTES: Final = 64 * 1024
"""Bytes libcurl takes of a stream at once, which is also its default; each time a read of as many from the page
cache."""


class Sending:
    """The outgoing half of `curl`. A stream's upload is held from `begin` to `end`.

    Bytes go by POSTFIELDS, without a copy. A stream goes by the machinery libcurl has for PUT, under the request's own
    method: pycurl cannot unset POSTFIELDS, and libcurl prefers those to a read function.
    """

    __slots__ = ("_curl", "_offset", "_plain", "_stream")

    def __init__(self, curl: pycurl.Curl) -> None:
        """`curl` calls `read` and `seek`, as its owner arranges."""
        self._curl = curl
        self._plain = True
        """Whether the handle is set to POST bytes."""
        self._stream: Stream | None = None
        self._offset = 0

    def begin(self, request: OutboundRequest) -> None:
        """Hold what `request` will be sent from."""
        body = request.body
        if isinstance(body, Stream) and not body.upload.released:
            body.upload.retain()
            self._stream = body

    def prepare(self, request: OutboundRequest) -> None:
        """Set method and body, for the first sending or another. Raises pycurl.error, ValueError, TypeError."""
        body = request.body
        if isinstance(body, Stream):
            if self._stream is not body:
                raise ValueError("the upload was released before it was sent")
            self._offset = 0
            self._set_stream(request.method, body.size)
        elif request.method == "POST":
            if not self._plain:
                self._set_plain()
            # pycurl keeps a reference, gives libcurl the address and the length, and copies nothing.
            self._curl.setopt(pycurl.POSTFIELDS, body)
        elif body:
            raise ValueError("only POST takes a body of bytes")
        else:
            self._plain = False
            self._curl.setopt(pycurl.HTTPGET, 1)
            self._curl.setopt(pycurl.CUSTOMREQUEST, request.method)

    def end(self, request: OutboundRequest) -> None:
        """`request` is over: let go of a stream, and of a long body."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.upload.release()
        elif isinstance(request.body, bytes) and len(request.body) > KEPT_BODY_BYTES:
            self._curl.setopt(pycurl.POSTFIELDS, b"")

    def read(self, size: int) -> bytes:
        """CURLOPT_READFUNCTION: the next bytes of the stream, none at its end. Raises OSError, `ReleasedError`."""
        if self._stream is None:
            return b""
        piece = self._stream.read(min(size, PIECE_BYTES), self._offset)
        self._offset += len(piece)
        return piece

    def seek(self, offset: int, origin: int) -> int:
        """CURLOPT_SEEKFUNCTION: libcurl sends again what a connection has lost."""
        if origin != os.SEEK_SET:
            return int(pycurl.SEEKFUNC_FAIL)
        self._offset = offset
        return int(pycurl.SEEKFUNC_OK)

    def _set_stream(self, method: str, size: int) -> None:
        self._plain = False
        self._curl.setopt(pycurl.UPLOAD, 1)
        self._curl.setopt(pycurl.INFILESIZE_LARGE, size)
        self._curl.setopt(pycurl.CUSTOMREQUEST, method)

    def _set_plain(self) -> None:
        """Back from another method or a stream; POSTFIELDS does the rest."""
        self._curl.setopt(pycurl.UPLOAD, 0)
        self._curl.unsetopt(pycurl.CUSTOMREQUEST)
        self._plain = True
