"""The in-memory twins: keys and a ledger for tests and trials. They keep the stores' promises, not their data."""

from collections import OrderedDict
from dataclasses import dataclass, replace

from polyrelay.access import key
from polyrelay.access.principal import Principal
from polyrelay.exchange.call import Call
from polyrelay.exchange.outcome import Outcome
from polyrelay.exchange.usage import Usage
from polyrelay.kernel.clock import Clock
from polyrelay.kernel.ids import AccountId, ExchangeId, KeyId
from polyrelay.service.ports import Hold
from polyrelay.settings.root import KeyDefaults
from polyrelay.storage import making
from polyrelay.storage.records import (
    UNRESTRICTED,
    AccountExists,
    KeyTerms,
    StoredAccount,
    StoredKey,
    StoreError,
    UnknownAccount,
    UnknownKey,
)

SETTLED_KEPT = 4096
"""Ended exchanges remembered to recognise a repeated settle or void: some seconds of a busy relay, in 2 MB."""


class MemoryKeys:
    """`KeyStore` and `KeyDirectory` in one, for one process."""

    def __init__(self, secret: bytes, clock: Clock, defaults: KeyDefaults = KeyDefaults()) -> None:
        self._secret = secret
        self._clock = clock
        self._defaults = defaults
        self._accounts: dict[AccountId, StoredAccount] = {}
        self._keys: dict[KeyId, StoredKey] = {}
        self._by_fingerprint: dict[bytes, KeyId] = {}

    def create_account(self, name: str) -> StoredAccount:
        """A new account. Raises `AccountExists`."""
        account = making.new_account(name, self._clock)
        if self._named(name) is not None:
            raise AccountExists(f"there is already an account named {name!r}")
        self._accounts[account.id] = account
        return account

    def ensure_account(self, name: str) -> StoredAccount:
        """The account of that name, made when absent."""
        return self._named(name) or self.create_account(name)

    def list_accounts(self) -> list[StoredAccount]:
        """All accounts, oldest first."""
        return list(self._accounts.values())

    def create_key(self, account: AccountId, token: str, terms: KeyTerms = UNRESTRICTED) -> StoredKey:
        """Keep the fingerprint of `token`. Raises as `KeyStore.create_key` does."""
        if account not in self._accounts:
            raise UnknownAccount(f"no account has the id {account!r}")
        stored = making.new_key(self._accounts[account], token, terms, self._secret, self._clock)
        if stored.fingerprint in self._by_fingerprint:
            raise StoreError("this key exists already")
        self._keys[stored.id] = stored
        self._by_fingerprint[stored.fingerprint] = stored.id
        return stored

    def list_keys(self, account: AccountId | None = None) -> list[StoredKey]:
        """Keys, oldest first, revoked ones included; of one account when given."""
        return [stored for stored in self._keys.values() if account in (None, stored.account_id)]

    def revoke(self, key: KeyId) -> StoredKey:
        """End a key for good. Again is no error and keeps the first date. Raises `UnknownKey`."""
        stored = self._get(key)
        return self._put(replace(stored, revoked_at=stored.revoked_at or self._clock.wall()))

    def set_disabled(self, key: KeyId, *, disabled: bool) -> StoredKey:
        """Suspend a key, or let it work again. Raises `UnknownKey`."""
        return self._put(replace(self._get(key), disabled=disabled))

    def find(self, token: str) -> Principal | None:
        """The holder of `token`, or None."""
        if not key.looks_like_key(token):
            return None
        key_id = self._by_fingerprint.get(key.fingerprint(self._secret, token))
        if key_id is None or self._keys[key_id].revoked_at is not None:
            return None
        return self._keys[key_id].principal(self._defaults)

    def _named(self, name: str) -> StoredAccount | None:
        return next((account for account in self._accounts.values() if account.name == name), None)

    def _get(self, key_id: KeyId) -> StoredKey:
        if key_id not in self._keys:
            raise UnknownKey(f"no key has the id {key_id!r}")
        return self._keys[key_id]

    def _put(self, stored: StoredKey) -> StoredKey:
        self._keys[stored.id] = stored
        return stored


class LedgerMisuse(AssertionError):
    """The relay broke the order of the calls: a defect, never a client's doing."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a hold ended; `usage` and `outcome` are None when it was voided."""

    usage: Usage | None = None
    outcome: Outcome | None = None


class MemoryLedger:
    """The `Ledger` port, without money: it enforces that each reserve is followed by one settle or void."""

    def __init__(self, kept: int = SETTLED_KEPT) -> None:
        self._kept = kept
        self._live: dict[ExchangeId, Hold] = {}
        self._ended: OrderedDict[ExchangeId, Settlement] = OrderedDict()

    @property
    def live(self) -> tuple[Hold, ...]:
        """Holds that were neither settled nor voided, oldest first."""
        return tuple(self._live.values())

    def settlement(self, exchange: ExchangeId) -> Settlement | None:
        """How an exchange ended; None while it is live, and when it is unknown or forgotten."""
        return self._ended.get(exchange)

    def reserve(self, exchange: ExchangeId, principal: Principal, call: Call) -> Hold:
        """Open a hold. Raises `LedgerMisuse` for an exchange that has one or had one."""
        if exchange in self._live or exchange in self._ended:
            raise LedgerMisuse(f"{exchange} is reserved twice")
        hold = self._live[exchange] = Hold(exchange, principal, call)
        return hold

    def settle(self, hold: Hold, usage: Usage, outcome: Outcome) -> None:
        """Post. Raises `LedgerMisuse` for an unknown or voided hold, or other values than the first time."""
        self._end(hold, Settlement(usage, outcome))

    def void(self, hold: Hold) -> None:
        """Give back. Raises `LedgerMisuse` for an unknown or settled hold."""
        self._end(hold, Settlement())

    def _end(self, hold: Hold, settlement: Settlement) -> None:
        before = self._ended.get(hold.exchange)
        if before is not None:
            if before != settlement:
                raise LedgerMisuse(f"{hold.exchange} has ended as {before}, and now as {settlement}")
            return
        if hold.exchange not in self._live:
            raise LedgerMisuse(f"{hold.exchange} was never reserved, or ended too long ago")
        del self._live[hold.exchange]
        self._ended[hold.exchange] = settlement
        if len(self._ended) > self._kept:
            self._ended.popitem(last=False)
