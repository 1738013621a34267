"""Where forms wait until they are whole, and until their exchange is over: in memory while small, else on disk.

A file has no name: it is gone with its last reader, whatever becomes of the process. Its writes go to the page cache as
the bytes arrive, at most a read of the socket at a time.
"""

import logging
import os
import tempfile
from pathlib import Path
from typing import BinaryIO, Protocol

from polyrelay.exchange.upload import Upload, in_memory
from polyrelay.kernel import errors
from polyrelay.settings.bounds import Bounds
from polyrelay.wire.multipart.form import Form
from polyrelay.wire.multipart.reader import FormReader

logger = logging.getLogger(__name__)

WRITE_BYTES = 64 * 1024
"""Bytes gathered before a write, so that a trickle of tiny pieces does not cost a system call each."""

RETRY_SECONDS = 5.0
"""What a client is told to wait when there is no room for its upload: most are passed on within seconds."""


class Gauges(Protocol):
    """What an upload counts itself into."""

    bytes_in_flight: int
    bytes_spooled: int


class Arrival:
    """One form as it comes in. Ends with `finish`, which leaves `form` and `upload`, and in any case with `drop`."""

    __slots__ = (
        "_bounds",
        "_counted",
        "_file",
        "_folder",
        "_gauges",
        "_memory",
        "_reader",
        "_spooled",
        "form",
        "upload",
    )

    def __init__(self, boundary: str, bounds: Bounds, folder: Path | None, gauges: Gauges) -> None:
        """`folder` is where large forms wait, None for the system's own."""
        self._reader = FormReader(boundary)
        self._bounds = bounds
        self._folder = folder
        self._gauges = gauges
        self._memory = bytearray()
        self._file: BinaryIO | None = None
        self._counted = 0
        self._spooled = 0
        self.form: Form | None = None
        self.upload: Upload | None = None

    def add(self, piece: bytes) -> None:
        """The next bytes. Raises `InvalidRequest`, and `Overloaded` when there is no room for them."""
        self._reader.feed(piece)
        self._memory += piece
        if len(self._memory) >= (self._bounds.spill_bytes if self._file is None else WRITE_BYTES):
            self._spill()
        self._count(len(self._memory) + self._reader.kept)

    def finish(self) -> None:
        """All has come. Raises `InvalidRequest`, `Overloaded`."""
        self.form = self._reader.finish()
        if self._file is None:
            self.upload = in_memory(self._memory, self._give_back)
            return
        self._spill()
        self._count(self._reader.kept)
        descriptor = self._file.fileno()
        self.upload = Upload(self._spooled, lambda size, offset: os.pread(descriptor, size, offset), self._give_back)

    def drop(self) -> None:
        """Nobody here needs it any more; who retained the upload still has it."""
        upload, self.upload = self.upload, None
        if upload is not None:
            upload.release()
        else:
            self._give_back()

    def _spill(self) -> None:
        """Move what is in memory to the file."""
        room = self._bounds.spooled_bytes - self._gauges.bytes_spooled
        if len(self._memory) > room:
            raise no_room()
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - until drop
            with memoryview(self._memory) as rest:
                self._write(self._file, rest)
        except OSError as error:
            logger.error("an upload cannot be stored: %s", error)  # noqa: TRY400 - the trace says no more
            raise no_room() from None
        self._memory.clear()

    def _write(self, file: BinaryIO, data: memoryview) -> None:
        """Write all of `data`: a disk that is nearly full takes a part. Raises OSError."""
        done = 0
        while done < len(data):
            written = file.write(data[done:])
            done += written
            self._spooled += written
            self._gauges.bytes_spooled += written

    def _count(self, held: int) -> None:
        self._gauges.bytes_in_flight += held - self._counted
        self._counted = held

    def _give_back(self) -> None:
        self._count(0)
        self._memory = bytearray()
        self._gauges.bytes_spooled -= self._spooled
        self._spooled = 0
        if self._file is not None:
            self._file.close()
            self._file = None


def no_room() -> errors.Overloaded:
    """503: neither the client's fault nor for long."""
    return errors.Overloaded("The relay has no room for the upload; try again shortly.", retry_after=RETRY_SECONDS)
