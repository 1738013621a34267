"""Pausing, cancelling, and sinks that misbehave."""

import asyncio
import logging

import pytest

from polyrelay.exchange.faults import FaultKind

from .servers import PATIENCE, Connection, Recorder, answering, listen, run, saying, sender, until

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n"
LONG = bytes(range(256)) * 40_000


async def flooding(connection: Connection) -> None:
    """LONG as fast as the client reads, once per request."""
    while await connection.request() is not None:
        connection.write(HEAD % len(LONG) + LONG)
        await connection.writer.drain()


def test_a_pause_within_data_holds_the_rest_back_and_loses_nothing() -> None:
    async def main() -> None:
        def pause(got: Recorder, call: str) -> None:
            if call == "data" and got.flight is not None:
                got.flight.pause()

        async with listen(flooding) as server, sender() as client:
            got = client.send(server.base, act=pause)
            count = 0
            while not got.over.is_set():
                await asyncio.sleep(0.001)
                assert got.act is None or len(got.chunks) <= count + 1
                count = len(got.chunks)
                if count > 20:
                    got.act = None
                assert got.flight is not None
                got.flight.resume()
            assert got.body == LONG
            assert got.calls.count("ended") == 1

    run(main())


def test_a_pause_from_outside_stops_the_upstream() -> None:
    sent = 0

    async def handle(connection: Connection) -> None:
        nonlocal sent
        await connection.request()
        connection.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not connection.writer.transport.is_closing():
            connection.write(b"x" * 65536)
            await connection.writer.drain()
            sent += 65536

    async def main() -> None:
        async with listen(handle) as server, sender() as client:
            got = client.send(server.base)
            await got.fed.wait()
            assert got.flight is not None
            got.flight.pause()
            got.flight.pause()
            before = len(got.chunks)
            still = -1
            while still != sent:
                still = sent
                await asyncio.sleep(0.1)
            assert len(got.chunks) == before
            got.flight.resume()
            got.flight.resume()
            assert len(got.chunks) == before, "resume does not deliver before it returns"
            await until(lambda: len(got.chunks) > before + 10)
            got.flight.cancel()

    run(main())


def test_a_pause_undone_at_once_changes_nothing() -> None:
    async def main() -> None:
        def dither(got: Recorder, _: str) -> None:
            assert got.flight is not None
            got.flight.pause()
            got.flight.resume()

        async with listen(flooding) as server, sender() as client:
            early = client.send(server.base)
            assert early.flight is not None
            early.flight.pause()
            early.flight.resume()
            got = client.send(server.base, act=dither)
            for each in (early, got):
                await asyncio.wait_for(each.over.wait(), PATIENCE)
                assert (each.body, each.calls[-1]) == (LONG, "ended")

    run(main())


@pytest.mark.parametrize("moment", ["send", "start", "head", "data"])
def test_after_a_cancel_the_sink_hears_nothing(moment: str) -> None:
    async def handle(connection: Connection) -> None:
        await connection.request()
        connection.write(HEAD % 10)
        await asyncio.sleep(0.02)
        connection.write(b"hello")
        await connection.gone()
        gone.set()

    gone = asyncio.Event()

    async def main() -> None:
        def cancel(got: Recorder, call: str) -> None:
            if call == moment and got.flight is not None:
                got.flight.cancel()
                got.flight.cancel()
                got.flight.pause()
                got.flight.resume()

        async with listen(handle) as server, sender() as client:
            got = client.send(server.base, act=cancel)
            assert got.flight is not None
            if moment == "start":
                await asyncio.sleep(0)
            if moment in {"send", "start"}:
                got.flight.cancel()
            else:
                await until(lambda: moment in got.calls)
            await asyncio.sleep(0)
            await until(lambda: client.client.active == 0)
            assert got.calls == {"send": [], "start": [], "head": ["head"], "data": ["head", "data"]}[moment]
            if moment in {"head", "data"}:
                await asyncio.wait_for(gone.wait(), 1)
            assert client.client.idle_handles == 1

    run(main())


