import pytest

from polyrelay.http.turns import PIPELINED
from polyrelay.settings.bounds import Bounds
from support.lane import CHAT, ScriptedExchange, eventually, get, hold, live, post, stream


def test_a_connection_is_kept_for_the_next_request() -> None:
    with live() as server:
        client = server.connect()
        for size in range(1, 6):
            client.post(b"x" * size)
            assert client.read().json["length"] == size
        assert server.server.server_state.total_requests == 5


def test_pipelined_requests_of_both_kinds_are_answered_in_order() -> None:
    with live() as server:
        client = server.connect()
        client.send(post(b"a") + get("/one") + post(b"bb") + post(b"ccc", path="/two") + post(b"dddd"))
        assert client.read().json["length"] == 1
        assert client.read().body == b"asgi GET /one 0"
        assert client.read().json["length"] == 2
        assert client.read().body == b"asgi POST /two 3"
        assert client.read().json["length"] == 4


def test_a_request_behind_a_streaming_answer_waits() -> None:
    with live() as server:
        server.relay.script = stream
        client = server.connect()
        client.post(b"first")
        first = server.exchange(0)
        client.send(post(b"second") + get("/third"))
        assert client.until(b"data: 1\n\n\r\n")
        assert client.is_silent()
        assert len(server.relay.exchanges) == 1
        server.call(first.client.finish)
        assert client.until(b"0\r\n\r\n") == b"0\r\n\r\n"
        second = server.exchange(1)
        assert second.inbound.body == b"second"
        server.call(second.client.finish)
        assert client.read().body == b"data: 1\n\n"
        assert client.read().body == b"asgi GET /third 0"
        assert first.gone == 0


def test_a_relay_request_behind_a_slow_application_waits() -> None:
    with live() as server:
        client = server.connect()
        client.send(get("/slow") + post(b"x"))
        eventually(lambda: len(server.app.scopes) == 1)
        assert client.is_silent()
        assert server.relay.exchanges == []
        server.app.gate.set()
        assert client.read().body == b"asgi GET /slow 0"
        assert client.read().json["length"] == 1


def test_the_queue_is_bounded_and_what_it_holds_is_answered() -> None:
    with live() as server:
        server.relay.script = hold
        client = server.connect()
        client.post(b"0")
        first = server.exchange(0)
        server.relay.script = _reply_own_body
        client.send(b"".join(post(b"%d" % n) for n in range(1, 100)))
        assert client.is_silent()
        server.call(lambda: first.client.reply(200, [], b"0"))
        bodies = [client.read().body for _ in range(PIPELINED)]
        last = client.read()
        assert [*bodies, last.body] == [b"%d" % n for n in range(PIPELINED + 1)]
        assert last.headers["connection"] == "close"
        assert client.is_closed()


def _reply_own_body(exchange: ScriptedExchange) -> None:
    exchange.client.reply(200, [], exchange.inbound.body)


def test_many_pipelined_requests_answered_at_once_do_not_recurse() -> None:
    with live() as server:
        server.relay.script = _reply_own_body
        client = server.connect()
        client.send(b"".join(post(b"%d" % n) for n in range(2000)))
        for n in range(2000):
            assert client.read().body == b"%d" % n


@pytest.mark.parametrize("junk", [b"JUNK\r\n\r\n", post().replace(b"host: relay", b"no host"), b"\x16\x03\x01\x00"])
def test_a_parse_error_does_not_get_into_a_streaming_answer(junk: bytes) -> None:
    with live() as server:
        server.relay.script = stream
        client = server.connect()
        client.post()
        exchange = server.exchange()
        client.until(b"data: 1\n\n\r\n")
        client.send(junk)
        assert client.is_silent()
        server.call(lambda: exchange.client.write(b"data: 2\n\n"))
        server.call(exchange.client.finish)
        assert client.until(b"0\r\n\r\n") == b"9\r\ndata: 2\n\n\r\n0\r\n\r\n"
        assert client.read().status == 400
        assert client.is_closed()
        assert exchange.gone == 0


def test_bytes_after_a_refused_request_are_never_a_request() -> None:
    with live() as server:
        client = server.connect()
        client.send(b"JUNK\r\n\r\n" + post(b"smuggled"))
        assert client.read().status == 400
        client.post(b"smuggled too")
        assert len(server.relay.refused) == 1
        assert client.is_closed()
        assert server.relay.exchanges == []
        assert len(server.relay.refused) == 1


def test_bytes_after_connection_close_are_never_a_request() -> None:
    with live() as server:
        server.relay.script = hold
        client = server.connect()
        client.send(post(b"one", b"connection: close\r\n") + post(b"two"))
        exchange = server.exchange()
        client.post(b"three")
        server.call(lambda: exchange.client.reply(200, [], b"1"))
        answer = client.read()
        assert answer.headers["connection"] == "close"
        assert client.is_closed()
        assert len(server.relay.exchanges) == 1


def test_an_answer_may_close_the_connection() -> None:
    with live() as server:
        server.relay.script = stream
        client = server.connect()
        client.send(post() + post())
        exchange = server.exchange()
        server.call(lambda: exchange.client.finish(close=True))
        assert client.read().body == b"data: 1\n\n"
        assert client.is_closed()
        assert len(server.relay.exchanges) == 1


