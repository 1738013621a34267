"""Calls to addresses that somebody else names, to real servers on loopback: pinned, bounded, and nothing shared."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from polyrelay.access import policy
from polyrelay.access.destinations import BadDestination, Rules
from polyrelay.service.outside import Errand, TooLong, Unreachable, Wire, header
from polyrelay.upstream import outside
from polyrelay.upstream.guard import Guard
from polyrelay.upstream.outside import CurlOutside
from upstream.servers import Connection, Server, answering, listen, make_certificate, piped, run, saying, until

MOST = 1024 * 1024


def rules(*servers: Server, networks: tuple[str, ...] = ("127.0.0.0/8",)) -> Rules:
    return Rules(True, tuple(server.port for server in servers), policy.parse_networks(networks))


def named(**addresses: Sequence[str]) -> Guard:
    """Names (`hooks` for `hooks.example.com`) and their addresses; each time the next, the last for ever."""
    left = {f"{name}.example.com": list(found) for name, found in addresses.items()}

    async def resolve(host: str, _port: int) -> Sequence[str]:
        answers = left[host]
        return (answers.pop(0) if len(answers) > 1 else answers[0]).split()

    return Guard(resolve)


@asynccontextmanager
async def client(guard: Guard | None = None) -> AsyncIterator[CurlOutside]:
    made = CurlOutside(asyncio.get_running_loop(), guard)
    try:
        yield made
    finally:
        made.close()


async def call(sender: CurlOutside, errand: Errand) -> tuple[int, bytes]:
    async with sender.open(errand) as answer:
        return answer.status, b"".join([piece async for piece in answer])


def test_a_call_by_a_name_goes_to_the_address_that_was_judged() -> None:
    async def main() -> None:
        async with listen(answering(b"seen")) as server, client(named(hooks=["127.0.0.1"])) as sender:
            url = f"http://hooks.example.com:{server.port}/a/b?c=d"
            errand = Errand(url, rules(server), MOST, ("x-a: 1",))
            assert await call(sender, errand) == (200, b"seen")
            assert await call(sender, errand) == (200, b"seen")
            assert len(server.connections) == 2

    run(main())


def test_host_sni_and_certificate_are_those_of_the_name(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []

    async def handle(connection: Connection) -> None:
        request = await connection.request()
        assert request is not None
        seen.append((request.line, request.headers["host"]))
        await connection.answer(b"ok")

    async def main() -> None:
        certificate = make_certificate(tmp_path, names=("hooks.example.com",), loopback=False)
        guard = named(hooks=["127.0.0.1"], other=["127.0.0.1"])
        async with listen(handle, certificate) as server, client(guard) as sender:
            wire = Wire(ca_file=certificate.pem)
            url = f"https://hooks.example.com:{server.port}/x"
            assert await call(sender, Errand(url, rules(server), MOST, body=b"{}", wire=wire)) == (200, b"ok")
            assert seen == [("POST /x HTTP/1.1", f"hooks.example.com:{server.port}")]
            with pytest.raises(Unreachable, match="connect: curl 60"):
                await call(sender, Errand(url.replace("hooks.", "other."), rules(server), MOST, wire=wire))
            with pytest.raises(Unreachable, match="connect: curl 60"):
                await call(sender, Errand(url, rules(server), MOST))

    run(main())


def test_a_name_that_is_bound_anew_meanwhile_is_not_called() -> None:
    async def main() -> None:
        async with listen(answering(b"inside")) as server:
            only = Rules(True, (server.port,), policy.parse_networks(("127.0.0.1/32",)))
            guard = named(rebind=["127.0.0.1", "127.0.0.2", "127.0.0.1 127.0.0.2"])
            async with client(guard) as sender:
                errand = Errand(f"http://rebind.example.com:{server.port}/", only, MOST)
                assert await call(sender, errand) == (200, b"inside")
                with pytest.raises(BadDestination, match="loopback"):
                    await call(sender, errand)
                with pytest.raises(BadDestination, match="loopback"):
                    await call(sender, errand)
            assert len(server.connections) == 1

    run(main())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
def test_what_is_inside_is_not_called_whatever_it_is_called(host: str) -> None:
    async def main() -> None:
        async with listen(answering()) as server, client() as sender:
            with pytest.raises(BadDestination):
                await call(sender, Errand(f"http://{host}:{server.port}/", rules(server, networks=()), MOST))
            assert server.connections == []

    run(main())


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    async def main() -> None:
        async with listen(answering(b"second")) as server, client(named(hooks=["127.0.0.9 127.0.0.1"])) as sender:
            errand = Errand(f"http://hooks.example.com:{server.port}/", rules(server), MOST)
            assert await call(sender, errand) == (200, b"second")

    run(main())


def test_a_proxy_is_told_the_address_that_was_judged_and_never_the_name() -> None:
    told: list[str] = []

    async def handle(connection: Connection) -> None:
        request = await connection.request()
        assert request is not None
        told.append(request.line)
        host, _, port = request.line.split()[1].rpartition(":")
        connection.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await piped(await asyncio.open_connection(host, int(port)), connection)

    async def main() -> None:
        async with listen(answering(b"behind")) as server, listen(handle) as proxy:
            async with client(named(hooks=["127.0.0.1"])) as sender:
                url = f"http://hooks.example.com:{server.port}/"
                errand = Errand(url, rules(server), MOST, wire=Wire(proxy=proxy.base))
                assert await call(sender, errand) == (200, b"behind")
            assert told == [f"CONNECT 127.0.0.1:{server.port} HTTP/1.1"]

    run(main())


def test_nobody_there() -> None:
    async def main() -> None:
        async with listen(answering()) as server:
            port, found = server.port, rules(server)
        async with client() as sender:
            with pytest.raises(Unreachable, match="connect: curl 7"):
                await call(sender, Errand(f"http://127.0.0.1:{port}/", found, MOST))

    run(main())


def test_redirects_are_answers() -> None:
    async def main() -> None:
        location = "location: http://127.0.0.1:1/inside\r\n"
        async with listen(answering(b"", status="302 Found", extra=location)) as server, client() as sender:
            async with sender.open(Errand(f"{server.base}/", rules(server), MOST)) as answer:
                assert (answer.status, header(answer.headers, b"location")) == (302, "http://127.0.0.1:1/inside")
            assert len(server.connections) == 1

    run(main())


def test_an_answer_is_bounded() -> None:
    async def main() -> None:
        async with listen(answering(b"x" * 1001)) as server, client() as sender:
            assert (await call(sender, Errand(f"{server.base}/", rules(server), 1001)))[1] == b"x" * 1001
            with pytest.raises(TooLong, match="more than 1000 bytes"):
                await call(sender, Errand(f"{server.base}/", rules(server), 1000))

    run(main())


def test_an_answer_without_an_end_is_held_back_and_then_dropped() -> None:
    sent = 0

    async def handle(connection: Connection) -> None:
        nonlocal sent
        await connection.request()
        connection.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.write(b"y" * 65536)
            await connection.writer.drain()
            sent += 65536

    async def main() -> None:
        async with listen(handle) as server, client() as sender:
            async with sender.open(Errand(f"{server.base}/", rules(server), 2**40)) as answer:
                assert answer.status == 200
                await until(lambda: sent >= outside.HELD_BYTES)
                await asyncio.sleep(0.1)
                before = sent
                await asyncio.sleep(0.05)
                assert sent == before
                pieces = aiter(answer)
                assert len(await anext(pieces)) >= outside.HELD_BYTES
                assert await anext(pieces)
            await asyncio.wait_for(server.connections[0].gone(), 5)

    run(main())


def test_time_is_bounded_whatever_hangs() -> None:
    async def never(host: str, _port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return [host]

    async def main() -> None:
        wire = Wire(total=0.1)
        async with listen(saying(stay=True)) as silent, listen(saying(b"HTTP/1.1 200 OK\r\n\r\nab", stay=True)) as slow:
            async with client() as sender:
                with pytest.raises(Unreachable, match="timeout: curl 28"):
                    await call(sender, Errand(f"{silent.base}/", rules(silent), MOST, wire=wire))
                with pytest.raises(Unreachable, match="timeout: curl 28"):
                    await call(sender, Errand(f"{slow.base}/", rules(slow), MOST, wire=wire))
                async with sender.open(Errand(f"{slow.base}/", rules(slow), MOST, wire=wire)) as answer:
                    assert answer.status == 200
            async with client(Guard(never)) as sender:
                with pytest.raises(Unreachable, match="not resolved in time"):
                    await call(sender, Errand("https://example.com/", Rules(), MOST, wire=wire))

    run(main())


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 2 OK\r\n\r\n", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort"]
)
def test_what_is_no_whole_answer(answer: bytes) -> None:
    async def main() -> None:
        async with listen(saying(answer)) as server, client() as sender:
            with pytest.raises(Unreachable):
                await call(sender, Errand(f"{server.base}/", rules(server), MOST))

    run(main())


def test_the_operator_s_own_addresses_need_no_judge() -> None:
    async def main() -> None:
        async with listen(answering(b"own")) as server, client() as sender:
            assert await call(sender, Errand(f"{server.base}/", None, MOST)) == (200, b"own")

    run(main())


def test_header_lines_stay_one_line_each() -> None:
    async def main() -> None:
        async with listen(answering()) as server, client() as sender:
            for line in ("x-a: 1\r\nx-b: 2", "x-a: 1\n", "x-a: \0"):
                with pytest.raises(Unreachable, match="not sendable"):
                    await call(sender, Errand(f"{server.base}/", rules(server), MOST, (line,)))
            assert server.connections == []

    run(main())


def test_who_gives_up_waiting_closes_the_connection() -> None:
    async def main() -> None:
        async with listen(saying(stay=True)) as server, client() as sender:
            task = asyncio.ensure_future(call(sender, Errand(f"{server.base}/", rules(server), MOST)))
            await until(lambda: bool(server.connections and server.connections[0].served))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(server.connections[0].gone(), 5)

    run(main())


def test_closing_breaks_off_what_is_under_way() -> None:
    async def main() -> None:
        async with listen(saying(stay=True)) as server:
            sender = CurlOutside(asyncio.get_running_loop())
            task = asyncio.ensure_future(call(sender, Errand(f"{server.base}/", rules(server), MOST)))
            await until(lambda: bool(server.connections and server.connections[0].served))
            sender.close()
            sender.close()
            with pytest.raises(Unreachable, match="the client was closed"):
                await task

    run(main())
