"""How an attempt and the exchange it belongs to speak: one way to hand an answer on per kind of answer."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from polyrelay.exchange.faults import Fault
from polyrelay.exchange.outcome import Outcome
from polyrelay.exchange.usage import Usage
from polyrelay.kernel import errors
from polyrelay.service.answers import Headers
from polyrelay.service.ports import Take
from polyrelay.service.room import Room
from polyrelay.settings.root import Settings


class Observed(msgspec.Struct, frozen=True, gc=False):
    """What was learned of an answer: stated `usage` if any, `finish` reason, content bytes `delivered`."""

    usage: Usage | None = None
    finish: str | None = None
    delivered: int = 0


Price = Callable[[Usage], bytes]
"""What a usage is charged, as a JSON number."""

Leaks = Callable[[bytes], bool]
"""Whether a vendor's words name our key or where we called."""


class Host(Protocol):
    """The exchange, as its current attempt knows it."""

    committed: bool

    @property
    def settings(self) -> Settings:
        """The configuration this exchange began with."""
        ...

    @property
    def price(self) -> Price | None:
        """Set when the client asked for its charge in the answer."""
        ...

    @property
    def room(self) -> Room:
        """For what waits to be complete."""
        ...

    def commit(self, headers: Headers) -> bool:
        """From here on the client has this attempt's bytes: no other may follow (M6).

        False when the books cannot be told: then the exchange is over, and nothing may be written.
        """
        ...

    @property
    def write(self) -> Take:
        """Takes body bytes for the client."""
        ...

    def failed(self, fault: Fault) -> None:
        """The attempt failed before commit."""
        ...

    def answered(self, headers: Headers, body: bytes, observed: Observed) -> None:
        """A whole unary answer."""
        ...

    def rejected(self, status: int, headers: Headers, body: bytes) -> None:
        """The vendor blames the request, in its own words."""
        ...

    def finished(self, observed: Observed, tail: bytes, outcome: Outcome) -> None:
        """A streamed answer is over; `tail` are its last bytes."""
        ...

    def broken(self, observed: Observed, refusal: errors.Refusal, outcome: Outcome) -> None:
        """A committed answer broke off."""
        ...


class Delivery(Protocol):
    """Takes one kind of body: a stream, a unary answer, a rejection. `host` is whom it tells."""

    host: Host

    def data(self, chunk: bytes) -> None:
        """A piece of it."""
        ...

    def ended(self) -> None:
        """All of it was there."""
        ...

    def failed(self, fault: Fault) -> None:
        """The rest will not come."""
        ...

    def observed(self, *, cut: bool = False) -> Observed:
        """What is known so far; `cut` when it ends here, and not by the client's doing."""
        ...
