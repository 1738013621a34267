"""The server's own secrets: a file in the data folder, made on the first run; master keys may be in the environment."""

import base64
import fcntl
import logging
import os
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from polyrelay.kernel.errors import ConfigurationError
from polyrelay.storage import folder, rings
from polyrelay.storage.rings import Kind, Malformed, Ring, Rings

_log = logging.getLogger(__name__)

MASTER_KEY = "POLYRELAY_MASTER_KEY"
"""Variable with master keys, separated by commas: the first is current, the others only open what they sealed."""

MASTER_KEY_FILE = "POLYRELAY_MASTER_KEY_FILE"
"""Variable with the path of a file with the same, as secret mounts have it."""

VARIABLES = frozenset({MASTER_KEY, MASTER_KEY_FILE})

_OTHERS = 0o007
"""Modes that are refused: anything for others. The group's are not: volumes in Kubernetes get them by `fsGroup`."""

_MODE = 0o777


@dataclass(frozen=True, slots=True)
class Needs:
    """How many rows of the database depend on which secret, by its id. A loss is told before it happens."""

    fingerprints: Mapping[str, int] = field(default_factory=dict)
    masters: Mapping[str, int] = field(default_factory=dict)


NOTHING = Needs()


@dataclass(frozen=True, slots=True)
class ServerSecrets:
    """`path` is the file, `created` whether it was made just now; `master_place` says where the master keys are."""

    fingerprint: Ring
    master: Ring
    path: Path
    master_place: str
    created: bool = False

    @property
    def fingerprints(self) -> Mapping[str, bytes]:
        """What keys the hashes of client keys, by the id that is stored with each hash."""
        return self.fingerprint.keys

    @property
    def current(self) -> str:
        """The id of the secret that new client keys are hashed under."""
        return self.fingerprint.current

    @property
    def fingerprint_key(self) -> bytes:
        """The secret that new client keys are hashed under."""
        return self.fingerprint.secret


def load_or_create(data: Path, needs: Needs = NOTHING, environ: Mapping[str, str] = os.environ) -> ServerSecrets:
    """The secrets of a data folder. What is missing is made, with the folder, unless `needs` knows better.

    Master keys in the environment win over those of the file, which go on opening what they sealed.

    Raises:
        ConfigurationError: unreadable or damaged, open to other users, without a secret that `needs` names, or
            impossible to make. The message says what to do.
    """
    given, kept = master_from(environ), read(data)
    _refuse_losses(data, kept, _joined(kept, given), needs)
    created = False
    if kept is None or _joined(kept, given) is None:
        before, kept = change(data, lambda found: _completed(found, with_master=given is None))
        created = before is None
        if before is not None and before.master is None and kept.master is not None:
            _log.warning("added a master key to %s; back it up together with the database", data / folder.SECRETS)
    return _assembled(data, kept, given, created=created)


def load(data: Path, environ: Mapping[str, str] = os.environ) -> ServerSecrets:
    """The secrets as they are now; for processes that run while another rotates them.

    Raises:
        ConfigurationError: as `load_or_create`, or there are none.
    """
    kept = read(data)
    if kept is None:
        raise _missing(data)
    return _assembled(data, kept, master_from(environ))


def master_keys(data: Path, environ: Mapping[str, str] = os.environ) -> Ring | None:
    """The master keys there are, without asking for anything else. Raises `ConfigurationError` as `load`."""
    return _joined(read(data), master_from(environ))


def read(data: Path) -> Rings | None:
    """What the file holds; None without a file. Raises `ConfigurationError`: damaged, or open to others."""
    path = data / folder.SECRETS
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}. The relay's user must be able to read it.") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: damaged: no text. Put it back from your backup.") from error
    if mode & _OTHERS:
        raise ConfigurationError(f"{path}: open to other users of this machine. Run: chmod 600 {path}")
    try:
        return rings.read(text)
    except Malformed as error:
        raise ConfigurationError(f"{path}: damaged: {error}. Put it back from your backup.") from error


