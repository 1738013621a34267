"""Limits of random scopes under random traffic, against a count kept by hand."""

from dataclasses import dataclass, field

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from polyrelay.access.limits import LimitBook
from polyrelay.access.principal import KeyLimits, Principal, ScopeId, account_limits, project_limits
from polyrelay.access.windows import LimitKind
from polyrelay.kernel import errors
from polyrelay.kernel.ids import AccountId, KeyId
from polyrelay.service.ports import Lease
from polyrelay.settings.limits import LimitSettings
from polyrelay.state.memory import MemoryLimits

MODELS = ("gpt-4o", "gpt-4o-mini", "claude")
GROUPS = ("default", "vip")
DAY_SECONDS = 86_400
WITHOUT_EXPLANATION = settings(phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink])
"""A failure is shrunk; explaining it as well takes a minute and more."""


@dataclass
class HandClock:
    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


@dataclass(frozen=True)
class Step:
    pause: float
    caller: int
    model: str
    tokens: int
    worker: int
    used: int | None
    """Tokens the oldest open exchange of the caller is released with, after the step; None leaves it open."""


@dataclass
class Taken:
    at: float
    scopes: tuple[ScopeId, ...]
    counted: int
    is_open: bool = True
    lease: Lease | None = field(default=None, repr=False)


numbers = st.sampled_from([0, 0, 1, 2, 3, 5, 8])
limits = st.builds(KeyLimits, numbers, st.sampled_from([0, 0, 50, 200]), numbers, numbers)
rules = st.builds(
    LimitSettings,
    model=st.sampled_from([None, "*", "gpt-4*", "claude"]),
    group=st.sampled_from([None, *GROUPS]),
    each=st.sampled_from([None, "account", "key"]),
    requests_per_minute=numbers,
    requests_per_day=numbers,
    tokens_per_minute=st.sampled_from([0, 100]),
    concurrency=numbers,
)
pauses = st.sampled_from([0.0, 0.0, 0.0, 0.4, 3.0, 29.0, 61.0, 700.0, 40_000.0])
steps = st.builds(
    Step,
    pauses,
    st.integers(0, 3),
    st.sampled_from(MODELS),
    st.integers(0, 60),
    st.integers(0, 9),
    st.none() | st.integers(0, 60),
)


@st.composite
def callers(draw: st.DrawFn) -> list[Principal]:
    """Four keys of two accounts, each with a project."""
    shared = [draw(limits) for _ in range(4)]
    made: list[Principal] = []
    for number in range(4):
        account = AccountId(f"acc_{number // 2}")
        scopes = (account_limits(account, shared[number // 2]), project_limits(account, shared[2 + number // 2]))
        made.append(
            Principal(
                KeyId(f"key_{number}"), account, "a", limits=draw(limits), group=GROUPS[number // 2], scopes=scopes
            )
        )
    return made


def asked(held: MemoryLimits, principal: Principal, step: Step) -> Lease | None:
    """What was taken; None when it was refused."""
    try:
        return held.take(principal, step.tokens, step.model)
    except errors.RateLimited:
        return None


def counted(held: MemoryLimits, now: float) -> dict[tuple[ScopeId, LimitKind], int]:
    """What every window of every scope counts; scopes that count nothing are as good as absent."""
    found: dict[tuple[ScopeId, LimitKind], int] = {}
    for scope, quota in held._quotas.items():
        for window in quota.windows(*LimitKind):
            window.forget(now)
            if window.used:
                found[scope, window.terms.kind] = window.used
    return found


def within(bounds: KeyLimits, scope: ScopeId, taken: list[Taken], now: float) -> bool:
    """Whether all that was taken of `scope` is within `bounds`, by the plain meaning of each limit."""
    mine = [one for one in taken if scope in one.scopes]
    minute = [one for one in mine if one.at > now - 60]
    return (
        (not bounds.requests_per_minute or len(minute) <= bounds.requests_per_minute)
        and (not bounds.tokens_per_minute or sum(one.counted for one in minute) <= bounds.tokens_per_minute)
        and (not bounds.concurrency or sum(one.is_open for one in mine) <= bounds.concurrency)
        and (not bounds.requests_per_day or sum(one.at > now - DAY_SECONDS for one in mine) <= bounds.requests_per_day)
    )


def release(taken: list[Taken], used: int) -> None:
    """End the oldest open exchange; `used` is at most what it has reserved, so that no limit is overshot by it."""
    for one in taken:
        if one.is_open and one.lease is not None:
            one.is_open, one.counted = False, min(used, one.counted)
            one.lease.release(one.counted)
            return


@WITHOUT_EXPLANATION
@given(who=callers(), book=st.lists(rules, max_size=3), traffic=st.lists(steps, max_size=40), workers=st.integers(1, 3))
def test_no_scope_passes_a_limit_and_a_denial_changes_nothing_anywhere(
    who: list[Principal], book: list[LimitSettings], traffic: list[Step], workers: int
) -> None:
    clock, rulebook = HandClock(), LimitBook(tuple(book))
    held = [MemoryLimits(clock, rulebook, workers=workers, index=n, lease_seconds=10**9) for n in range(workers)]
    taken: list[Taken] = []
    for step in traffic:
        clock.now += step.pause
        principal, mine = who[step.caller], held[step.worker % workers]
        scopes = {scope.id: scope.limits for scope in rulebook.scopes(principal, step.model)}
        before = counted(mine, clock.now)
        lease = asked(mine, principal, step)
        if lease is None:
            assert counted(mine, clock.now) == before
        else:
            taken.append(Taken(clock.now, tuple(scopes), step.tokens, lease=lease))
            assert all(within(bounds, scope, taken, clock.now) for scope, bounds in scopes.items())
        if step.used is not None:
            release(taken, step.used)


@WITHOUT_EXPLANATION
@given(who=callers(), book=st.lists(rules, max_size=3), traffic=st.lists(steps, max_size=40))
def test_when_every_exchange_has_ended_and_a_day_has_passed_nothing_is_left(
    who: list[Principal], book: list[LimitSettings], traffic: list[Step]
) -> None:
    clock = HandClock()
    held = MemoryLimits(clock, LimitBook(tuple(book)), lease_seconds=DAY_SECONDS)
    for step in traffic:
        clock.now += step.pause
        lease = asked(held, who[step.caller], step)
        if lease is not None and step.used is not None:
            lease.release(step.used)
    clock.now += DAY_SECONDS * 1.1
    assert counted(held, clock.now) == {}
    held.take(Principal(KeyId("late"), AccountId("b"), "b", limits=KeyLimits(9)), 0, "late")
    assert len(held) <= 1 + len(book)
