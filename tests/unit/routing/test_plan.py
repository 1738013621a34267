import pytest

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.routing import plan
from polyrelay.routing.channel import Candidate, Channel, Credential
from polyrelay.routing.plan import Failure, Next, Stop, Wait


def candidates(*channels: str) -> list[Candidate]:
    """One candidate per name; `a` and `a` are two credentials of channel a."""
    return [
        Candidate(Channel(name, "openai", f"https://{name}", ()), Credential(f"#{n}", "s"))
        for n, name in enumerate(channels)
    ]


def failed(candidate: Candidate, kind: FaultKind = FaultKind.STATUS) -> Failure:
    return Failure(candidate, Fault(kind))


@pytest.mark.parametrize("kind", list(FaultKind))
def test_any_fault_moves_on_to_the_next_channel(kind: FaultKind) -> None:
    a, b = candidates("a", "b")
    assert plan.after([failed(a, kind)], [a, b]) == Next((b,))


def test_another_credential_of_the_same_channel_is_tried_after_a_refusal() -> None:
    first, second = candidates("a", "a")
    assert plan.after([failed(first, FaultKind.STATUS)], [first, second]) == Next((second,))


def test_an_unreachable_host_is_not_tried_through_another_credential() -> None:
    first, second, other = candidates("a", "a", "b")
    assert plan.after([failed(first, FaultKind.CONNECT)], [first, second, other]) == Next((other,))
    assert plan.after([failed(first, FaultKind.CONNECT)], [first, second]) == Stop()


def test_what_failed_is_not_tried_again() -> None:
    a, b = candidates("a", "b")
    assert plan.after([failed(a), failed(b)], [a, b]) == Stop()


@pytest.mark.parametrize("kind", [FaultKind.CONNECT, FaultKind.CUT])
def test_a_single_candidate_gets_one_more_try_after_a_broken_connection(kind: FaultKind) -> None:
    (a,) = candidates("a")
    assert plan.after([failed(a, kind)], [a]) == Wait(a, plan.RETRY_PAUSE)
    assert plan.after([failed(a, kind), failed(a, kind)], [a]) == Stop()


def test_a_single_candidate_that_answered_badly_is_not_tried_again() -> None:
    (a,) = candidates("a")
    assert plan.after([failed(a, FaultKind.STATUS)], [a]) == Stop()


def test_attempts_are_bounded() -> None:
    many = candidates(*"abcdefgh")
    failures = [failed(each) for each in many[: plan.ATTEMPTS_MAX]]
    assert isinstance(plan.after(failures[:-1], many), Next)
    assert plan.after(failures, many) == Stop()
