"""What the service needs from the outside world. Everything on the request path is a synchronous callback:
an exchange costs no task, and bytes pass from one socket to the other within one loop iteration.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import msgspec

from polyrelay.access.principal import Principal
from polyrelay.exchange.call import BillingGroup, Call
from polyrelay.exchange.faults import Fault
from polyrelay.exchange.outcome import Outcome
from polyrelay.exchange.upload import Upload
from polyrelay.exchange.usage import Usage
from polyrelay.kernel import errors
from polyrelay.kernel.ids import ExchangeId
from polyrelay.kernel.money import Nanos
from polyrelay.providers.outbound import OutboundRequest
from polyrelay.wire.multipart.form import Form

HeaderList = Sequence[tuple[bytes, bytes]]
"""Header names in lower case, values as on the wire."""

Head = Mapping[bytes, bytes]
"""The same by name; the HTTP side refuses requests that repeat a header which matters here."""


# ── the client's side ────────────────────────────────────────────────────────────────────────────────────────────


class Inbound(msgspec.Struct, gc=False):
    """One request, its body complete.

    `surface` names the protocol and its flavour (`openai_chat`, `aitoearn_chat`); `headers` are the client's, names in
    lower case; `peer` the client's address after trusted proxies; `arrived` monotonic seconds at the first byte;
    `query` what follows the path's question mark, as it came. Implements `spoken.Incoming`.

    Of a multipart/form-data body `form` tells the parts and `upload` has the bytes, and `body` is empty. The upload is
    the HTTP side's, which holds it until the exchange has ended or its client is gone; an upstream request holds it
    while it is under way. Who needs it for longer retains it.
    """

    surface: str
    headers: list[tuple[bytes, bytes]]
    body: bytes
    peer: str
    arrived: float
    query: bytes = b""
    form: Form | None = None
    upload: Upload | None = None


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
        """`x-ratelimit-*` of the tightest limits as they stand; empty when nothing is limited."""
        ...

    def release(self, tokens: int) -> None:
        """Give back the place and correct the tokens to what was used. Idempotent; without effect after expiry."""
        ...


class Limits(Protocol):
    """Requests, tokens and concurrency of key, project, account, model and group, taken together or not at all."""

    def take(self, principal: Principal, tokens: int, model: str) -> Lease:
        """Reserve one request for `model`, `tokens` tokens and a place, in every scope that limits them, or in none.

        Raises `errors.RateLimited` with `retry_after` and `x-ratelimit-*` headers.
        """
        ...


class Order(msgspec.Struct, frozen=True, gc=False):
    """What is to be paid for: one exchange of `principal`, its call, and the surface it came in by."""

    exchange: ExchangeId
    principal: Principal
    call: Call
    surface: str


class Hold(Protocol):
    """Funds set aside for one exchange."""

    @property
    def exchange(self) -> ExchangeId:
        """Whose."""
        ...

    @property
    def cap(self) -> int | None:
        """Output tokens per choice that the hold covers, and the upstream must be told; None when output is free."""
        ...

    @property
    def clamped(self) -> bool:
        """Whether the cap is lower than what the client asked for, or the model allows, for want of funds."""
        ...


class Funding(Protocol):
    """Who waits for a hold. One of the two is called, once, unless the wait was cancelled."""

    def funded(self, hold: Hold) -> None:
        """The funds are set aside."""
        ...

    def unfunded(self, refusal: errors.Refusal) -> None:
        """They are not to be had."""
        ...


class Wait(Protocol):
    """A reserve that has to ask the bank first."""

    def cancel(self) -> None:
        """Nobody waits any more; nothing is called, nothing is held."""
        ...


H = TypeVar("H", bound=Hold)
"""A ledger's own kind of hold."""


class Ledger(Protocol[H]):
    """Money. `reserve` precedes the upstream call; `settle` or `void` follows exactly once."""

    def reserve(self, order: Order, funding: Funding) -> H | Wait:
        """Set aside the upper bound of what the call can cost.

        A hold when the worker's escrow covers it (nothing is called then), else a wait. Raises `errors.Refusal` when it
        is clear at once that it cannot be covered: no price, no lease, no room in the journal.
        """
        ...

    def sent(self, hold: H, channel: str | None) -> None:
        """Called before the first bytes of an answer leave that is not whole yet. Raises when it cannot be written."""
        ...

    def price(self, hold: H, usage: Usage) -> Nanos:
        """What `usage` is going to be charged, for `usage.cost`."""
        ...

    def settle(self, hold: H, record: "Record", then: Callable[[], None]) -> Nanos:
        """Post `record.usage` and give the rest back; returns what is charged.

        Raises when it cannot be written: then nothing may leave. `then` is called once the record is as durable as the
        operator asked for, which may be before this returns. Idempotent by exchange id.
        """
        ...

    def void(self, hold: H, record: "Record") -> None:
        """Give everything back: nothing was delivered. Idempotent by exchange id."""
        ...

    def refuse(self, record: "Record", principal: Principal) -> None:
        """Keep the record of a request of `principal` that never had a hold. Never raises."""
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
    provider: str | None = None


class Records(Protocol):
    """Takes records off the request path."""

    def add(self, record: Record) -> None:
        """Never blocks and never raises; drops the oldest when full, and counts that."""
        ...
