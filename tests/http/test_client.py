import resource
import socket
import struct
import time
from pathlib import Path

import pytest

from polyrelay.settings.bounds import Bounds
from support.lane import ScriptedExchange, eventually, get, hold, live, post, stream

SOON = 0.2


def test_relay_routes_make_no_task() -> None:
    with live() as server:
        client = server.connect()
        client.post()
        client.read()
        client.send(b"".join(post(b"%d" % n) for n in range(50)))
        for _ in range(50):
            client.read()
        assert set(server.relay.tasks) == {1}
        assert len(server.server.server_state.tasks) == 0


@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize("how", ["close", "half-close", "reset"])
def test_a_leaving_client_is_reported_at_once_and_once(how: str, *, started: bool) -> None:
    with live() as server:
        server.relay.script = stream if started else hold
        client = server.connect()
        client.post(b"x" * 100)
        exchange = server.exchange()
        if how == "half-close":
            client.socket.shutdown(socket.SHUT_WR)
        if how == "reset":
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if how != "half-close":
            client.close()
        assert eventually(lambda: exchange.gone == 1) < SOON
        eventually(lambda: not server.server.server_state.connections)
        server.call(lambda: exchange.client.write(b"late"))
        server.call(exchange.client.finish)
        assert exchange.gone == 1
        assert server.context.bytes_in_flight == 0
        assert not server.context.exchanges


def test_a_leaving_client_is_seen_behind_pipelined_bytes() -> None:
    with live() as server:
        server.relay.script = hold
        client = server.connect()
        client.send(post(b"1") + post(b"x" * 300_000) + post(b"y" * 1000)[:-10])
        exchange = server.exchange()
        eventually(lambda: server.context.bytes_in_flight == 300_991)
        client.close()
        assert eventually(lambda: exchange.gone == 1) < SOON
        assert len(server.relay.exchanges) == 1
        assert server.context.bytes_in_flight == 0


def test_a_client_that_leaves_within_its_body_opens_nothing() -> None:
    with live() as server:
        client = server.connect()
        client.send(post(b"x" * 100)[:-50])
        eventually(lambda: server.context.bytes_in_flight == 50)
        client.close()
        eventually(lambda: server.context.bytes_in_flight == 0)
        assert server.relay.exchanges == []


def test_a_client_that_leaves_the_application() -> None:
    with live() as server:
        client = server.connect()
        client.send(get("/slow"))
        eventually(lambda: len(server.app.scopes) == 1)
        client.close()
        eventually(lambda: not server.server.server_state.connections)
        server.app.gate.set()
        eventually(lambda: not server.server.server_state.tasks)


def test_a_client_that_does_not_read_pauses_the_exchange_and_memory_stays_bounded() -> None:
    high = 64 * 1024
    with live(bounds=Bounds(write_buffer_bytes=high)) as server:
        server.relay.script = stream
        client = server.connect(receive_buffer=4096)
        client.post()
        exchange = server.exchange()
        piece = b"x" * 8192
        written = 0

        def write() -> int:
            exchange.client.write(piece)
            (connection,) = server.server.server_state.connections
            assert hasattr(connection, "transport")
            return int(connection.transport.get_write_buffer_size())

        while "pause" not in exchange.events:
            size = server.call(write)
            written += len(piece)
            assert size <= high + 2 * len(piece)
        assert exchange.events == ["pause"]
        server.call(exchange.client.finish)
        assert len(client.read().body) == written + len(b"data: 1\n\n")


def test_a_client_that_catches_up_resumes_the_exchange() -> None:
    with live(bounds=Bounds(write_buffer_bytes=64 * 1024)) as server:
        server.relay.script = stream
        client = server.connect(receive_buffer=4096)
        client.post()
        exchange = server.exchange()
        while "pause" not in exchange.events:
            server.call(lambda: exchange.client.write(b"x" * 8192))
        while "resume" not in exchange.events:
            client.socket.recv(65536)
        assert exchange.events == ["pause", "resume"]


