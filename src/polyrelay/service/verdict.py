"""Turns what happened upstream into what a client is told. Vendors' own words stay out of it, but for a plain 4xx."""

import math
from collections.abc import Sequence
from email.utils import parsedate_to_datetime

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.kernel import errors
from polyrelay.routing.plan import Failure
from polyrelay.service.ports import HeaderList

REQUEST_IS_WRONG = frozenset({400, 409, 413, 415, 422})
"""Statuses that blame the request itself: another channel would say the same, so the client gets them as they are."""

LONGEST_WAIT_SECONDS = 86400.0
"""A vendor that asks for more is told to clients as a day: by then an operator has looked."""

_BUSY = frozenset({503, 529})
_RATE_LIMITED = 429
_SLOW = frozenset({FaultKind.FIRST_BYTE, FaultKind.IDLE, FaultKind.TOTAL})


def refusal(failures: Sequence[Failure]) -> errors.Refusal:
    """The answer after the last candidate failed; `failures` has at least one."""
    return failed(failures[-1].fault, _soonest(failures))


def failed(last: Fault, retry_after: float | None) -> errors.Refusal:
    """The answer after a fault that nobody else makes up for; `retry_after` is in seconds."""
    if last.status == _RATE_LIMITED:
        return errors.RateLimited(
            "The upstream provider is rate limiting this model; retry later.",
            code="upstream_rate_limited",
            retry_after=retry_after if retry_after is not None else 1.0,
        )
    if last.kind in _SLOW:
        return errors.UpstreamSlow("The upstream provider did not answer in time.")
    if last.status in _BUSY:
        return errors.UpstreamBusy("The upstream provider is overloaded; retry later.", retry_after=retry_after)
    if last.kind is FaultKind.CONNECT:
        return errors.UpstreamBroken("The upstream provider could not be reached.", code="upstream_unreachable")
    return errors.UpstreamBroken("The upstream provider failed to answer this request.")


def rejected(words: str | None = None) -> errors.Refusal:
    """For a 4xx that blames the request; with the upstream's own `words` where they may be read."""
    said = f": {words}" if words else "."
    return errors.InvalidRequest(f"The upstream provider rejected this request{said}", code="upstream_rejected")


def broken_off(fault: Fault) -> errors.Refusal:
    """The in-band error after bytes had been delivered."""
    if fault.kind in _SLOW:
        return errors.UpstreamSlow("The upstream provider stopped sending before the answer was complete.")
    return errors.UpstreamBroken("The upstream provider broke off before the answer was complete.", code="stream_cut")


def retry_after(headers: HeaderList, now: float) -> float | None:
    """Seconds an upstream asks to wait: `retry-after-ms`, or `retry-after` as seconds or HTTP date (RFC 9110 10.2.3).

    `now` is Unix seconds. None when absent or unreadable; never negative, never above `LONGEST_WAIT_SECONDS`.
    """
    found = dict(headers)
    try:
        if b"retry-after-ms" in found:
            return _bounded(float(found[b"retry-after-ms"]) / 1000)
        value = found.get(b"retry-after", b"").decode("ascii")
        if not value:
            return None
        if value.replace(".", "", 1).isdigit():
            return _bounded(float(value))
        return _bounded(parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _bounded(seconds: float) -> float | None:
    return None if math.isnan(seconds) else min(max(0.0, seconds), LONGEST_WAIT_SECONDS)


def _soonest(failures: Sequence[Failure]) -> float | None:
    asked = [failure.fault.retry_after for failure in failures if failure.fault.retry_after is not None]
    return min(asked, default=None)
