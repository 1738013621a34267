"""Four deadlines, each with its own fault. Values are far apart, so that none can be taken for another."""

import asyncio
import socket
import threading
import time

import pytest

from polyrelay.exchange.faults import FaultKind
from polyrelay.settings.timeouts import Timeouts

from .servers import PATIENCE, Connection, Handler, Recorder, channel, listen, run, saying, sender

SHORT = 0.15
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"


def limits(
    *, connect: float = PATIENCE, first_byte: float = PATIENCE, idle: float = PATIENCE, total: float = PATIENCE
) -> Timeouts:
    return Timeouts(connect=connect, first_byte=first_byte, idle=idle, total=total)


def pause(got: Recorder, _: str) -> None:
    assert got.flight is not None
    got.flight.pause()


async def drip(connection: Connection) -> None:
    """A byte every 20 ms, for ever."""
    await connection.request()
    connection.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not connection.writer.transport.is_closing():
        connection.write(b".")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("handler", "timeouts", "kind"),
    [
        (saying(stay=True), limits(first_byte=SHORT), FaultKind.FIRST_BYTE),
        (saying(HEAD, stay=True), limits(first_byte=SHORT), FaultKind.FIRST_BYTE),
        (saying(b"HTTP/1.1 103 E\r\n\r\n", stay=True), limits(first_byte=SHORT), FaultKind.FIRST_BYTE),
        (saying(HEAD + b"x", stay=True), limits(idle=SHORT), FaultKind.IDLE),
        (saying(stay=True), limits(total=SHORT), FaultKind.TOTAL),
        (drip, limits(total=0.4, idle=0.3, first_byte=0.3), FaultKind.TOTAL),
    ],
)
def test_each_deadline_is_its_own_fault(handler: Handler, timeouts: Timeouts, kind: FaultKind) -> None:
    async def main() -> None:
        async with listen(handler) as server, sender(channel(timeouts=timeouts)) as client:
            begun = asyncio.get_running_loop().time()
            got = await client.fetch(server.base)
            assert got.kind is kind, got.fault
            assert got.calls.count("failed") == 1
            assert client.client.active == 0
            assert asyncio.get_running_loop().time() - begun < PATIENCE / 2
            assert got.fault is not None
            assert got.fault.status == (got.status or None)

    run(main())


def test_a_server_that_never_accepts_is_a_connect_fault() -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())

        async def main() -> None:
            async with sender(channel(timeouts=limits(connect=SHORT))) as client:
                got = await client.fetch(f"http://127.0.0.1:{full.getsockname()[1]}/")
                assert (got.calls, got.kind) == (["failed"], FaultKind.CONNECT)
            # The first-byte clock may be the shorter one; there is still no connection.
            async with sender(channel(timeouts=limits(first_byte=SHORT))) as client:
                got = await client.fetch(f"http://127.0.0.1:{full.getsockname()[1]}/")
                assert (got.calls, got.kind) == (["failed"], FaultKind.CONNECT)

        run(main())


def test_a_silent_handshake_is_a_connect_fault() -> None:
    async def main() -> None:
        async with listen(Connection.gone) as server, sender(channel(timeouts=limits(connect=SHORT))) as client:
            got = await client.fetch(f"https://127.0.0.1:{server.port}/")
            assert (got.calls, got.kind) == (["failed"], FaultKind.CONNECT)

    run(main())


def test_our_own_pause_does_not_count_against_the_upstream() -> None:
    async def main() -> None:
        async with (
            listen(saying(HEAD + b"x", stay=True)) as server,
            sender(channel(timeouts=limits(idle=SHORT))) as client,
        ):
            got = client.send(server.base)
            await got.fed.wait()
            assert got.flight is not None
            got.flight.pause()
            await asyncio.sleep(0.4)
            assert got.calls == ["head", "data"]
            got.flight.resume()
            await asyncio.wait_for(got.over.wait(), PATIENCE)
            assert got.kind is FaultKind.IDLE

    run(main())


def test_the_total_counts_even_when_paused() -> None:
    async def main() -> None:
        async with (
            listen(saying(HEAD + b"x", stay=True)) as server,
            sender(channel(timeouts=limits(total=0.3))) as client,
        ):
            got = client.send(server.base, act=pause)
            await asyncio.wait_for(got.over.wait(), PATIENCE)
            assert got.kind is FaultKind.TOTAL

    run(main())


def test_a_request_sent_in_the_turn_of_the_sweep_is_watched_too() -> None:
    async def main() -> None:
        async with (
            listen(saying(stay=True)) as server,
            sender(channel(timeouts=limits(first_byte=SHORT))) as client,
        ):
            got = client.send(server.base)
            assert client.client._sweeper is not None
            client.client._sweeper.cancel()
            client.client._sweep()
            await asyncio.wait_for(got.over.wait(), PATIENCE)
            assert got.kind is FaultKind.FIRST_BYTE

    run(main())


def test_a_loop_that_was_held_up_reads_before_it_blames() -> None:
    go_on = threading.Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(HEAD)
            go_on.wait(PATIENCE)
            connection.sendall(b"0123456789")

    async def main(port: int) -> None:
        async with sender(channel(timeouts=limits(first_byte=0.5))) as client:
            got = client.send(f"http://127.0.0.1:{port}/")
            await asyncio.sleep(0.1)
            go_on.set()
            time.sleep(1)  # noqa: ASYNC251 - holding the loop up is the point
            await asyncio.wait_for(got.over.wait(), PATIENCE)
            assert got.calls[-1] == "ended", got.fault

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        run(main(listener.getsockname()[1]))
        server.join()
