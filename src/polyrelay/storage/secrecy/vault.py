"""Upstream credentials, encrypted at rest: AES-256-GCM under the current master key, bound to their row.

The authenticated data is a purpose label, which has the format's version, and the row's id; so a value that is moved to
another row, or to a table of another purpose, does not open. `seals` has the format.
"""

import secrets
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from polyrelay.kernel.errors import PolyrelayError
from polyrelay.storage.rings import Ring
from polyrelay.storage.secrecy import seals
from polyrelay.storage.secrecy.seals import Seal

_PURPOSE = "polyrelay v1 upstream credential "


class VaultError(PolyrelayError):
    """A value does not open. The message names its row and key id, never anything of the value."""


class UnknownMasterKey(VaultError):
    """It was sealed under a master key that is not here."""


class Unopenable(VaultError):
    """It was cut, changed, or moved from another row."""


class Vault:
    """Seals and opens. `keys` reads the master keys anew: before each seal, and when a value names one not yet seen.

    So a process that runs through a rotation never seals under a key that is about to be dropped, and opens what
    another process has sealed since. Both calls raise what `keys` raises when it is asked.
    """

    def __init__(self, keys: Callable[[], Ring]) -> None:
        self._keys = keys
        self._ring = keys()

    @property
    def current(self) -> str:
        """The id of the key that was current when last read."""
        return self._ring.current

    def seal(self, plaintext: str, row_id: str) -> str:
        """`plaintext` encrypted for the row `row_id`. Never twice the same."""
        self._ring = self._keys()
        nonce = secrets.token_bytes(seals.NONCE_BYTES)
        ciphertext = AESGCM(self._ring.secret).encrypt(nonce, plaintext.encode(), _bound_to(row_id))
        return seals.write(Seal(self._ring.current, nonce, ciphertext))

    def open(self, sealed: str, row_id: str) -> str:
        """What was sealed for `row_id`.

        Raises:
            UnknownMasterKey: its key is not here.
            Unopenable: it is no sealed value, was cut or changed, or belongs to another row.
        """
        try:
            seal = seals.read(sealed)
        except ValueError as error:
            raise Unopenable(f"credential {row_id}: {error}; enter it again") from error
        secret = self._secret(seal.key_id, row_id)
        try:
            return AESGCM(secret).decrypt(seal.nonce, seal.ciphertext, _bound_to(row_id)).decode()
        except InvalidTag:
            raise Unopenable(
                f"credential {row_id}: does not open under its key {seal.key_id}: it was changed, cut, or moved from "
                "another row; enter it again"
            ) from None

    def _secret(self, key_id: str, row_id: str) -> bytes:
        if key_id not in self._ring.keys:
            self._ring = self._keys()
        secret = self._ring.keys.get(key_id)
        if secret is None:
            known = ", ".join(self._ring.keys)
            raise UnknownMasterKey(f"credential {row_id}: sealed under the master key {key_id}; here are only {known}")
        return secret


def _bound_to(row_id: str) -> bytes:
    return (_PURPOSE + row_id).encode()
