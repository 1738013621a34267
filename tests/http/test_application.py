import subprocess
import sys
import time

import pytest

from polyrelay.http.admin import control
from polyrelay.http.admin.instance import Instance
from polyrelay.http.application import Application
from polyrelay.http.ports import Answered
from polyrelay.service.ports import HeaderList
from support.lane import Raw, get, live, post

KIND = (b"content-type", b"application/json")


class Models:
    """The directory's twin: says who asked for what."""

    def identify(self, headers: HeaderList) -> HeaderList:
        return [(b"x-request-id", dict(headers).get(b"x-request-id", b"px_1")), (b"openai-processing-ms", b"0")]

    def models(self, headers: HeaderList, peer: str) -> Answered:
        return 200, [KIND, (b"x-peer", peer.encode())], b'{"data":[]}'

    def model(self, name: str, headers: HeaderList, peer: str) -> Answered:
        return 200, [KIND], name.encode()


def _application(reasons: tuple[str, ...] = ()) -> Application:
    instance = Instance(version="1.2.3", started=time.monotonic(), channels=lambda: 4)
    return Application(Models(), lambda: reasons, control.on_first_use(instance))


def test_health() -> None:
    with live(app=_application()) as server:
        client = server.connect()
        client.send(get("/healthz"))
        answer = client.read()
        assert answer.status == 200
        assert answer.json == {"status": "ok"}
        assert answer.headers["x-request-id"] == "px_1"
        assert answer.headers["openai-processing-ms"] == "0"
        assert "date" in answer.headers
        assert "server" not in answer.headers
        client.send(get("/healthz", "HEAD"))
        head = client.read(head_only=True)
        assert head.headers["content-length"] == str(len(answer.body))
        client.send(get("/readyz"))
        assert client.read().status == 200


def test_readiness_gives_reasons() -> None:
    with live(app=_application(("the journal's disk is full",))) as server:
        client = server.connect()
        client.send(get("/readyz"))
        answer = client.read()
        assert answer.status == 503
        assert answer.json["reasons"] == ["the journal's disk is full"]


def test_models() -> None:
    with live(app=_application()) as server:
        client = server.connect()
        client.send(get("/v1/models"))
        answer = client.read()
        assert answer.json == {"data": []}
        assert answer.headers["x-peer"] == "127.0.0.1"
        client.send(get("/v1/models/gpt-4o"))
        assert client.read().body == b"gpt-4o"
        client.send(get("/v1/models/deepseek-ai/V3%20x?a=b"))
        assert client.read().body == b"deepseek-ai/V3 x"


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/models/", "/v1/modelsx", "/v1/chat/completions/", "/admin"])
def test_an_unknown_route_is_404(path: str) -> None:
    with live(app=_application()) as server:
        client = server.connect()
        client.post(path=path)
        answer = client.read()
        assert answer.status == 404
        assert answer.json["error"]["message"] == f"Unknown request URL: POST {path}"
        assert answer.json["error"]["code"] == "unknown_url"
        assert answer.json["error"]["type"] == "invalid_request_error"
        assert answer.headers["x-should-retry"] == "false"
        assert answer.headers["x-request-id"].startswith("px_")


def test_other_methods_are_405() -> None:
    with live(app=_application()) as server:
        client = server.connect()
        client.post(path="/v1/models")
        answer = client.read()
        assert answer.status == 405
        assert answer.headers["allow"] == "GET, HEAD"
        client.send(get("*", "OPTIONS"))
        assert client.read().status == 404


def test_the_control_plane_answers() -> None:
    with live(app=_application()) as server:
        client = server.connect()
        for _ in range(2):
            client.send(get("/admin/v1/openapi.json"))
            answer = client.read()
            assert answer.status == 200
            assert answer.json["info"]["version"] == "1.2.3"
        client.send(get("/admin/v1/health"))
        answer = client.read()
        assert answer.status == 503
        assert answer.json["request_id"] == answer.headers["x-request-id"]
        client.send(get("/admin/nothing"))
        assert client.read().status == 404
        client.send(get("/admin/docs"))
        assert client.read().status == 404


def test_fastapi_waits_for_its_first_use() -> None:
    program = (
        "import sys; import polyrelay.http.application, polyrelay.http.server, polyrelay.http.admin.control;"
        "sys.exit([m for m in sys.modules if m.split('.')[0] in ('fastapi', 'starlette', 'pydantic')] and 1 or 0)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_relay_route_next_to_the_application() -> None:
    with live(app=_application()) as server:
        client: Raw = server.connect()
        client.send(post(b"{}") + get("/healthz") + post(b"{}"))
        assert client.read().json["length"] == 2
        assert client.read().json == {"status": "ok"}
        assert client.read().json["length"] == 2


@pytest.mark.parametrize(
    ("request_line", "status", "code"),
    [(get("/admin/v1/nothing"), 404, "unknown_url"), (get("/admin/v1/health", "DELETE"), 405, "method_not_allowed")],
)
def test_the_control_plane_refuses_in_the_shape_of_the_house(request_line: bytes, status: int, code: str) -> None:
    with live(app=_application()) as server:
        client = server.connect()
        client.send(request_line)
        answer = client.read()
        assert (answer.status, answer.json["code"]) == (status, code)
        assert answer.headers["x-request-id"] == "px_1"
        assert answer.headers["x-should-retry"] == "false"


class Money:
    """The billing's twin: says what was asked."""

    def serves(self, path: str) -> bool:
        return path == "/v1/usage"

    async def answer(self, path: str, query: bytes, headers: HeaderList, peer: str) -> Answered:
        return 200, [KIND], b"%b?%b %b" % (path.encode(), query, peer.encode())


class WebUi:
    """The lists' twin: says what was asked."""

    def serves(self, path: str) -> bool:
        return path.startswith("/sdapi/")

    async def answer(self, method: str, path: str, query: bytes, headers: HeaderList, peer: str) -> Answered:
        return 201, [KIND], b"%b %b?%b %b" % (method.encode(), path.encode(), query, peer.encode())


def test_whole_apis_are_left_to_their_lists() -> None:
    with live(app=Application(Models(), lambda: (), _application, None, WebUi())) as server:
        client = server.connect()
        client.send(get("/sdapi/v1/progress?model=a"))
        answer = client.read()
        assert (answer.status, answer.body) == (201, b"GET /sdapi/v1/progress?model=a 127.0.0.1")
        assert answer.headers["x-request-id"] == "px_1"
        client.post(path="/sdapi/v1/options")
        assert client.read().body == b"POST /sdapi/v1/options? 127.0.0.1"
        client.send(get("/v1/models"))
        assert client.read().json == {"data": []}


def test_what_clients_ask_about_their_money() -> None:
    with live(app=Application(Models(), lambda: (), _application, Money())) as server:
        client = server.connect()
        client.send(get("/v1/usage?start_date=2026-11-22"))
        answer = client.read()
        assert (answer.status, answer.body) == (200, b"/v1/usage?start_date=2026-11-22 127.0.0.1")
        assert answer.headers["x-request-id"] == "px_1"
        client.send(get("/v1/usage", "PUT"))
        assert client.read().status == 405
    with live(app=_application()) as server:
        client = server.connect()
        client.send(get("/v1/usage"))
        assert client.read().json["error"]["code"] == "unknown_url"
