"""The office on first use. It brings SQLAlchemy, and credentials their cipher: a second and 20 MB that serving requests
does without.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from polyrelay.service.administration.ports import Office, T, Work
from polyrelay.storage.secrecy import secrets
from polyrelay.storage.sql.transaction import Database


class LateOffice:
    """An office that is not opened before there is work."""

    def __init__(self, database: Database, keys_changed: Callable[[], Any] = lambda: None) -> None:
        self._database = database
        self._keys_changed = keys_changed
        self._office: Office | None = None

    async def read(self, work: Work[T]) -> T:
        """See `Office`."""
        return await self._opened().read(work)

    async def write(self, work: Work[T]) -> T:
        """See `Office`."""
        return await self._opened().write(work)

    def _opened(self) -> Office:
        if self._office is None:
            from polyrelay.storage.administration.office import SqlOffice  # noqa: PLC0415 - see above

            self._office = SqlOffice(self._database, self._keys_changed)
        return self._office


class RingSecrets:
    """Implements `Secrets` over the secrets of a data folder, which are read anew each time."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def current(self) -> tuple[str, bytes]:
        """See `Secrets`."""
        ring = secrets.load(self._data).fingerprint
        return ring.current, ring.secret

    def all(self) -> Mapping[str, bytes]:
        """See `Secrets`."""
        return secrets.load(self._data).fingerprints

    def seal(self, plaintext: str, row: str) -> str:
        """See `Secrets`."""
        from polyrelay.storage.secrecy import rotation  # noqa: PLC0415 - see above

        return rotation.vault(self._data).seal(plaintext, row)

    def open(self, sealed: str, row: str) -> str:
        """The plaintext of what `seal` made for `row`. Raises `VaultError`."""
        from polyrelay.storage.secrecy import rotation  # noqa: PLC0415 - see above

        return rotation.vault(self._data).open(sealed, row)
