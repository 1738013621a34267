"""What every implementation of the `Upstream` port does: libcurl over a real socket, and the recorded twin."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import pytest

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.exchange.upload import Span, Stream, in_memory
from polyrelay.providers.outbound import OutboundRequest
from polyrelay.service.ports import Upstream
from polyrelay.upstream.curl import CurlUpstream
from polyrelay.upstream.recorded import Answer, RecordedUpstream

from .servers import CREDENTIAL, FIXED, Connection, Recorder, channel, listen, run, until


class Stage(Protocol):
    """An upstream that will give the scripted answers, and a way to let things happen."""

    url: str

    @property
    def upstream(self) -> Upstream: ...

    async def settle(self, condition: Callable[[], bool]) -> None: ...


class RecordedStage:
    def __init__(self, answers: list[Answer]) -> None:
        self.upstream = RecordedUpstream(answers)
        self.url = "http://recorded/"

    async def settle(self, condition: Callable[[], bool]) -> None:
        self.upstream.deliver()
        assert condition()


class CurlStage:
    def __init__(self, upstream: CurlUpstream, url: str) -> None:
        self.upstream = upstream
        self.url = url

    async def settle(self, condition: Callable[[], bool]) -> None:
        await until(condition)
        await asyncio.sleep(0.05)
        assert condition()


@contextlib.asynccontextmanager
async def recorded(answers: list[Answer]) -> AsyncIterator[Stage]:
    yield RecordedStage(answers)


@contextlib.asynccontextmanager
async def curl(answers: list[Answer]) -> AsyncIterator[Stage]:
    waiting = list(answers)

    async def play(connection: Connection) -> None:
        while await connection.request() is not None:
            answer = waiting.pop(0)
            if answer.status is not None:
                fields = b"".join(name + b": " + value + b"\r\n" for name, value in answer.headers)
                connection.write(b"HTTP/1.1 %d X\r\n" % answer.status + fields)
                connection.write(b"transfer-encoding: chunked\r\n\r\n")
            for chunk in answer.chunks:
                connection.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                await connection.writer.drain()
                await asyncio.sleep(0.01)
            if answer.hangs:
                await connection.gone()
            if answer.hangs or answer.fault is not None:
                return
            connection.write(b"0\r\n\r\n")

    async with listen(play) as server:
        client = CurlUpstream(asyncio.get_running_loop())
        try:
            yield CurlStage(client, server.base)
        finally:
            client.close()


Make = Callable[[list[Answer]], contextlib.AbstractAsyncContextManager[Stage]]
both = pytest.mark.parametrize("make", [curl, recorded])
CUT = Fault(FaultKind.CUT)
ROUTE = channel()


def send(stage: Stage, act: Callable[[Recorder, str], object] | None = None, body: bytes | Stream = b"{}") -> Recorder:
    got = Recorder(act)
    got.flight = stage.upstream.send(OutboundRequest(ROUTE, CREDENTIAL, stage.url, FIXED, (), body), got)
    assert got.calls == [], "send never calls the sink"
    return got


@both
def test_head_once_then_data_in_order_then_the_end(make: Make) -> None:
    async def main() -> None:
        answers = [Answer(201, ((b"x-a", b"1"),), (b"one", b"two", b"three")), Answer(chunks=()), Answer(429)]
        async with make(answers) as stage:
            got = send(stage)
            await stage.settle(got.over.is_set)
            assert (got.status, got.body) == (201, b"onetwothree")
            assert dict(got.headers)[b"x-a"] == b"1"
            assert got.calls[0] == "head"
            assert got.calls[-1] == "ended"
            assert set(got.calls[1:-1]) == {"data"}
            for status in (200, 429):
                empty = send(stage)
                await stage.settle(empty.over.is_set)
                assert (empty.status, empty.calls) == (status, ["head", "ended"])

    run(main())


@both
def test_a_fault_before_the_head_and_one_after(make: Make) -> None:
    async def main() -> None:
        async with make([Answer(None, fault=CUT), Answer(chunks=(b"half",), fault=CUT)]) as stage:
            for calls in (["failed"], ["head", "data", "failed"]):
                got = send(stage)
                await stage.settle(got.over.is_set)
                assert (got.calls, got.kind) == (calls, FaultKind.CUT)

    run(main())


@both
@pytest.mark.parametrize("moment", ["head", "data"])
def test_nothing_after_a_cancel(make: Make, moment: str) -> None:
    async def main() -> None:
        def cancel(got: Recorder, call: str) -> None:
            if call == moment and got.flight is not None:
                got.flight.cancel()

        async with make([Answer(chunks=(b"a", b"b", b"c"))]) as stage:
            got = send(stage, cancel)
            await stage.settle(lambda: moment in got.calls)
            assert got.calls == ["head", "data"][: 1 + (moment == "data")]
            assert got.flight is not None
            got.flight.cancel()
            got.flight.pause()
            got.flight.resume()
            await stage.settle(lambda: len(got.calls) <= 2)

    run(main())


@both
def test_a_cancel_at_once_means_silence(make: Make) -> None:
    async def main() -> None:
        async with make([Answer(chunks=(b"a",))]) as stage:
            got = send(stage)
            assert got.flight is not None
            got.flight.cancel()
            await stage.settle(lambda: got.calls == [])

    run(main())


@both
def test_a_pause_stops_data_until_it_is_undone(make: Make) -> None:
    async def main() -> None:
        def pause(got: Recorder, call: str) -> None:
            if call == "data" and len(got.chunks) == 1 and got.flight is not None:
                got.flight.pause()

        async with make([Answer(chunks=(b"a", b"b", b"c"))]) as stage:
            got = send(stage, pause)
            await stage.settle(lambda: got.chunks == [b"a"])
            assert got.calls == ["head", "data"]
            assert got.flight is not None
            got.flight.resume()
            assert got.chunks == [b"a"], "resume does not deliver by itself"
            await stage.settle(got.over.is_set)
            assert (got.body, got.calls[-1]) == (b"abc", "ended")

    run(main())


@both
def test_answers_do_not_wait_for_each_other(make: Make) -> None:
    async def main() -> None:
        async with make([Answer(chunks=(b"a",), hangs=True), Answer(chunks=(b"b",))]) as stage:
            slow = send(stage)
            await stage.settle(lambda: slow.chunks == [b"a"])
            fast = send(stage)
            await stage.settle(fast.over.is_set)
            assert not slow.over.is_set()
            assert slow.flight is not None
            slow.flight.cancel()

    run(main())


@both
@pytest.mark.parametrize("end", ["ended", "failed", "cancel"])
def test_an_upload_is_held_until_the_flight_is_over(make: Make, end: str) -> None:
    async def main() -> None:
        answer = Answer(chunks=(b"a",), fault=CUT if end == "failed" else None, hangs=end == "cancel")
        async with make([answer]) as stage:
            upload = in_memory(b"the form")
            got = send(stage, body=Stream([b"all of ", Span(0, 8)], upload))
            upload.release()
            assert not upload.released
            await stage.settle(lambda: got.chunks == [b"a"])
            if end == "cancel":
                assert not upload.released
                assert got.flight is not None
                got.flight.cancel()
            await stage.settle(lambda: upload.released)
            assert got.calls[-1] == (end if end != "cancel" else "data")

    run(main())


@both
def test_an_upload_that_nobody_holds_is_a_fault(make: Make) -> None:
    async def main() -> None:
        async with make([Answer()]) as stage:
            upload = in_memory(b"the form")
            upload.release()
            got = send(stage, body=Stream([Span(0, 8)], upload))
            await stage.settle(got.over.is_set)
            assert (got.calls, got.kind) == (["failed"], FaultKind.CONNECT)

    run(main())


def test_the_twin_remembers_requests_and_fails_the_unwritten() -> None:
    async def main() -> None:
        upstream = RecordedUpstream()
        got = Recorder()
        request = OutboundRequest(ROUTE, CREDENTIAL, "http://recorded/", FIXED, (), b"{}")
        upstream.send(request, got)
        assert (upstream.requests, upstream.bodies, upstream.active) == ([request], [b"{}"], 1)
        assert upstream.step()
        assert not upstream.step()
        assert (got.kind, upstream.active) == (FaultKind.CONNECT, 0)
        upstream.script(Answer(200))
        again = Recorder()
        upstream.send(request, again)
        upstream.deliver()
        assert again.calls == ["head", "ended"]

    run(main())
