"""Rings: the server's secrets of one kind, each under an id that is a check value of it; and their text."""

import hashlib
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from polyrelay.access import key

SECRET_BYTES = key.SECRET_BYTES
"""Of both kinds: 256 bits, which is also what AES-256 takes."""

_CHECK_BYTES = 6
"""Of a secret's id: a wrong secret passes for the right one once in 2^48 mistakes."""

_ID = re.compile(r"[a-z]-[0-9a-f]{12}")
_HEAD = """\
# Made by polyrelay. Keep it private (0600) and back it up together with the database: without it client keys and the
# upstream credentials kept in the database stop working. `polyrelay secrets` shows, checks and rotates what is here.
"""


class Kind(StrEnum):
    """What a ring is for; the first letter begins the ids of its secrets."""

    FINGERPRINT = "fingerprint"
    """Keys the hashes of client keys."""

    MASTER = "master"
    """Encrypts upstream credentials."""


class Malformed(ValueError):
    """A text that holds no rings; says what is wrong with it, and never a secret."""


def identify(kind: Kind, secret: bytes) -> str:
    """The id of a secret, such as `m-1f2e3d4c5b6a`: a keyed hash of a constant, so that it tells nothing of the secret.

    Being derived, it survives lost files and copies: the same secret has the same id wherever it was entered, and a
    row that names an id can be opened only by the secret of that id.
    """
    check = hashlib.blake2b(b"polyrelay secret", key=secret, digest_size=_CHECK_BYTES)
    return f"{kind[0]}-{check.hexdigest()}"


def is_id(text: str) -> bool:
    """Whether `text` could be the id of a secret."""
    return _ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Ring:
    """Secrets by id, oldest first. New things are made under `current`.

    Those before it are retired: they only read what was made under them. One after it is prepared: it can be brought
    to every machine before anything is made under it. `since` is when each was made or, later, became current, where
    that is known.
    """

    current: str
    keys: Mapping[str, bytes] = field(repr=False)
    since: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def secret(self) -> bytes:
        """The current one."""
        return self.keys[self.current]

    @property
    def prepared(self) -> str | None:
        """The id of the newest secret while it is not yet current."""
        newest = tuple(self.keys)[-1]
        return newest if newest != self.current else None

    @property
    def retired(self) -> tuple[str, ...]:
        """The ids from before the current one, oldest first."""
        ids = tuple(self.keys)
        return ids[: ids.index(self.current)]

    def extended(self, secret_id: str, secret: bytes, now: datetime) -> "Ring":
        """With one more, prepared."""
        return replace(self, keys={**self.keys, secret_id: secret}, since={**self.since, secret_id: now})

    def promoted(self, secret_id: str, now: datetime) -> "Ring":
        """With the prepared `secret_id` as the current one; as it is when that is current already, or was."""
        if secret_id != self.prepared:
            return self
        return replace(self, current=secret_id, since={**self.since, secret_id: now})

    def without(self, ids: Collection[str]) -> "Ring":
        """Without the retired ones among `ids`."""
        gone = set(ids) & set(self.retired)
        return Ring(
            self.current,
            {secret_id: secret for secret_id, secret in self.keys.items() if secret_id not in gone},
            {secret_id: date for secret_id, date in self.since.items() if secret_id not in gone},
        )


def first(kind: Kind, secret: bytes, now: datetime) -> Ring:
    """A ring of one."""
    secret_id = identify(kind, secret)
    return Ring(secret_id, {secret_id: secret}, {secret_id: now})


@dataclass(frozen=True, slots=True)
class Rings:
    """What the file holds. `master` is None in files from before there was one, or when the environment has it."""

    fingerprint: Ring
    master: Ring | None


def write(rings: Rings) -> str:
    """The text of the file."""
    parts = [_HEAD, *_ring_text(Kind.FINGERPRINT, rings.fingerprint)]
    if rings.master is not None:
        parts += _ring_text(Kind.MASTER, rings.master)
    return "\n".join(parts) + "\n"


def _ring_text(kind: Kind, ring: Ring) -> Iterator[str]:
    yield f'[{kind}]\ncurrent = "{ring.current}"\n\n[{kind}.keys]'
    yield from (f'{secret_id} = "{secret.hex()}"' for secret_id, secret in ring.keys.items())
    if ring.since:
        yield f"\n[{kind}.since]"
        yield from (f"{secret_id} = {date.isoformat(timespec='seconds')}" for secret_id, date in ring.since.items())
    yield ""


def read(text: str) -> Rings:
    """The rings of a file's text; `fingerprint_key = "…"`, as the first release wrote it, is a ring of one.

    Raises:
        Malformed: not ours, cut, changed, or of a newer release.
    """
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Malformed(f"no TOML ({error})") from None
    unknown = sorted(found.keys() - {"fingerprint_key", *Kind})
    if unknown:
        raise Malformed(f"this release knows no {unknown[0]!r}")
    if ("fingerprint_key" in found) == (Kind.FINGERPRINT in found):
        raise Malformed("it must hold a table [fingerprint]")
    if "fingerprint_key" in found:
        secret = _secret("fingerprint_key", found["fingerprint_key"])
        secret_id = identify(Kind.FINGERPRINT, secret)
        fingerprint = Ring(secret_id, {secret_id: secret})
    else:
        fingerprint = _ring(Kind.FINGERPRINT, found[Kind.FINGERPRINT])
    return Rings(fingerprint, _ring(Kind.MASTER, found[Kind.MASTER]) if Kind.MASTER in found else None)


def _ring(kind: Kind, found: Any) -> Ring:
    table, keys, since = (
        _table(kind, found),
        _table(f"{kind}.keys", found, "keys"),
        _table(f"{kind}.since", found, "since"),
    )
    unknown = sorted(table.keys() - {"current", "keys", "since"})
    if unknown:
        raise Malformed(f"this release knows no {unknown[0]!r} in [{kind}]")
    secrets = {secret_id: _secret(f"{kind}.keys.{secret_id}", value) for secret_id, value in keys.items()}
    for secret_id, secret in secrets.items():
        right = identify(kind, secret)
        if secret_id != right:
            raise Malformed(f"what stands as {kind}.keys.{secret_id} has the id {right}: changed or mixed up")
    if table.get("current") not in secrets:
        raise Malformed(f"{kind}.current names none of [{kind}.keys]")
    if any(secret_id not in secrets or not isinstance(date, datetime) for secret_id, date in since.items()):
        raise Malformed(f"[{kind}.since] must give times to ids of [{kind}.keys]")
    return Ring(table["current"], secrets, since)


def _table(name: str, found: Any, member: str | None = None) -> dict[str, Any]:
    value = found.get(member, {}) if member is not None else found
    if not isinstance(value, dict):
        raise Malformed(f"{name} must be a table")
    return value


def _secret(name: str, value: Any) -> bytes:
    try:
        secret = bytes.fromhex(value)
    except (ValueError, TypeError):
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise Malformed(f"{name} must be {2 * SECRET_BYTES} hexadecimal digits")
    return secret
