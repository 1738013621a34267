"""Answers that are waited for as a whole: what comes, what does not, and what is too much."""

import asyncio
from collections.abc import Callable

import pytest

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.providers.outbound import OutboundRequest
from polyrelay.routing.channel import Channel, Credential
from polyrelay.service import whole
from polyrelay.service.whole import Whole
from polyrelay.upstream.recorded import Answer, RecordedUpstream
from support.stage import VirtualTime

CREDENTIAL = Credential("#1", "secret")
REQUEST = OutboundRequest(
    Channel("a", "suno_native", "https://a", (CREDENTIAL,)), CREDENTIAL, "https://a/x", (), (), b""
)
HEADERS = ((b"retry-after", b"3"),)


def fetched(
    answer: Answer, *, most: int = 10, act: Callable[[VirtualTime], None] = lambda _: None
) -> tuple[Whole | Fault, RecordedUpstream, VirtualTime]:
    upstream, time = RecordedUpstream([answer]), VirtualTime()

    async def run() -> Whole | Fault:
        task = asyncio.ensure_future(whole.fetch(upstream, time, REQUEST, most, 5.0))
        await asyncio.sleep(0)
        upstream.deliver()
        act(time)
        return await task

    return asyncio.run(run()), upstream, time


@pytest.mark.parametrize("status", [200, 404, 503])
def test_a_whole_answer_of_any_status(status: int) -> None:
    said, upstream, time = fetched(Answer(status, HEADERS, (b"01234", b"56789")))
    assert said == Whole(status, list(HEADERS), b"0123456789")
    assert (upstream.active, time.pending) == (0, 0)


def test_an_answer_without_a_body() -> None:
    assert fetched(Answer(204))[0] == Whole(204, [], b"")


def test_a_fault_is_passed_on() -> None:
    fault = Fault(FaultKind.CUT, "broke", 200)
    assert fetched(Answer(200, chunks=(b"0",), fault=fault))[0] == fault


def test_more_than_the_bound_is_dropped_at_once() -> None:
    said, upstream, _ = fetched(Answer(200, chunks=(b"01234", b"567890", b"x" * 99), hangs=True))
    assert isinstance(said, Fault)
    assert (said.kind, said.status) == (FaultKind.OVERSIZE, 200)
    assert upstream.active == 0


def test_what_does_not_come_in_time_is_given_up() -> None:
    def wait(time: VirtualTime) -> None:
        time.pass_(4.9)
        assert time.pending == 1
        time.pass_(0.1)

    said, upstream, time = fetched(Answer(200, chunks=(b"0",), hangs=True), act=wait)
    assert isinstance(said, Fault)
    assert said.kind is FaultKind.TOTAL
    assert (upstream.active, time.pending) == (0, 0)


def test_a_caller_that_is_cancelled_cancels_the_request() -> None:
    async def run() -> None:
        upstream, time = RecordedUpstream([Answer(200, hangs=True)]), VirtualTime()
        task = asyncio.ensure_future(whole.fetch(upstream, time, REQUEST, 10, 5.0))
        await asyncio.sleep(0)
        upstream.deliver()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (upstream.active, time.pending) == (0, 0)

    asyncio.run(run())
