"""How limits are told to clients: OpenAI's `x-ratelimit-*` headers."""

from functools import lru_cache
from math import ceil, inf

from polyrelay.access.windows import Window

HeaderPairs = tuple[tuple[bytes, bytes], ...]

REQUESTS = (b"x-ratelimit-limit-requests", b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests")
TOKENS = (b"x-ratelimit-limit-tokens", b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens")

CACHED_RESETS = 2048
"""Texts of resets kept: all 61 of a minute, and those of a day that are being told now."""

_MILLIS = 1000
_MINUTE_MILLIS = 60 * _MILLIS
_MINUTES_AN_HOUR = 60
_ROUNDING = 1e-6
"""Milliseconds by which floats may miss a whole number."""


def tightest(names: tuple[bytes, bytes, bytes], windows: tuple[Window, ...], now: float) -> HeaderPairs:
    """Limit, remaining and reset, under `names`, of the window with the least remaining; of equals, the last to reset.

    The limit is as configured, the remaining what this worker may still give: never more than there is. Resets are
    rounded up to a whole second, which is a minute's resolution and lets their texts be used again.
    """
    if not windows:
        return ()
    least, left = windows[0], inf
    for window in windows:
        if window.oldest <= now:
            window.forget(now)
        ours = window.limit - window.used
        if ours < left or (ours == left and window.reset(now) > least.reset(now)):
            least, left = window, ours
    return (
        (names[0], b"%d" % least.terms.limit),
        (names[1], b"%d" % least.remaining),
        (names[2], _reset(ceil(least.reset(now)))),
    )


def duration(seconds: float) -> str:
    """Seconds as OpenAI's reset headers write them: `0s`, `12ms`, `8.64s`, `6m0s`, `1h0m30s`. Rounded up to 1 ms."""
    millis = ceil(seconds * _MILLIS - _ROUNDING)
    if millis <= 0:
        return "0s"
    if millis < _MILLIS:
        return f"{millis}ms"
    minutes, millis = divmod(millis, _MINUTE_MILLIS)
    whole, thousandths = divmod(millis, _MILLIS)
    fraction = f".{thousandths:03d}".rstrip("0") if thousandths else ""
    if not minutes:
        return f"{whole}{fraction}s"
    hours, minutes = divmod(minutes, _MINUTES_AN_HOUR)
    return f"{hours}h{minutes}m{whole}{fraction}s" if hours else f"{minutes}m{whole}{fraction}s"


@lru_cache(maxsize=CACHED_RESETS)
def _reset(seconds: int) -> bytes:
    return duration(seconds).encode()
