"""What follows a fault before commit: the next candidate, a short wait, or the end."""

from collections.abc import Sequence
from dataclasses import dataclass

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.routing.channel import Candidate

ATTEMPTS_MAX = 5
"""Upstream calls for one client request. A model on more channels than this has a deeper trouble than one of them."""

RETRY_PAUSE = 0.1
"""Seconds before the only candidate is tried once more. Enough for a reset connection, too short to be noticed."""

_HOST_IS_DOWN = frozenset({FaultKind.CONNECT})
_WORTH_ONE_MORE = frozenset({FaultKind.CONNECT, FaultKind.CUT})


@dataclass(frozen=True, slots=True)
class Next:
    """Try the first of these candidates now, or another one if that is busy."""

    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Try this candidate after `seconds`."""

    candidate: Candidate
    seconds: float


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing is left to try."""


Step = Next | Wait | Stop


@dataclass(frozen=True, slots=True)
class Failure:
    """A candidate and how it failed."""

    candidate: Candidate
    fault: Fault


def after(failures: Sequence[Failure], candidates: Sequence[Candidate]) -> Step:
    """The step after the latest of `failures` (at least one), given all `candidates` in order of preference.

    A candidate that failed is not tried again, and a host that could not be reached is not tried through another
    credential. Only when a single candidate exists, a connection that could not be made or broke gets one more try.
    """
    if len(failures) >= ATTEMPTS_MAX:
        return Stop()
    left = untried(failures, candidates)
    if left:
        return Next(left)
    if len(candidates) == 1 and len(failures) == 1 and failures[0].fault.kind in _WORTH_ONE_MORE:
        return Wait(candidates[0], RETRY_PAUSE)
    return Stop()


def untried(failures: Sequence[Failure], candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Those of `candidates` that are worth a try after `failures`, in their order."""
    tried = {failure.candidate for failure in failures}
    down = {failure.candidate.channel.name for failure in failures if failure.fault.kind in _HOST_IS_DOWN}
    return tuple([each for each in candidates if each not in tried and each.channel.name not in down])
