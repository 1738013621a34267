"""The client's key: how it looks, and how it is remembered without being kept.

A key is `pr-` and 43 characters of url-safe base64 (RFC 4648 section 5, no padding): 32 random bytes, no checksum.
The relay stores only its fingerprint.
"""

import base64
import hashlib
import re

ENTROPY_BYTES = 32
"""Random bytes in a key. 256 bits cannot be guessed, so a fast hash is safe: there is no dictionary to try."""

SECRET_BYTES = 32
"""Length of the server's secret that keys the fingerprint."""

PREFIX = "pr-"
_matches = re.compile(r"pr-[A-Za-z0-9_-]{43}").fullmatch


def token(entropy: bytes) -> str:
    """The key in clear made of ENTROPY_BYTES random bytes.

    Raises:
        ValueError: another number of bytes was given.
    """
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"a key is made of {ENTROPY_BYTES} random bytes, not {len(entropy)}")
    return PREFIX + base64.urlsafe_b64encode(entropy).rstrip(b"=").decode("ascii")


def looks_like_key(token: str) -> bool:
    """Whether `token` has the format of a key. Sifts out other vendors' keys and garbage before any hashing."""
    return _matches(token) is not None


def fingerprint(secret: bytes, token: str) -> bytes:
    """32 bytes that stand for `token` (which looks like a key) and are worthless without `secret`.

    Keyed BLAKE2b (RFC 7693 section 2.9) is a MAC by design and costs 1.3 us here; HMAC-SHA256 hashes twice and
    costs 3.6 us on the same machine for the same strength. A fingerprint may be compared and looked up in any way:
    how long that takes tells about fingerprints, which nobody can aim at without the secret.
    """
    return hashlib.blake2b(token.encode("ascii"), key=secret, digest_size=32).digest()


def hint(token: str) -> str:
    """What listings show of a key: `pr-abcd…wxyz`. 8 of 43 characters, 208 bits stay unknown."""
    return f"{token[:7]}…{token[-4:]}"