def test_a_paused_flight_can_be_cancelled_and_its_handle_used_again() -> None:
    async def main() -> None:
        async with listen(flooding) as server, sender() as client:
            got = client.send(server.base)
            await got.fed.wait()
            assert got.flight is not None
            got.flight.pause()
            await asyncio.sleep(0.05)
            got.flight.cancel()
            await until(lambda: client.client.active == 0)
            again = await client.fetch(server.base)
            assert again.body == LONG
            assert client.client.idle_handles == 1
            # The old flight has no hold on the new request.
            third = client.send(server.base)
            got.flight.pause()
            got.flight.cancel()
            await asyncio.wait_for(third.over.wait(), PATIENCE)
            assert third.body == LONG

    run(main())


def test_one_flight_may_cancel_another_and_send_anew_within_a_callback() -> None:
    async def main() -> None:
        async with (
            listen(saying(HEAD % 10 + b"hello", stay=True)) as hanging,
            listen(answering()) as server,
            sender() as client,
        ):
            victim = client.send(hanging.base)
            await victim.fed.wait()
            others: list[Recorder] = []

            def swap(got: Recorder, call: str) -> None:
                assert victim.flight is not None
                victim.flight.cancel()
                others.append(client.send(server.base))

            got = client.send(server.base, act=swap)
            await asyncio.wait_for(got.over.wait(), PATIENCE)
            for other in others:
                await asyncio.wait_for(other.over.wait(), PATIENCE)
                assert other.calls == ["head", "data", "ended"]
            assert len(others) == 3
            assert victim.calls == ["head", "data"]
            await until(lambda: client.client.active == 0)

    run(main())


@pytest.mark.parametrize("moment", ["head", "data", "ended", "failed"])
def test_a_sink_that_raises_is_told_the_end_and_harms_nobody(moment: str, caplog: pytest.LogCaptureFixture) -> None:
    said = HEAD % (10 if moment == "failed" else 5) + b"hello"

    async def main() -> None:
        def fail(got: Recorder, call: str) -> None:
            if call == moment:
                raise ValueError("a defect")

        async with (
            listen(saying(said, stay=moment != "failed")) as server,
            listen(answering()) as other,
            sender() as client,
        ):
            with caplog.at_level(logging.ERROR, "polyrelay.upstream.transfer"):
                got = client.send(server.base, act=fail)
                fine = await client.fetch(other.base)
                await asyncio.wait_for(got.over.wait(), PATIENCE)
            assert fine.calls == ["head", "data", "ended"]
            assert sum(call in {"ended", "failed"} for call in got.calls) == 1
            assert got.kind is (None if moment == "ended" else FaultKind.CUT)
            assert "a defect" in caplog.text
            assert client.client.active == 0

    run(main())


def test_close_fails_what_is_under_way_once_and_refuses_more() -> None:
    async def main() -> None:
        async with (
            listen(saying(HEAD % 10 + b"x", stay=True)) as server,
            sender() as client,
        ):
            running = client.send(server.base)
            await running.fed.wait()
            young = client.send(server.base)
            client.client.close()
            client.client.close()
            for got in (running, young):
                assert got.calls.count("failed") == 1
                assert got.kind is FaultKind.CUT
            late = await client.fetch(server.base)
            assert (late.calls, late.kind) == (["failed"], FaultKind.CONNECT)
            assert (client.client.active, client.client.idle_handles) == (0, 0)

    run(main())


def test_requests_sent_in_one_turn_do_not_mix() -> None:
    async def handle(connection: Connection) -> None:
        while (request := await connection.request()) is not None:
            await connection.answer(request.body * 3)

    async def main() -> None:
        async with listen(handle) as server, sender() as client:
            sent = [client.send(f"{server.base}/{n}", b"%d" % n) for n in range(60)]
            for n, got in enumerate(sent):
                await asyncio.wait_for(got.over.wait(), PATIENCE)
                assert got.body == b"%d" % n * 3

    run(main())