def test_http_1_0_gets_no_chunks_but_a_close() -> None:
    with live() as server:
        server.relay.script = stream
        client = server.connect()
        client.post(version="1.0")
        exchange = server.exchange()
        server.call(exchange.client.finish)
        answer = client.read()
        assert "transfer-encoding" not in answer.headers
        assert answer.headers["connection"] == "close"
        assert answer.body == b"data: 1\n\n"


def test_http_1_0_is_closed_unless_it_asks_to_be_kept() -> None:
    with live() as server:
        client = server.connect()
        client.post(b"x", b"connection: keep-alive\r\n", version="1.0")
        assert client.read().headers["connection"] == "keep-alive"
        client.post(b"x", version="1.0")
        assert client.read().headers["connection"] == "close"
        assert client.is_closed()


def test_http_1_0_needs_no_host() -> None:
    with live() as server:
        client = server.connect()
        client.send(post(version="1.0").replace(b"host: relay\r\n", b""))
        assert client.read().status == 200


def test_a_connection_without_a_request_is_closed() -> None:
    with live(bounds=Bounds(keep_alive_seconds=0.15)) as server:
        fresh, used = server.connect(), server.connect()
        used.post()
        used.read()
        used.send(b"\r\n")
        assert fresh.is_closed()
        assert used.is_closed()


def test_a_long_exchange_is_not_idle() -> None:
    with live(bounds=Bounds(keep_alive_seconds=0.1, header_seconds=0.1, body_seconds=0.1)) as server:
        server.relay.script = hold
        client = server.connect()
        client.post()
        exchange = server.exchange()
        assert client.is_silent(0.4)
        server.call(lambda: exchange.client.reply(200, [], b"late"))
        assert client.read().body == b"late"


def test_streams_in_flight_are_bounded_but_health_is_not_refused() -> None:
    with live(bounds=Bounds(streams_in_flight=1)) as server:
        server.relay.script = hold
        first, second = server.connect(), server.connect()
        first.post()
        exchange = server.exchange()
        second.post()
        answer = second.read()
        assert answer.status == 503
        assert answer.headers["retry-after"] == "1"
        second.send(get("/health"))
        assert second.read().status == 200
        server.call(lambda: exchange.client.reply(200, [], b""))
        first.read()


def test_uvicorns_limit_concurrency_is_honoured() -> None:
    with live(limit_concurrency=2) as server:
        first, second = server.connect(), server.connect()
        first.send(b"P")
        eventually(lambda: len(server.server.server_state.connections) == 2)
        second.post()
        answer = second.read()
        assert answer.status == 503
        assert answer.headers["connection"] == "close"
        assert second.is_closed()
        eventually(lambda: len(server.server.server_state.connections) == 1)
        first.send(post()[1:])
        assert first.read().status == 200


def test_a_failing_service_costs_a_500_and_the_connection() -> None:
    def fail(exchange: ScriptedExchange) -> None:
        raise ZeroDivisionError("secret inside")

    def fail_late(exchange: ScriptedExchange) -> None:
        stream(exchange)
        raise ZeroDivisionError("secret inside")

    with live() as server:
        server.relay.script = fail
        client = server.connect()
        client.post()
        answer = client.read()
        assert answer.status == 500
        assert b"secret" not in answer.body
        assert client.is_closed()
        server.relay.script = fail_late
        client = server.connect()
        client.post()
        assert not client.read().complete


def test_an_answer_header_cannot_forge_another() -> None:
    def forge(exchange: ScriptedExchange) -> None:
        exchange.client.reply(200, [(b"x-a", b"1\r\nx-b: 2"), (b"x-c", b"3")], b"ok")

    with live() as server:
        server.relay.script = forge
        client = server.connect()
        client.post()
        answer = client.read()
        assert "x-b" not in answer.headers
        assert "x-a" not in answer.headers
        assert answer.headers["x-c"] == "3"


def test_calls_after_the_end_do_nothing() -> None:
    with live() as server:
        server.relay.script = hold
        client = server.connect()
        client.post()
        exchange = server.exchange()

        def answer_twice() -> None:
            exchange.client.reply(200, [], b"1")
            exchange.client.reply(200, [], b"2")
            exchange.client.start(200, [])
            exchange.client.write(b"3")
            exchange.client.finish(close=True)
            exchange.client.cut()

        server.call(answer_twice)
        assert client.read().body == b"1"
        client.send(get())
        assert client.read().body == b"asgi GET /other 0"


def test_relay_routes_answer_other_methods_with_405() -> None:
    with live() as server:
        client = server.connect()
        client.send(get(CHAT))
        answer = client.read()
        assert answer.status == 405
        assert answer.headers["allow"] == "POST"
        client.send(get(CHAT, "HEAD"))
        head = client.read(head_only=True)
        assert head.status == 405
        assert head.headers["content-length"] == str(len(answer.body) + 1)
        client.send(get(CHAT, "OPTIONS"))
        assert client.read().status == 405
        client.send(get())
        assert client.read().status == 200