def change(data: Path, edit: Callable[[Rings | None], Rings]) -> tuple[Rings | None, Rings]:
    """Put what `edit` makes of the file's rings in their place; what was there and what is. One process at a time.

    The file is whole at every instant, and keeps its mode and owner. When this returns it is on the disk.

    Raises:
        ConfigurationError: the file is damaged or cannot be written.
    """
    path = data / folder.SECRETS
    try:
        folder.prepare(data)
        with _locked(data):
            before = read(data)
            after = edit(before)
            if after != before:
                _replace(path, rings.write(after))
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be written: {error.strerror}. Run this as the relay's user, in a folder it can write to."
        ) from error
    return before, after


def prepare(data: Path, kind: Kind) -> str:
    """The id of a secret after the current one, made unless there is one already. Raises as `change`."""
    fresh, now = secrets.token_bytes(rings.SECRET_BYTES), _now()
    secret_id = rings.identify(kind, fresh)
    after = _change_ring(data, kind, lambda ring: ring if ring.prepared else ring.extended(secret_id, fresh, now))
    return after.prepared or secret_id


def promote(data: Path, kind: Kind, secret_id: str) -> None:
    """Make everything new under `secret_id` from now on. Raises as `change`."""
    now = _now()
    _change_ring(data, kind, lambda ring: ring.promoted(secret_id, now))


def drop(data: Path, kind: Kind, ids: Collection[str]) -> None:
    """Forget the retired secrets among `ids`. Raises as `change`."""
    _change_ring(data, kind, lambda ring: ring.without(ids))


def master_from(environ: Mapping[str, str]) -> Ring | None:
    """The master keys of the environment, the current one last; None when it has none.

    Raises:
        ConfigurationError: both variables are set, the file cannot be read, or what they hold is no key.
    """
    variables = [name for name in (MASTER_KEY, MASTER_KEY_FILE) if environ.get(name)]
    if not variables:
        return None
    if len(variables) > 1:
        raise ConfigurationError(f"environment: {MASTER_KEY} and {MASTER_KEY_FILE} are both set; keep one.")
    place = f"environment: {variables[0]}"
    try:
        text = environ[MASTER_KEY] if variables == [MASTER_KEY] else Path(environ[MASTER_KEY_FILE]).read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{place}: {environ[MASTER_KEY_FILE]} cannot be read as text.") from error
    keys = [_decoded(place, part.strip()) for part in text.replace("\n", ",").split(",") if part.strip()]
    if not keys:
        raise ConfigurationError(f"{place}: holds no key. {_KEY_FORM}")
    by_id = {rings.identify(Kind.MASTER, secret): secret for secret in reversed(keys)}
    current = rings.identify(Kind.MASTER, keys[0])
    return Ring(current, {**{name: by_id[name] for name in by_id if name != current}, current: keys[0]})


_KEY_FORM = (
    f"A master key is {rings.SECRET_BYTES} random bytes in hexadecimal or base64, as `openssl rand -hex 32` makes."
)


def _decoded(place: str, text: str) -> bytes:
    try:
        if len(text) == 2 * rings.SECRET_BYTES:
            return bytes.fromhex(text)
        secret = base64.b64decode(text, altchars=b"-_" if set(text) & set("-_") else None, validate=True)
    except ValueError:
        secret = b""
    if len(secret) != rings.SECRET_BYTES:
        raise ConfigurationError(f"{place}: no master key. {_KEY_FORM}")
    return secret


