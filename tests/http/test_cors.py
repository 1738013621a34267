import pytest

from polyrelay.settings.root import CorsSettings
from support.lane import CHAT, get, live

ORIGIN = b"origin: https://app.example\r\n"
PREFLIGHT = ORIGIN + b"access-control-request-method: POST\r\n"
NAMED = CorsSettings(origins=("https://app.example",), max_age_seconds=60)


def test_off_by_default() -> None:
    with live() as server:
        client = server.connect()
        client.send(get(CHAT, "OPTIONS", PREFLIGHT))
        assert client.read().status == 405
        client.post(b"{}", ORIGIN)
        assert "access-control-allow-origin" not in client.read().headers


def test_a_preflight_of_a_named_origin() -> None:
    with live(cors=NAMED) as server:
        client = server.connect()
        asked = b"access-control-request-headers: authorization, content-type, x-stainless-os\r\n"
        client.send(get(CHAT, "OPTIONS", PREFLIGHT + asked))
        answer = client.read()
        assert answer.status == 204
        assert "content-length" not in answer.headers
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert answer.headers["access-control-allow-methods"] == "POST, OPTIONS"
        assert answer.headers["access-control-allow-headers"] == "authorization, content-type, x-stainless-os"
        assert answer.headers["access-control-max-age"] == "60"
        assert answer.headers["vary"] == "origin"
        client.post(b"{}", ORIGIN)
        answer = client.read()
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert "x-request-id" in answer.headers["access-control-expose-headers"]


def test_refusals_can_be_read_by_the_page() -> None:
    with live(cors=NAMED) as server:
        client = server.connect()
        client.post(b"{}", ORIGIN + b"content-encoding: gzip\r\n")
        answer = client.read()
        assert answer.status == 415
        assert answer.headers["access-control-allow-origin"] == "https://app.example"


@pytest.mark.parametrize("origin", [b"https://evil.example", b"https://app.example.evil", b"null", b"\xff"])
def test_other_origins_get_nothing(origin: bytes) -> None:
    with live(cors=NAMED) as server:
        client = server.connect()
        client.send(get(CHAT, "OPTIONS", PREFLIGHT.replace(b"https://app.example", origin)))
        answer = client.read()
        assert answer.status == 204
        assert "access-control-allow-origin" not in answer.headers
        client.post(b"{}", b"origin: %b\r\n" % origin)
        assert "access-control-allow-origin" not in client.read().headers


def test_any_origin() -> None:
    with live(cors=CorsSettings(origins=("*",))) as server:
        client = server.connect()
        client.post(b"{}", ORIGIN)
        assert client.read().headers["access-control-allow-origin"] == "*"


def test_requested_headers_that_are_no_names_are_not_echoed() -> None:
    with live(cors=NAMED) as server:
        client = server.connect()
        client.send(get(CHAT, "OPTIONS", PREFLIGHT + b"access-control-request-headers: a\xff<b>\r\n"))
        assert "access-control-allow-headers" not in client.read().headers


def test_plain_options_names_the_methods() -> None:
    with live(cors=NAMED) as server:
        client = server.connect()
        client.send(get(CHAT, "OPTIONS"))
        answer = client.read()
        assert answer.status == 204
        assert answer.headers["allow"] == "POST, OPTIONS"
        assert "access-control-allow-methods" not in answer.headers
        client.send(get(CHAT))
        assert client.read().headers["allow"] == "POST, OPTIONS"
