"""Limits of one process, in memory."""

from polyrelay.access.headers import HeaderPairs, duration
from polyrelay.access.limits import NO_RULES, LimitBook
from polyrelay.access.principal import LimitScope, Principal, ScopeId
from polyrelay.access.quota import LEASE_SECONDS, Denial, Gate, Grant, Quota, Worker, lease_span
from polyrelay.kernel import errors
from polyrelay.kernel.clock import Clock
from polyrelay.kernel.ids import KeyId
from polyrelay.service.ports import Lease

SWEEP_SECONDS = 60.0
"""How often idle scopes are forgotten. A scope is idle when its windows have emptied: sooner would find fewer."""


class RequestExceedsLimit(errors.RateLimited):
    """One request asks for more than a whole minute allows: waiting cannot cure it."""

    default_code = "request_exceeds_limit"
    final = True


class _Unlimited:
    """The lease of a request without limits. One serves all."""

    __slots__ = ()

    def headers(self) -> HeaderPairs:
        return ()

    def release(self, tokens: int) -> None:
        pass


class _Taken:
    __slots__ = ("_clock", "_gate", "release")

    def __init__(self, clock: Clock, gate: Gate, grant: Grant) -> None:
        self._clock = clock
        self._gate = gate
        self.release = grant.release

    def headers(self) -> HeaderPairs:
        return self._gate.headers(self._clock.monotonic())


class _Plan:
    """The gates of one key by model, good for as long as `principal` is the same object."""

    __slots__ = ("gates", "principal")

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.gates: dict[str, Gate] = {}


UNLIMITED: Lease = _Unlimited()


class MemoryLimits:
    """The `Limits` port: this worker's share of every limit. A restart forgets what was used.

    Keeps state only for scopes used within the last minute or two, or within a day where a day is limited.
    """

    def __init__(
        self,
        clock: Clock,
        book: LimitBook = NO_RULES,
        *,
        workers: int = 1,
        index: int = 0,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        """`index` (from 0) of `workers` is this process; `lease_seconds` the longest that an exchange can last."""
        self._clock = clock
        self._book = book
        self._worker = Worker(workers, index, lease_span(lease_seconds))
        self._quotas: dict[ScopeId, Quota] = {}
        self._plans: dict[KeyId, _Plan] = {}
        self._sweep_at = clock.monotonic() + SWEEP_SECONDS

    def __len__(self) -> int:
        """Scopes that state is kept for."""
        return len(self._quotas)

    def adopt(self, book: LimitBook) -> None:
        """Go on under other limits by model and group; what was used stays counted."""
        self._book = book
        self._plans.clear()

    def take(self, principal: Principal, tokens: int, model: str) -> Lease:
        """Reserve one request, `tokens` tokens and a place in every scope the request falls under, or in none.

        Raises:
            errors.RateLimited: code `rate_limit_exceeded`, with `retry_after` and `x-ratelimit-*` headers.
            RequestExceedsLimit: `tokens` alone is above what a minute of one of the scopes allows.
        """
        if not (self._book.rules or principal.scopes or principal.limits):
            return UNLIMITED
        now = self._clock.monotonic()
        if now >= self._sweep_at:
            self._sweep(now)
        plan = self._plans.get(principal.key_id)
        gate = plan.gates.get(model) if plan is not None and plan.principal is principal else None
        if gate is None:
            gate = self._gate(principal, model)
        if gate.open:
            return UNLIMITED
        answer = gate.take(now, tokens)
        if isinstance(answer, Denial):
            raise _refusal(answer, tokens, gate.headers(now))
        return _Taken(self._clock, gate, answer)

    def _gate(self, principal: Principal, model: str) -> Gate:
        gate = Gate([self._quota(scope) for scope in self._book.scopes(principal, model)])
        plan = self._plans.get(principal.key_id)
        if plan is None or plan.principal is not principal:
            plan = self._plans[principal.key_id] = _Plan(principal)
        plan.gates[model] = gate
        return gate

    def _quota(self, scope: LimitScope) -> Quota:
        held = self._quotas.get(scope.id)
        if held is None:
            held = self._quotas[scope.id] = Quota(scope, self._worker)
        elif held.scope != scope:
            held.adopt(scope)
        return held

    def _sweep(self, now: float) -> None:
        """Forget idle scopes, and every gate, since gates hold on to the windows of scopes."""
        self._sweep_at = now + SWEEP_SECONDS
        self._plans.clear()
        for scope in [scope for scope, held in self._quotas.items() if held.idle(now)]:
            del self._quotas[scope]


def _refusal(denial: Denial, tokens: int, told: HeaderPairs) -> errors.RateLimited:
    terms = denial.terms
    allowed = f"{terms.limit} {terms.kind.value}"
    if denial.retry_after is None:
        part = "" if terms.largest == terms.limit else f"{terms.largest}, one worker's share of "
        return RequestExceedsLimit(
            f"This request may use up to {tokens} tokens, more than {part}the {allowed} allowed to {terms.label}. "
            "Shorten the input or lower the output limit.",
            headers=told,
        )
    return errors.RateLimited(
        f"Rate limit reached for {terms.label}: {allowed}. Please try again in {duration(denial.retry_after)}.",
        retry_after=denial.retry_after,
        headers=told,
    )
