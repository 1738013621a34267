"""The default place of artefacts: a folder beside the database.

    artefacts/c4/px_…c4/<SHA-256>     a thing, under the job that made it and what it is
    artefacts/drafts/<random>         a thing that is arriving

A thing is written aside, brought to the disk, and renamed: it is there whole or not at all, whatever happens. Names are
made of ids and digests alone. Each job has a folder of its own, so that deleting one never takes what another one has.
"""

import asyncio
import hashlib
import logging
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO

from polyrelay.kernel.ids import ExchangeId
from polyrelay.service.artefacts.ports import Absent, Draft, PlaceAway
from polyrelay.storage import folder

logger = logging.getLogger(__name__)

NAME = "folder"
ROOT = "artefacts"
DRAFTS = "drafts"

PIECE_BYTES = 256 * 1024
"""Read at a time: large enough that going to a thread for it costs little."""

_MADE_FOLDERS = 3
"""Above a job's own that may just have been made, the data folder included, which now names them."""

_SHARD_CHARS = 2
"""Of the end of a job's id, which is random: 256 folders share all jobs."""


class FolderPlace:
    """Implements `Place` in the data folder."""

    name = NAME

    def __init__(self, data: Path) -> None:
        self._root = data / ROOT
        self._drafts = self._root / DRAFTS

    @asynccontextmanager
    async def draft(self, job: ExchangeId) -> AsyncIterator[Draft]:
        """See the port."""
        async with drafting(self._drafts, partial(_move, self._folder(job))) as draft:
            yield draft

    async def read(self, job: ExchangeId, digest: str, start: int, length: int) -> AsyncIterator[bytes]:
        """See the port."""
        file = await asyncio.to_thread(_open, self._folder(job) / digest)
        with file:
            left = length
            while left > 0:
                piece = await asyncio.to_thread(_read, file, start + length - left, min(left, PIECE_BYTES))
                left -= len(piece)
                yield piece

    async def delete(self, job: ExchangeId) -> None:
        """See the port."""
        await asyncio.to_thread(_remove, self._folder(job))

    async def tidy(self, seconds: float) -> None:
        """See the port."""
        await tidy(self._drafts, seconds)

    def _folder(self, job: ExchangeId) -> Path:
        return self._root / job[-_SHARD_CHARS:] / job


Settle = Callable[[Path, str], None]
"""Brings a whole draft, whose digest is the second argument, to its place. In a thread. Raises `PlaceAway`."""


@asynccontextmanager
async def drafting(drafts: Path, settle: Settle) -> AsyncIterator[Draft]:
    """A draft in the folder `drafts`, for as long as the block lasts."""
    draft = await asyncio.to_thread(FileDraft, drafts, settle)
    try:
        yield draft
    finally:
        await asyncio.shield(asyncio.to_thread(draft.discard))


async def tidy(drafts: Path, seconds: float) -> None:
    """Delete drafts of processes that died more than `seconds` ago."""
    await asyncio.to_thread(_tidy, drafts, time.time() - seconds)


class FileDraft:
    """Implements `Draft`. Made and discarded in a thread."""

    def __init__(self, drafts: Path, settle: Settle) -> None:
        """Raises `PlaceAway`."""
        with faults():
            folder.prepare(drafts)
            self._path = drafts / secrets.token_hex(16)
            folder.create_private(self._path)
            self._file = self._path.open("wb")
        self._settle = settle
        self._digest = hashlib.sha256()
        self._size = 0

    async def write(self, data: bytes) -> None:
        """See the port."""
        await asyncio.to_thread(self._append, data)

    async def keep(self) -> tuple[int, str]:
        """See the port."""
        return await asyncio.to_thread(self._finish)

    def discard(self) -> None:
        """It is not wanted. In a thread. Idempotent."""
        with suppress(OSError):  # closing writes what is left to a disk that may be full
            self._file.close()
        self._path.unlink(missing_ok=True)

    def _append(self, data: bytes) -> None:
        with faults():
            self._file.write(data)
        self._digest.update(data)
        self._size += len(data)

    def _finish(self) -> tuple[int, str]:
        with faults():
            self._file.flush()
            os.fsync(self._file.fileno())
        self._settle(self._path, self._digest.hexdigest())
        return self._size, self._digest.hexdigest()


@contextmanager
def faults() -> Iterator[None]:
    """The file system's errors as `PlaceAway`."""
    try:
        yield
    except OSError as error:
        raise PlaceAway(f"{error.filename or 'artefacts'}: {error.strerror}") from error


def _move(target: Path, draft: Path, digest: str) -> None:
    with faults():
        folder.prepare(target)
        draft.replace(target / digest)
        for changed in (target, *list(target.parents)[:_MADE_FOLDERS]):
            _sync(changed)


def _open(path: Path) -> IO[bytes]:
    with faults():
        try:
            return path.open("rb", buffering=0)
        except FileNotFoundError:
            raise Absent(f"{path.name} of job {path.parent.name} is not kept") from None


def _read(file: IO[bytes], start: int, length: int) -> bytes:
    with faults():
        piece = os.pread(file.fileno(), length, start)
    if not piece:
        raise PlaceAway(f"{file.name} is cut short")
    return piece


def _remove(path: Path) -> None:
    with faults():
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            return


def _tidy(drafts: Path, before: float) -> None:
    with faults():
        for path in drafts.iterdir() if drafts.exists() else ():
            if path.stat().st_mtime < before:
                path.unlink(missing_ok=True)
                logger.info("deleted what was left of a download: %s", path.name)


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
