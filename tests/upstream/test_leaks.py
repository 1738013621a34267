"""After thousands of exchanges that end in every way, nothing is left over."""

import asyncio
import gc
from pathlib import Path

from polyrelay.exchange.faults import FaultKind
from polyrelay.routing.channel import Channel
from polyrelay.settings.timeouts import Timeouts

from .servers import (
    PATIENCE,
    Certificate,
    Connection,
    Recorder,
    Sender,
    channel,
    listen,
    make_certificate,
    run,
    sender,
    until,
)

EXCHANGES = 2000
TOGETHER = 40


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def behave(connection: Connection) -> None:
    """Good, slow to end, cut, reset or silent, as the path says."""
    while (request := await connection.request()) is not None:
        path = request.line.split()[1]
        if path == "/good":
            await connection.answer(request.body)
        elif path == "/cancel":
            connection.write(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nx")
        elif path == "/cut":
            connection.write(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nx")
            return
        elif path == "/reset":
            connection.writer.transport.abort()
            return


def cancel(got: Recorder, call: str) -> None:
    if call == "data" and got.flight is not None:
        got.flight.cancel()


def way_of(turn: int, n: int) -> str:
    if turn % 10 == 0 and n == 0:
        return "silent"
    return ("good", "good", "cancel", "good", "cut", "reset")[n % 6]


async def check(way: str, got: Recorder) -> None:
    if way == "cancel":
        await until(lambda: got.calls == ["head", "data"])
        return
    await asyncio.wait_for(got.over.wait(), PATIENCE)
    if way == "silent":
        # A busy machine may not even have connected by then.
        assert got.kind in {FaultKind.FIRST_BYTE, FaultKind.CONNECT}
    else:
        assert got.kind is (None if way == "good" else FaultKind.CUT), got.fault
    assert sum(call in {"ended", "failed"} for call in got.calls) == 1


async def storm(client: Sender, base: str, exchanges: int, hasty: Channel) -> None:
    """`exchanges` requests, TOGETHER at a time, of every kind."""
    patient = client.channel
    for turn in range(exchanges // TOGETHER):
        sent = []
        for n in range(TOGETHER):
            way = way_of(turn, n)
            client.channel = hasty if way == "silent" else patient
            act = cancel if way == "cancel" else None
            sent.append((way, client.send(f"{base}/{way}", b"x" * 500, act=act)))
        for way, got in sent:
            await check(way, got)
    client.channel = patient
    await until(lambda: client.client.active == 0)


async def kill(client: Sender, certificate: Certificate) -> None:
    """A server that goes away with requests in flight."""
    async with listen(behave, certificate) as server:
        sent = [client.send(f"{server.base}/silent") for _ in range(10)]
        await until(lambda: sum(connection.served for connection in server.connections) == len(sent))
    for got in sent:
        await asyncio.wait_for(got.over.wait(), PATIENCE)
        assert (got.calls, got.kind) == (["failed"], FaultKind.CUT)


def test_nothing_is_left_after_thousands_of_exchanges(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    timeouts = Timeouts(connect=PATIENCE, first_byte=0.5, idle=PATIENCE, total=PATIENCE)
    hasty = channel(certificate, timeouts=timeouts)

    async def main(exchanges: int) -> None:
        async with sender(channel(certificate)) as client:
            async with listen(behave, certificate) as server:
                await storm(client, server.base, exchanges, hasty)
            await kill(client, certificate)
            assert client.client.active == 0
            assert 0 < client.client.idle_handles <= TOGETHER + 1
            # The servers' tasks are gone with them, and the client never had one.
            await until(lambda: len(asyncio.all_tasks()) == 1)
        assert (client.client.active, client.client.idle_handles) == (0, 0)

    run(main(TOGETHER * 3))
    gc.collect()
    before = descriptors()
    run(main(EXCHANGES))
    gc.collect()
    assert descriptors() == before