def _refuse_losses(data: Path, kept: Rings | None, master: Ring | None, needs: Needs) -> None:
    fingerprints = kept.fingerprint.keys if kept is not None else {}
    masters = master.keys if master is not None else {}
    lost_masters = _lost(needs.masters, masters)
    orphans = [
        f"{needs.fingerprints[lost]} client keys only work with {lost or 'it'}"
        for lost in _lost(needs.fingerprints, fingerprints)
    ]
    orphans += [f"{needs.masters[lost]} upstream credentials only open with {lost}" for lost in lost_masters]
    if not orphans:
        return
    state = f"holds {', '.join((*fingerprints, *masters))}" if kept is not None else "missing"
    variable = f" (or set {MASTER_KEY} as it was)" if lost_masters else ""
    raise ConfigurationError(
        f"{data / folder.SECRETS}: {state}, but {' and '.join(orphans)}. Put it back from the backup that belongs to "
        f"this database{variable}. If it is lost, `polyrelay secrets forget` lists the keys that must be made, and the "
        "credentials that must be entered, again."
    )


def _lost(needed: Mapping[str, int], there: Collection[str]) -> list[str]:
    """Ids that are not there. Hashes from before ids were kept (an empty one) need some secret, whichever it is."""
    return [each for each in sorted(needed) if (each not in there if each else not there)]


def _completed(found: Rings | None, *, with_master: bool) -> Rings:
    now = _now()
    fingerprint = found.fingerprint if found is not None else _fresh(Kind.FINGERPRINT, now)
    master = found.master if found is not None else None
    return Rings(fingerprint, _fresh(Kind.MASTER, now) if master is None and with_master else master)


def _fresh(kind: Kind, now: datetime) -> Ring:
    return rings.first(kind, secrets.token_bytes(rings.SECRET_BYTES), now)


def _joined(kept: Rings | None, given: Ring | None) -> Ring | None:
    """The master keys of the file and, newer than those, of the environment."""
    older = kept.master if kept is not None else None
    if given is None or older is None:
        return given or older
    keys = {secret_id: secret for secret_id, secret in older.keys.items() if secret_id not in given.keys}
    return Ring(given.current, {**keys, **given.keys}, older.since)


def _assembled(data: Path, kept: Rings, given: Ring | None, *, created: bool = False) -> ServerSecrets:
    path, master = data / folder.SECRETS, _joined(kept, given)
    if master is None:
        raise ConfigurationError(f"{path}: has no master key. Put it back from your backup.")
    return ServerSecrets(kept.fingerprint, master, path, str(path) if given is None else "environment", created)


def _missing(data: Path) -> ConfigurationError:
    return ConfigurationError(f"{data / folder.SECRETS}: missing. Put it back from your backup.")


def _change_ring(data: Path, kind: Kind, edit: Callable[[Ring], Ring]) -> Ring:
    """Put what `edit` makes of one ring in its place, and return it."""

    def edited(found: Rings | None) -> Rings:
        if found is None:
            raise _missing(data)
        ring = edit(_ring(found, kind))
        return replace(found, fingerprint=ring) if kind is Kind.FINGERPRINT else replace(found, master=ring)

    return _ring(change(data, edited)[1], kind)


def _ring(found: Rings, kind: Kind) -> Ring:
    ring = found.fingerprint if kind is Kind.FINGERPRINT else found.master
    if ring is None:
        raise ConfigurationError("the master keys are in the environment: change them there (docs/secrets.md).")
    return ring


@contextmanager
def _locked(data: Path) -> Iterator[None]:
    """Alone among processes that change secrets. The folder itself is locked, so that no file need be left behind."""
    held = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    folder.create_private(draft)
    try:
        with draft.open("w", encoding="ascii") as file:
            _keep_owner(file.fileno(), path)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _keep_owner(draft: int, path: Path) -> None:
    """Whoever rotates, the relay's user must be able to read the file as before."""
    try:
        old = path.stat()
    except FileNotFoundError:
        return
    new = os.fstat(draft)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        os.fchown(draft, old.st_uid, old.st_gid)
    os.fchmod(draft, old.st_mode & _MODE)


def _sync_folder(data: Path) -> None:
    opened = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
