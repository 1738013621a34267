"""Undoing a content coding we did not ask for, within bounds (RFC 9110 section 8.4)."""

import zlib
from collections.abc import Iterator
from typing import Final

from polyrelay.exchange.faults import FaultKind
from polyrelay.upstream.faults import Unacceptable

PIECE_BYTES: Final = 64 * 1024
"""Most decoded bytes handed on at once."""

FREE_BYTES: Final = 1024 * 1024
"""Decoded bytes below which no ratio is looked at: short answers of repeated words compress well."""

RATIO: Final = 200
"""Decoded bytes per coded byte beyond which an answer is a bomb. JSON and prose stay below 20; deflate reaches 1032."""

_WBITS: Final = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}
_RAW_DEFLATE: Final = -15
_ZLIB_METHOD: Final = 8


class Decoder:
    """One coded body: `decode` each chunk, and look at `complete` at the end."""

    __slots__ = ("_coding", "_inflate", "_read", "_written")

    def __init__(self, coding: bytes) -> None:
        """For one `content-encoding` value: gzip, x-gzip or deflate. Raises Unacceptable for any other."""
        name = coding.strip().lower()
        if name not in _WBITS:
            raise Unacceptable(FaultKind.GARBLED, f"content-encoding {name[:40]!r}")
        self._coding = name
        self._inflate = zlib.decompressobj(_WBITS[name])
        self._read = 0
        self._written = 0

    @property
    def complete(self) -> bool:
        """The coded data has come to its own end; true of an empty body as well."""
        return self._inflate.eof or self._read == 0

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        """The pieces, each at most PIECE_BYTES, that `chunk` completes. Raises Unacceptable."""
        # Some servers send deflate without its zlib wrapper (noted in RFC 9110 section 8.4.1.2).
        if self._read == 0 and self._coding == b"deflate" and chunk[0] & 0x0F != _ZLIB_METHOD:
            self._inflate = zlib.decompressobj(_RAW_DEFLATE)
        self._read += len(chunk)
        rest = chunk
        while rest:
            if self._inflate.eof:
                self._start_member()
            try:
                piece = self._inflate.decompress(rest, PIECE_BYTES)
            except zlib.error as error:
                raise Unacceptable(FaultKind.GARBLED, f"coded body: {error}") from None
            rest = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            self._written += len(piece)
            if self._written > FREE_BYTES and self._written > RATIO * self._read:
                raise Unacceptable(FaultKind.OVERSIZE, f"{self._written} bytes decoded from {self._read}")
            if piece:
                yield piece

    def _start_member(self) -> None:
        """A gzip body may be several members in a row (RFC 1952 section 2.2); deflate data may not."""
        if self._coding == b"deflate":
            raise Unacceptable(FaultKind.GARBLED, "bytes after the end of the coded body")
        self._inflate = zlib.decompressobj(_WBITS[self._coding])
