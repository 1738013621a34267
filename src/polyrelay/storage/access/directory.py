"""Who holds which key, in memory: the `Keys` port of the serving process. Does not import SQLAlchemy."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from polyrelay.access import key
from polyrelay.access.principal import Principal
from polyrelay.kernel.errors import ConfigurationError
from polyrelay.settings.root import KeyDefaults
from polyrelay.storage.access.key_changes import KeyChange
from polyrelay.storage.access.records import LimitTerms
from polyrelay.storage.sql.transaction import DatabaseAway

_log = logging.getLogger(__name__)


class KeySource(Protocol):
    """Where a directory reads keys."""

    def changes(self) -> Iterable[KeyChange]:
        """Keys made or changed since the last call, as far as they are at hand; all of them the first time.

        Cheap when there are none. Raises `DatabaseAway` when they cannot be read now.
        """
        ...

    def fetch(self) -> Iterable[KeyChange]:
        """The same, with everything that was committed before the call. May wait for a second. Raises as `changes`."""
        ...

    def close(self) -> None:
        """Let go of the store."""
        ...


class KeyDirectory:
    """Fingerprints of the living keys and their holders. Fingerprints are all it remembers; no token is kept.

    `generation` is a number that every process of this machine sees and that whoever changes a key bumps after the
    commit (`state.generation`, `keys`). It is compared at each look-up, so that a revoked key is refused at the next
    request. What other machines change comes by `refresh_if_changed`, which is to be called every quarter of a second.
    """

    def __init__(
        self,
        source: KeySource,
        secrets: Callable[[], Mapping[str, bytes]],
        defaults: KeyDefaults = KeyDefaults(),
        generation: Callable[[], int] = lambda: 0,
    ) -> None:
        """Reads every key. `secrets` are what hashes are keyed with, by id; they are asked for again when a key names
        one that is not known. Raises what the source raises.
        """
        self._source = source
        self._load_secrets = secrets
        self._secrets = dict(secrets())
        self._newest_first = tuple(reversed(self._secrets.values()))
        self._defaults = defaults
        self._generation = generation
        self._limits: dict[bytes, LimitTerms] = {}
        self._principals: dict[bytes, Principal] = {}
        self._readable = True
        self._known = generation()
        self._apply(source.fetch())

    def __len__(self) -> int:
        """Keys that are not revoked."""
        return len(self._principals)

    def find(self, token: str) -> Principal | None:
        """The holder of `token`, or None. See `key.fingerprint` for why the look-up's timing tells nothing."""
        if self._generation() != self._known and self._readable:
            self._catch_up()
        if not key.looks_like_key(token):
            return None
        principal = self._look_up(token)
        if principal is None and self.refresh_if_changed():
            principal = self._look_up(token)
        return principal

    def refresh_if_changed(self) -> bool:
        """Take over what any process changed; whether there was anything.

        While the database cannot be read the known keys go on working, and the log says so once.
        """
        return self._take(self._source.changes)

    def set_defaults(self, defaults: KeyDefaults) -> None:
        """Use other limits for keys that name none."""
        self._defaults = defaults
        for fingerprint, principal in self._principals.items():
            self._principals[fingerprint] = replace(principal, limits=self._limits[fingerprint].over(defaults))

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def _look_up(self, token: str) -> Principal | None:
        for secret in self._newest_first:
            principal = self._principals.get(key.fingerprint(secret, token))
            if principal is not None:
                return principal
        return None

    def _catch_up(self) -> None:
        """The number is read before the keys, so that no change between the two is taken for known."""
        number = self._generation()
        self._take(self._source.fetch)
        if self._readable:
            self._known = number

    def _take(self, ask: Callable[[], Iterable[KeyChange]]) -> bool:
        """After a failure, look-ups wait for nothing until `refresh_if_changed` finds the database again."""
        try:
            changes = list(ask())
        except DatabaseAway as error:
            if self._readable:
                _log.error("keys cannot be read, going on with those known: %s", error)
            self._readable = False
            return False
        self._readable = True
        self._apply(changes)
        return bool(changes)

    def _apply(self, changes: Iterable[KeyChange]) -> None:
        for change in changes:
            fingerprint = change.fingerprint
            if change.principal is None:
                self._limits.pop(fingerprint, None)
                self._principals.pop(fingerprint, None)
                continue
            self._limits[fingerprint] = change.limits
            self._principals[fingerprint] = replace(change.principal, limits=change.limits.over(self._defaults))
            if change.secret_id and change.secret_id not in self._secrets:
                self._renew_secrets(change)

    def _renew_secrets(self, change: KeyChange) -> None:
        try:
            self._secrets.update(self._load_secrets())
        except ConfigurationError as error:
            _log.error("%s", error)
        if change.secret_id not in self._secrets:
            _log.error("key %s does not work here: this machine lacks the secret %s", change.key, change.secret_id)
        self._newest_first = tuple(reversed(self._secrets.values()))
