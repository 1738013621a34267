"""What the service needs from the outside world. Everything on the request path is a synchronous callback:
an exchange costs no task, and bytes pass from one socket to the other within one loop iteration.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from polyrelay.access.principal import Principal
from polyrelay.exchange.call import BillingGroup, Call
from polyrelay.exchange.faults import Fault
from polyrelay.exchange.outcome import Outcome
from polyrelay.exchange.usage import Usage
from polyrelay.kernel.ids import ExchangeId
from polyrelay.providers.outbound import OutboundRequest

HeaderList = Sequence[tuple[bytes, bytes]]
"""Header names in lower case, values as on the wire."""

Head = Mapping[bytes, bytes]
"""The same by name; the HTTP side refuses requests that repeat a header which matters here."""


# ── the client's side ────────────────────────────────────────────────────────────────────────────────────────────


class Inbound(msgspec.Struct, gc=False):
    """One request, its body complete.

    `surface` names the protocol and its flavour (`openai_chat`, `aitoearn_chat`); `headers` are the client's, names in
    lower case; `peer` the client's address after trusted proxies; `arrived` monotonic seconds at the first byte.
    """

    surface: str
    headers: list[tuple[bytes, bytes]]
    body: bytes
    peer: str
    arrived: float


class Client(Protocol):
    """The writing end of one exchange. Implemented by the fast lane; every call returns at once."""

    def reply(self, status: int, headers: HeaderList, body: bytes) -> None:
        """The whole answer in one write; content-length is added. Ends the exchange."""
        ...

    def start(self, status: int, headers: HeaderList) -> None:
        """Status and headers of an answer of unknown length (chunked, or until close for HTTP/1.0)."""
        ...

    def write(self, data: bytes) -> None:
        """Body bytes after `start`."""
        ...

    def finish(self, *, close: bool = False) -> None:
        """The proper end of the body; `close` drops the connection after it."""
        ...

    def cut(self) -> None:
        """Close without a proper end, so that the client sees a truncated body."""
        ...


class Exchange(Protocol):
    """What the fast lane tells an open exchange."""

    def client_gone(self) -> None:
        """The client closed or reset its side. Nothing may be written afterwards."""
        ...

    def pause(self) -> None:
        """The client's buffer is above its high water mark."""
        ...

    def resume(self) -> None:
        """The client's buffer has drained."""
        ...

    def shut(self) -> None:
        """The drain deadline has passed: end honestly, now."""
        ...


# ── the upstream's side ──────────────────────────────────────────────────────────────────────────────────────────


class Take(Protocol):
    """A function of bytes, or a method of somebody else's kept as an attribute."""

    def __call__(self, data: bytes, /) -> None:
        """Take them."""
        ...


class Sink(Protocol):
    """Receives one upstream answer. `ended` or `failed` comes exactly once, last, unless the flight was cancelled."""

    def head(self, status: int, headers: HeaderList) -> None:
        """Final status and headers (informational ones are not reported)."""
        ...

    @property
    def data(self) -> Take:
        """Takes a piece of the body as it arrived, content coding removed. Looked up anew for each."""
        ...

    def ended(self) -> None:
        """The body is complete as the protocol defines it."""
        ...

    def failed(self, fault: Fault) -> None:
        """The attempt is over; deadlines count as faults."""
        ...


class Flight(Protocol):
    """One upstream request under way. Calls are allowed at any time, within a sink's callback and after the end too."""

    def cancel(self) -> None:
        """Drop it; the sink hears nothing more."""
        ...

    def pause(self) -> None:
        """Stop reading from the upstream."""
        ...

    def resume(self) -> None:
        """Go on reading."""
        ...


class Upstream(Protocol):
    """The HTTP client."""

    def send(self, request: OutboundRequest, sink: Sink) -> Flight:
        """Start a request. Never raises and never calls the sink before it has returned."""
        ...


# ── time, money, limits, keys, records ───────────────────────────────────────────────────────────────────────────


class Timer(Protocol):
    """A pending call."""

    def cancel(self) -> None:
        """Forget it."""
        ...


class Timers(Protocol):
    """Delayed calls on the event loop."""

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Timer:
        """Call after `delay` seconds."""
        ...


class Keys(Protocol):
    """Looks up client keys."""

    def find(self, token: str) -> Principal | None:
        """The holder of `token` in clear, or None when no such key was ever made or it was revoked."""
        ...


class Lease(Protocol):
    """What one exchange holds of its limits."""

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """`x-ratelimit-*` as they stand; empty when the key has no limits."""
        ...

    def release(self, tokens: int) -> None:
        """Give back the concurrency slot and correct the tokens to what was used. Idempotent."""
        ...


class Limits(Protocol):
    """Requests, tokens and concurrency, taken together or not at all."""

    def take(self, principal: Principal, tokens: int) -> Lease:
        """Reserve one request, `tokens` tokens and a slot.

        Raises `errors.RateLimited` with `retry_after` and `x-ratelimit-*` headers.
        """
        ...


class Hold(msgspec.Struct, frozen=True, gc=False):
    """Funds set aside for one exchange."""

    exchange: ExchangeId
    principal: Principal
    call: Call


class Ledger(Protocol):
    """Money. `reserve` precedes the upstream call; `settle` or `void` follows exactly once."""

    def reserve(self, exchange: ExchangeId, principal: Principal, call: Call) -> Hold:
        """Set aside the upper bound of what `call` can cost. Raises `errors.Refusal` when it cannot be covered."""
        ...

    def settle(self, hold: Hold, usage: Usage, outcome: Outcome) -> None:
        """Post what was used and give the rest back. Returns once the record is written. Idempotent by exchange id."""
        ...

    def void(self, hold: Hold) -> None:
        """Give everything back: nothing was delivered. Idempotent by exchange id."""
        ...


class Record(msgspec.Struct, frozen=True, gc=False):
    """One exchange, for the log and the usage records. Times in seconds; `status` as sent to the client."""

    exchange: ExchangeId
    label: str | None
    surface: str
    account: str | None
    key: str | None
    model: str | None
    channel: str | None
    status: int
    outcome: Outcome
    attempts: int
    seconds: float
    first_token: float | None
    usage: Usage | None
    finish: str | None
    error: str | None
    billing: BillingGroup | None


class Records(Protocol):
    """Takes records off the request path."""

    def add(self, record: Record) -> None:
        """Never blocks and never raises; drops the oldest when full, and counts that."""
        ...
