"""The ports to artefacts: their rows, and the place where the bytes lie.

A row is written for each thing that a job made, in the transaction that ends it, when its channel stores them. Rows:
`storage.delivery.artefacts` on SQLite or PostgreSQL, and its twin in memory; every method is one transaction, and may
raise `bank.BankAway`. Places: `storage.delivery.folder`, `storage.delivery.bucket` and a twin in memory; every method
may raise `PlaceAway`.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from polyrelay.jobs.artefacts import Artefact
from polyrelay.kernel.errors import PolyrelayError
from polyrelay.kernel.ids import ExchangeId


class PlaceAway(PolyrelayError):
    """The place cannot be used now: full, read-only, not reached. Waiting may cure it."""


class Absent(PolyrelayError):
    """The place has no such thing."""


class ArtefactStore(Protocol):
    """The rows."""

    async def claim(self, limit: int, lease: float) -> list[Artefact]:
        """Take on what is to be fetched, the longest due first, and count the attempts as begun.

        Nothing goes to two claims within `lease` seconds; what is not concluded by then is due again.
        """
        ...

    async def conclude(self, artefact: Artefact, next_at: float | None, error: str | None) -> None:
        """Write what came of an attempt: stored with its file and place, given up, or wanted again at `next_at`."""
        ...

    async def stored(self, jobs: Collection[ExchangeId]) -> list[Artefact]:
        """What is stored of what these jobs made."""
        ...

    async def find(self, name: str) -> Artefact | None:
        """The one with this id, in any state; None when there is none."""
        ...

    async def expired(self, limit: int) -> list[ExchangeId]:
        """Jobs whose artefacts' time is over, at most `limit`."""
        ...

    async def forget(self, jobs: Collection[ExchangeId]) -> None:
        """Delete the rows of these jobs."""
        ...


class Draft(Protocol):
    """A thing that is arriving."""

    async def write(self, data: bytes) -> None:
        """Append."""
        ...

    async def keep(self) -> tuple[int, str]:
        """Its size and SHA-256 in hexadecimal digits, once it is in its place for good, power cuts included.

        What is there already is replaced by the same.
        """
        ...


class Place(Protocol):
    """Where bytes lie, by job and by what they are: things of one job that are the same are one."""

    @property
    def name(self) -> str:
        """As `[artefacts] place` has it."""
        ...

    def draft(self, job: ExchangeId) -> AbstractAsyncContextManager[Draft]:
        """A new thing of `job`. What is not kept is gone at the end of the block."""
        ...

    def read(self, job: ExchangeId, digest: str, start: int, length: int) -> AsyncIterator[bytes]:
        """`length` bytes from `start`, in pieces. Raises `Absent`."""
        ...

    async def delete(self, job: ExchangeId) -> None:
        """Everything of `job`."""
        ...

    async def tidy(self, seconds: float) -> None:
        """Delete drafts of processes that died more than `seconds` ago."""
        ...
