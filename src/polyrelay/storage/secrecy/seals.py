"""How an encrypted value is written: `v1.<key id>.<payload>`.

The payload is unpadded url-safe base64 of a 12-byte nonce, the ciphertext and a 16-byte tag. Apart from `vault`,
because the key id can be read without loading a cipher (9 MB).
"""

import base64
from dataclasses import dataclass

from polyrelay.storage import rings

NONCE_BYTES = 12
"""96 bits, as NIST SP 800-38D section 8.2.2 wants random ones; safe for 2^32 seals under one key."""

TAG_BYTES = 16
_VERSION = "v1"


@dataclass(frozen=True, slots=True)
class Seal:
    """An encrypted value and the id of the master key that opens it."""

    key_id: str
    nonce: bytes
    ciphertext: bytes


def write(seal: Seal) -> str:
    """As it is stored."""
    payload = base64.urlsafe_b64encode(seal.nonce + seal.ciphertext).rstrip(b"=").decode("ascii")
    return f"{_VERSION}.{seal.key_id}.{payload}"


def read(text: str) -> Seal:
    """Raises ValueError, without repeating any of it, for text that is no seal or too short for one."""
    version, _, rest = text.partition(".")
    key_id, _, payload = rest.partition(".")
    if version != _VERSION or not rings.is_id(key_id):
        raise ValueError("not a sealed value of this release")
    raw = base64.b64decode(payload + "=" * (-len(payload) % 4), altchars=b"-_", validate=True)
    if len(raw) < NONCE_BYTES + TAG_BYTES:
        raise ValueError("cut short")
    seal = Seal(key_id, raw[:NONCE_BYTES], raw[NONCE_BYTES:])
    if write(seal) != text:
        raise ValueError("not as it was written")
    return seal


def key_id(text: str) -> str | None:
    """The master key that opens `text`, or None when it is no seal."""
    try:
        return read(text).key_id
    except ValueError:
        return None
