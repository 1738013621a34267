"""Limits of one process, in memory."""

from polyrelay.access import quota
from polyrelay.access.principal import Principal
from polyrelay.kernel import errors
from polyrelay.kernel.clock import Clock
from polyrelay.kernel.ids import KeyId
from polyrelay.service.ports import Lease

SWEEP_SECONDS = 60.0
"""How often idle keys are forgotten. An idle key is one whose windows have emptied, so sooner would find fewer."""


class RequestExceedsLimit(errors.RateLimited):
    """One request asks for more than a whole minute allows: waiting cannot cure it."""

    default_code = "request_exceeds_limit"
    final = True


class _Unlimited:
    """The lease of a key without limits. One serves all."""

    __slots__ = ()

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        return ()

    def release(self, tokens: int) -> None:
        pass


class _Taken:
    __slots__ = ("_clock", "_grant", "_quota")

    def __init__(self, clock: Clock, held: quota.Quota, grant: quota.Grant) -> None:
        self._clock = clock
        self._quota = held
        self._grant = grant

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        return self._quota.headers(self._clock.monotonic())

    def release(self, tokens: int) -> None:
        self._quota.release(self._grant, tokens)


UNLIMITED: Lease = _Unlimited()


class MemoryLimits:
    """The `Limits` port. Keeps state only for keys used within the last minute or two."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._quotas: dict[KeyId, quota.Quota] = {}
        self._sweep_at = clock.monotonic() + SWEEP_SECONDS

    def __len__(self) -> int:
        """Keys that state is kept for."""
        return len(self._quotas)

    def take(self, principal: Principal, tokens: int) -> Lease:
        """Reserve one request, `tokens` tokens and a place at once.

        Raises:
            errors.RateLimited: code `rate_limit_exceeded`, with `retry_after` and `x-ratelimit-*` headers.
            RequestExceedsLimit: `tokens` alone is above the key's tokens per minute.
        """
        limits = principal.limits
        if not (limits.requests_per_minute or limits.tokens_per_minute or limits.concurrency):
            return UNLIMITED
        now = self._clock.monotonic()
        if now >= self._sweep_at:
            self._sweep(now)
        held = self._quotas.get(principal.key_id)
        if held is None:
            held = self._quotas[principal.key_id] = quota.Quota(limits)
        elif held.limits is not limits:
            held.adopt(limits)
        answer = held.take(now, tokens)
        if isinstance(answer, quota.Denial):
            raise _refusal(answer, tokens, held.headers(now))
        return _Taken(self._clock, held, answer)

    def _sweep(self, now: float) -> None:
        self._sweep_at = now + SWEEP_SECONDS
        for key_id in [key_id for key_id, held in self._quotas.items() if held.idle(now)]:
            del self._quotas[key_id]


def _refusal(denial: quota.Denial, tokens: int, headers: tuple[tuple[bytes, bytes], ...]) -> errors.RateLimited:
    if denial.retry_after is None:
        return RequestExceedsLimit(
            f"This request may use up to {tokens} tokens, more than the {denial.limit} {denial.kind.value} "
            "this API key is allowed. Shorten the input or lower the output limit.",
            headers=headers,
        )
    wait = quota.duration(denial.retry_after)
    return errors.RateLimited(
        f"Rate limit reached for this API key: {denial.limit} {denial.kind.value}. Please try again in {wait}.",
        retry_after=denial.retry_after,
        headers=headers,
    )
