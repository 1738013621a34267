"""Other methods than POST, on one kept connection, in any order."""

import asyncio
import itertools

import pytest

from polyrelay.providers.outbound import OutboundRequest

from .servers import CREDENTIAL, PATIENCE, Connection, Recorder, Sender, listen, run, sender

CASES: tuple[tuple[str, bytes], ...] = (
    ("POST", b"{}"),
    ("GET", b""),
    ("DELETE", b""),
    ("POST", b""),
    ("POST", b"x" * 100_000),
)


async def told(send: Sender, base: str, method: str, body: bytes) -> bytes:
    recorder = Recorder()
    request = OutboundRequest(send.channel, CREDENTIAL, base + "/x", ("content-type: text/plain",), (), body, method)
    send.client.send(request, recorder)
    await asyncio.wait_for(recorder.over.wait(), PATIENCE)
    assert recorder.kind is None
    return recorder.body


@pytest.mark.parametrize("pair", list(itertools.permutations(range(len(CASES)), 2)))
def test_a_method_is_what_was_asked_for_whatever_came_before(pair: tuple[int, int]) -> None:
    async def main() -> None:
        async def handle(connection: Connection) -> None:
            while (request := await connection.request()) is not None:
                length = request.headers.get("content-length", "-")
                await connection.answer(f"{request.line.split()[0]} {len(request.body)} {length}".encode())

        async with listen(handle) as server, sender() as send:
            for number in (*pair, pair[0]):
                method, body = CASES[number]
                said = (await told(send, server.base, method, body)).decode().split()
                assert said[:2] == [method, str(len(body))]
                assert said[2] == ("-" if not body and method != "POST" else str(len(body)))
            assert len(server.connections) == 1

    run(main())
