import time

import pytest

from polyrelay.http import server as http_server
from polyrelay.http.context import LaneSettings
from polyrelay.settings.bounds import Bounds
from polyrelay.wire.registry import Surface
from support.lane import Live, eventually, get, hold, live, post, stream, unread


def _stopping(server: Live) -> None:
    server.server.stop()
    eventually(lambda: server.context.draining)


def test_idle_connections_are_closed_and_open_ones_finish() -> None:
    with live(drain=5.0) as server:
        server.relay.script = stream
        idle, open_ = server.connect(), server.connect()
        idle.post(path="/other")
        idle.read()
        open_.post()
        exchange = server.exchange()
        _stopping(server)
        assert idle.is_closed()
        server.call(lambda: exchange.client.write(b"more"))
        server.call(exchange.client.finish)
        answer = open_.read()
        assert answer.complete
        assert answer.body == b"data: 1\n\nmore"
        assert open_.is_closed()
        began = time.monotonic()
        server.join()
        assert time.monotonic() - began < 2.0
        assert exchange.events == []


def test_a_request_that_comes_while_draining_is_answered_with_close() -> None:
    with live(drain=5.0) as server:
        server.relay.script = hold
        client = server.connect()
        client.send(post(b"one") + post(b"two")[:-1])
        first = server.exchange(0)
        _stopping(server)
        server.call(lambda: first.client.reply(200, [], b"1"))
        answer = client.read()
        assert answer.headers["connection"] == "close"
        assert client.is_closed()


def test_a_half_read_request_is_finished_while_draining() -> None:
    with live(drain=5.0) as server:
        client = server.connect()
        client.send(post(b"xyz")[:-2])
        eventually(lambda: server.context.bytes_in_flight == 1)
        _stopping(server)
        client.send(b"yz")
        answer = client.read()
        assert answer.json["length"] == 3
        assert answer.headers["connection"] == "close"


def test_the_application_finishes_while_draining() -> None:
    with live(drain=5.0) as server:
        client = server.connect()
        client.send(get("/slow"))
        eventually(lambda: len(server.app.scopes) == 1)
        _stopping(server)
        server.app.gate.set()
        answer = client.read()
        assert answer.body == b"asgi GET /slow 0"
        assert answer.headers["connection"] == "close"


def test_after_the_deadline_exchanges_are_told_to_end() -> None:
    with live(drain=0.2) as server:
        server.relay.script = stream
        client = server.connect()
        client.post()
        exchange = server.exchange()
        exchange.on_shut = exchange.client.cut
        server.server.stop()
        assert not client.read().complete
        assert exchange.events == ["shut"]
        server.join()
        assert exchange.gone == 0


def test_who_does_not_end_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "SHUT_SECONDS", 0.2)
    with live(drain=0.1) as server:
        server.relay.script = stream
        client, stuck = server.connect(), server.connect()
        client.post()
        exchange = server.exchange()
        stuck.send(post()[:10])
        server.server.stop()
        assert not client.read().complete
        server.join()
        assert exchange.events == ["shut"]
        assert exchange.gone == 1


def test_new_settings_count_from_the_next_head_on() -> None:
    with live() as server:
        client = server.connect()
        client.send(post(b"x" * 100)[:-50])
        eventually(lambda: server.context.bytes_in_flight == 50)
        old = server.context.settings
        server.context.settings = LaneSettings(
            server.relay, {"/new": Surface("openai_chat", "/new", unread)}, Bounds(body_bytes=60)
        )
        client.send(b"x" * 50)
        assert client.read().json["length"] == 100
        client.post(b"x" * 60, path="/new")
        assert client.read().json["length"] == 60
        client.post(b"x" * 61, path="/new")
        assert client.read().status == 413
        server.context.settings = old
