"""Headers that every answer carries, and the client headers they come from."""

import re

import msgspec

from polyrelay.kernel import money
from polyrelay.kernel.ids import ExchangeId
from polyrelay.kernel.money import Nanos
from polyrelay.service.ports import Head

_LABEL = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_SSE = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)

COMMENT = b": keep-alive\n\n"
"""An SSE comment: no client shows it, and no idle path closes on it."""

Headers = list[tuple[bytes, bytes]]


class Slip(msgspec.Struct, frozen=True, gc=False):
    """What identifies one exchange to its client.

    `label` is the client's own `x-request-id` when it sent a valid one (128 characters of A-Z a-z 0-9 . _ : -);
    `arrived` monotonic seconds.
    """

    exchange: ExchangeId
    label: str | None
    arrived: float

    @property
    def shown(self) -> str:
        """By what its client knows it."""
        return self.label or self.exchange

    def headers(self, now: float) -> Headers:
        """`x-request-id` and `openai-processing-ms`, as of `now` (monotonic seconds)."""
        elapsed = int((now - self.arrived) * 1000)
        return [(b"x-request-id", self.shown.encode("ascii")), (b"openai-processing-ms", b"%d" % elapsed)]


def label(value: bytes | None) -> str | None:
    """A client's `x-request-id` if it may be echoed, else None."""
    if value is None or _LABEL.fullmatch(value) is None:
        return None
    return value.decode("ascii")


def asks_cost(head: Head) -> bool:
    """Whether a client wants its charge told as `usage.cost`: `x-polyrelay-usage-cost: true`."""
    return head.get(b"x-polyrelay-usage-cost") == b"true"


def cost(charge: Nanos) -> tuple[bytes, bytes]:
    """`x-polyrelay-cost`: what the answer was charged, in the instance's currency."""
    return b"x-polyrelay-cost", money.show(charge).encode("ascii")


def clamped(cap: int) -> tuple[bytes, bytes]:
    """`x-polyrelay-clamped`: for want of funds, each choice may have no more than `cap` output tokens."""
    return b"x-polyrelay-clamped", b"max_tokens=%d" % cap


def event_stream() -> Headers:
    """Headers of an SSE answer. `x-accel-buffering: no` keeps nginx in front of us from holding frames back."""
    return list(_SSE)