def test_an_exchange_begun_behind_a_full_pipe_begins_paused() -> None:
    def flood(exchange: ScriptedExchange) -> None:
        exchange.client.reply(200, [], b"x" * 20_000_000)

    with live() as server:
        server.relay.script = flood
        client = server.connect(receive_buffer=4096)
        client.post()
        server.exchange(0)
        server.relay.script = hold
        client.post()
        assert server.exchange(1).events == ["pause"]
        client.close()


def test_a_client_that_never_takes_its_answer_is_dropped() -> None:
    def flood(exchange: ScriptedExchange) -> None:
        exchange.client.reply(200, [], b"x" * 20_000_000)

    with live(bounds=Bounds(keep_alive_seconds=0.2)) as server:
        server.relay.script = flood
        kept, closed = server.connect(receive_buffer=4096), server.connect(receive_buffer=4096)
        half = server.connect(receive_buffer=4096)
        kept.post()
        closed.post(b"{}", b"connection: close\r\n")
        half.post()
        eventually(lambda: len(server.relay.exchanges) == 3)
        half.socket.shutdown(socket.SHUT_WR)
        eventually(lambda: not server.server.server_state.connections)


def test_a_cut_answer_has_no_end() -> None:
    with live() as server:
        server.relay.script = stream
        client = server.connect()
        client.post()
        exchange = server.exchange()
        server.call(lambda: exchange.client.write(b"event: error\n\n"))
        server.call(exchange.client.cut)
        answer = client.read()
        assert not answer.complete
        assert answer.body == b"data: 1\n\nevent: error\n\n"


def test_a_cut_answer_to_http_1_0_is_a_reset() -> None:
    with live() as server:
        server.relay.script = stream
        client = server.connect()
        client.post(version="1.0")
        exchange = server.exchange()
        server.call(exchange.client.cut)
        client.until(b"data: 1\n\n")
        with pytest.raises(ConnectionResetError):
            client.socket.recv(1)


def test_small_writes_are_not_delayed_by_nagle() -> None:
    with live() as server:
        client = server.connect()
        client.post()
        client.read()

        def no_delay() -> int:
            (connection,) = server.server.server_state.connections
            assert hasattr(connection, "transport")
            found: socket.socket = connection.transport.get_extra_info("socket")
            return found.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

        assert server.call(no_delay) != 0


def test_each_chunk_is_one_write() -> None:
    with live() as server:
        server.relay.script = stream
        client = server.connect()
        client.post()
        exchange = server.exchange()
        client.until(b"data: 1\n\n\r\n")
        for n in range(20):
            server.call(lambda n=n: exchange.client.write(b"%d" % n * 20))  # type: ignore[misc]
            expected = b"%d" % n * 20
            assert client.socket.recv(65536) == b"%x\r\n%b\r\n" % (len(expected), expected)
        server.call(lambda: exchange.client.write(b""))
        server.call(exchange.client.finish)
        assert client.socket.recv(65536) == b"0\r\n\r\n"


def test_the_arrival_is_the_first_byte() -> None:
    with live() as server:
        client = server.connect()
        before = time.monotonic()
        client.send(post()[:5])
        eventually(lambda: len(server.context.watch.heads) == 1)
        between = time.monotonic()
        client.send(post()[5:])
        client.read()
        assert before <= server.exchange().inbound.arrived <= between


def test_nothing_is_leaked_by_many_connections() -> None:
    with live() as server:
        server.relay.script = hold
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for round_number in range(150):
            client = server.connect()
            client.send(post()[: None if round_number % 3 else 30])
            client.close()
        eventually(lambda: not server.server.server_state.connections)
        watch = server.context.watch
        assert not any((watch.heads, watch.bodies, watch.idles, watch.lingers, watch.flushes))
        # The loop's thread closes a socket's descriptor after it has said that the connection is lost.
        eventually(lambda: len(list(Path("/proc/self/fd").iterdir())) <= descriptors)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < peak + 100_000
        eventually(lambda: all(exchange.gone == 1 for exchange in server.relay.exchanges))
