"""The port to deliveries: one row for each job whose client wants to be called, one line for each attempt.

A row is written in the transaction that ends the job. Two adapters: `storage.delivery.webhooks` on SQLite or
PostgreSQL, and its twin in memory. Every method is one transaction, and may raise `bank.BankAway`.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from polyrelay.kernel.ids import ExchangeId


class State(StrEnum):
    """Values of `webhook_deliveries.state`."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up."""


class Delivery(msgspec.Struct, frozen=True):
    """One call that is due. `attempts` counts those begun, this one included."""

    id: str
    job: ExchangeId
    account: str
    key: str
    url: str
    attempts: int


class Attempt(msgspec.Struct, frozen=True):
    """What came of one attempt. `at` is Unix seconds, `seconds` it took, `status` the answer's, None without one.

    `error` says why it does not count as delivered, None when it does; with `final` no other attempt can do better.
    """

    at: float
    seconds: float
    status: int | None = None
    error: str | None = None
    final: bool = False


class Result(msgspec.Struct, frozen=True):
    """Where a delivery stands after an attempt; `next_at` is Unix seconds, None when there is nothing left to do."""

    state: State
    next_at: float | None = None


class Claim(msgspec.Struct, frozen=True):
    """What a process takes on: at most `limit` deliveries, so that no account has more than `per_account` with those of
    `busy` (by account). They are nobody else's for `lease` seconds.
    """

    limit: int
    per_account: int
    lease: float
    busy: Mapping[str, int] = {}


class DeliveryStore(Protocol):
    """The deliveries."""

    async def claim(self, claim: Claim) -> list[Delivery]:
        """Take on what is due, the longest due first, and count the attempts as begun.

        Nothing goes to two claims within the lease; what is not concluded by then is due again. A delivery waits while
        things that its job made are still being fetched.
        """
        ...

    async def conclude(self, delivery: Delivery, attempt: Attempt, result: Result) -> None:
        """Write an attempt down, and where the delivery stands, unless a later attempt has begun. Once."""
        ...

    async def prune(self, seconds: float) -> int:
        """Delete deliveries that ended more than `seconds` ago, with their attempts; how many there were."""
        ...


class KeySecrets(Protocol):
    """What calls for a key's jobs are signed with."""

    async def of(self, key: str) -> bytes | None:
        """32 bytes, the same for as long as the key lives; None when it was revoked, or there is none such."""
        ...


def chosen(due: Sequence[tuple[str, str]], claim: Claim) -> list[str]:
    """Ids among `due` (id and account, the longest due first) that a claim takes."""
    taken: list[str] = []
    busy = dict(claim.busy)
    for name, account in due:
        if len(taken) == claim.limit:
            break
        if busy.get(account, 0) < claim.per_account:
            busy[account] = busy.get(account, 0) + 1
            taken.append(name)
    return taken
