import pytest

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.kernel import errors
from polyrelay.routing.channel import Candidate, Channel, Credential
from polyrelay.routing.plan import Failure
from polyrelay.service import verdict

CREDENTIAL = Credential("#1", "secret")
CANDIDATE = Candidate(Channel("a", "openai", "https://10.0.0.1/v1", (CREDENTIAL,)), CREDENTIAL)
NOW = 784111767.0
"""Ten seconds before the example date of RFC 9110 section 5.6.7."""


def failure(kind: FaultKind, status: int | None = None, retry_after: float | None = None) -> Failure:
    return Failure(CANDIDATE, Fault(kind, "10.0.0.1 said secret", status, retry_after))


@pytest.mark.parametrize("kind", FaultKind)
def test_every_fault_has_an_answer_that_shows_nothing_of_the_inside(kind: FaultKind) -> None:
    for told in (verdict.refusal([failure(kind)]), verdict.broken_off(failure(kind).fault)):
        assert told.status in {502, 504}
        assert told.code
        assert "secret" not in told.message
        assert "10.0.0.1" not in told.message


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (429, errors.RateLimited, "upstream_rate_limited"),
        (503, errors.UpstreamBusy, "upstream_unavailable"),
        (529, errors.UpstreamBusy, "upstream_unavailable"),
        (500, errors.UpstreamBroken, "upstream_error"),
        (401, errors.UpstreamBroken, "upstream_error"),
        (302, errors.UpstreamBroken, "upstream_error"),
    ],
)
def test_statuses(status: int, kind: type[errors.Refusal], code: str) -> None:
    told = verdict.refusal([failure(FaultKind.STATUS, status)])
    assert (type(told), told.code) == (kind, code)


def test_the_last_failure_speaks() -> None:
    told = verdict.refusal([failure(FaultKind.STATUS, 503), failure(FaultKind.FIRST_BYTE)])
    assert isinstance(told, errors.UpstreamSlow)
    assert isinstance(verdict.refusal([failure(FaultKind.IDLE), failure(FaultKind.CUT)]), errors.UpstreamBroken)


def test_the_shortest_wait_any_vendor_asks_for_counts() -> None:
    failures = [failure(FaultKind.STATUS, 503, wait) for wait in (9.0, 3.0, None)]
    assert verdict.refusal(failures).retry_after == 3.0
    assert verdict.refusal([failure(FaultKind.STATUS, 503)]).retry_after is None
    assert verdict.refusal([failure(FaultKind.STATUS, 429)]).retry_after == 1.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], None),
        ([(b"retry-after", b"7")], 7.0),
        ([(b"retry-after", b"0.5")], 0.5),
        ([(b"retry-after", b"0")], 0.0),
        ([(b"retry-after-ms", b"250"), (b"retry-after", b"7")], 0.25),
        ([(b"retry-after", b"Sun, 06 Nov 1994 08:49:37 GMT")], 10.0),
        ([(b"retry-after", b"Sun, 06 Nov 1994 08:49:00 GMT")], 0.0),
        ([(b"retry-after", b"soon")], None),
        ([(b"retry-after", b"\xff")], None),
        ([(b"retry-after", b"")], None),
        ([(b"retry-after-ms", b"-5")], 0.0),
        ([(b"retry-after-ms", b"x")], None),
        ([(b"retry-after-ms", b"nan")], None),
        ([(b"retry-after-ms", b"inf")], verdict.LONGEST_WAIT_SECONDS),
        ([(b"retry-after", b"9" * 400)], verdict.LONGEST_WAIT_SECONDS),
        ([(b"retry-after", b"Fri, 31 Dec 9999 23:59:59 GMT")], verdict.LONGEST_WAIT_SECONDS),
    ],
)
def test_the_wait_a_vendor_asks_for(headers: list[tuple[bytes, bytes]], seconds: float | None) -> None:
    assert verdict.retry_after(headers, NOW) == seconds
