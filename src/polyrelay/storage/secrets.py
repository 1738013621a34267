"""The server's own secrets: a file in the data folder, made on the first run."""

import os
import secrets
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from polyrelay.access import key
from polyrelay.kernel.errors import ConfigurationError
from polyrelay.storage import folder, sqlite

_TEXT = """\
# Made by polyrelay on its first run. Keep it private (0600) and back it up together with the database:
# without it every client key stops working; with it and the database, guesses at a key can be checked.
fingerprint_key = "{fingerprint_key}"
"""

_OTHERS = 0o007
"""Modes that are refused: anything for others. The group's are not: volumes in Kubernetes get them by `fsGroup`."""


@dataclass(frozen=True, slots=True)
class ServerSecrets:
    """`fingerprint_key` keys the hash of client keys; `path` is where it lies; `created` whether just now."""

    fingerprint_key: bytes = field(repr=False)
    path: Path
    created: bool


def load_or_create(data: Path) -> ServerSecrets:
    """The secrets of a data folder; made, with the folder, when neither they nor any keys exist.

    Raises:
        ConfigurationError: unreadable or damaged, open to other users, absent although the database has keys, or
            impossible to make. The message says what to do.
    """
    path = data / folder.SECRETS
    try:
        created = not path.exists() and _create(data, path)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be made: {error.strerror}.") from error
    return ServerSecrets(_load(path), path, created)


def _create(data: Path, path: Path) -> bool:
    """Whether this process made the file; another one may come first. The file appears whole or not at all."""
    database = data / folder.DATABASE
    if sqlite.has_keys(database):
        raise ConfigurationError(
            f"{path}: missing, but {database} has client keys that only work with it. Put it back from your backup. "
            f"If it is lost, move {database.name} away as well and make new keys."
        )
    folder.prepare(data)
    draft = data / f".{folder.SECRETS}.{secrets.token_hex(8)}"
    text = _TEXT.format(fingerprint_key=secrets.token_hex(key.SECRET_BYTES))
    try:
        folder.create_private(draft)
        with draft.open("w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    return True


def _load(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}. The relay's user must be able to read it.") from error
    if mode & _OTHERS:
        raise ConfigurationError(f"{path}: open to other users of this machine. Run: chmod 600 {path}")
    try:
        secret = bytes.fromhex(tomllib.loads(text)["fingerprint_key"])
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path) from error
    if len(secret) != key.SECRET_BYTES:
        raise _damaged(path)
    return secret


def _damaged(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f'{path}: damaged; it must hold one line fingerprint_key = "…" of {2 * key.SECRET_BYTES} hexadecimal digits. '
        "Put it back from your backup."
    )
