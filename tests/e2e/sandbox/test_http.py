import contextlib
import json
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from polyrelay.sandbox import run as run_module
from polyrelay.sandbox.server import Sandbox

from .vendor import Vendor, read, running, until


def test_keep_alive_and_pipelining_keep_the_order(vendor: Vendor) -> None:
    with contextlib.closing(vendor.connect()) as sock:
        first = vendor.request("sandbox:headers=30ms", close=False)
        sock.sendall(first + vendor.request("sandbox:tokens=1", close=False) + vendor.request("sandbox:tokens=2"))
        seen = read(sock)
    models = [part.split(b'"')[0].decode() for part in seen.body.split(b'"model":"')[1:]]
    assert models == ["sandbox:headers=30ms", "sandbox:tokens=1", "sandbox:tokens=2"]
    assert {record.connection for record in vendor.sandbox.requests} == {1}


def test_old_clients(vendor: Vendor) -> None:
    seen = vendor.see(version="1.0", stream=True)
    assert b"transfer-encoding" not in seen.head
    assert seen.body.endswith(b"data: [DONE]\n\n")


def test_expect_and_chunked_requests(vendor: Vendor) -> None:
    with contextlib.closing(vendor.connect()) as sock:
        body = vendor.request().partition(b"\r\n\r\n")[2]
        sock.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nExpect: 100-continue\r\n"
            b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        assert read(sock).head.startswith(b"HTTP/1.1 200 OK")
    assert vendor.sandbox.requests[-1].body == body


def test_an_offer_to_upgrade_is_ignored(vendor: Vendor) -> None:
    seen = vendor.see(headers="upgrade: h2c\r\n")
    assert seen.head.startswith(b"HTTP/1.1 200 OK")


def test_what_is_no_http(vendor: Vendor) -> None:
    with contextlib.closing(vendor.connect()) as sock:
        sock.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert read(sock).head.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/chat/completions", 405), ("POST", "/v1/embeddings", 404), ("GET", "/sandbox/nothing", 404)],
)
def test_what_it_does_not_serve(vendor: Vendor, method: str, path: str, status: int) -> None:
    got, body = vendor.json(method, path, {} if method == "POST" else None)
    assert got == status
    assert set(body["error"]) == {"message", "type", "param", "code"}


def test_bad_requests_name_the_field(vendor: Vendor) -> None:
    status, body = vendor.json("POST", "/v1/chat/completions", {"model": "m", "messages": [{"content": "x"}]})
    assert (status, body["error"]["param"]) == (400, "messages[0]")
    status, body = vendor.json(
        "POST", "/v1/chat/completions", {"model": "sandbox:nonsense", "messages": [{"role": "u"}]}
    )
    assert status == 400
    assert "unknown option 'nonsense'" in body["error"]["message"]


def test_models(vendor: Vendor) -> None:
    status, body = vendor.json("GET", "/v1/models")
    assert status == 200
    assert "sandbox-fast" in [model["id"] for model in body["data"]]


def test_keys() -> None:
    with running(Sandbox(keys=frozenset({"good"}))) as vendor:
        status, body = vendor.json("GET", "/v1/models", headers={"Authorization": "Bearer bad"})
        assert (status, body["error"]["code"]) == (401, "invalid_api_key")
        assert vendor.json("GET", "/v1/models")[0] == 401
        assert vendor.json("GET", "/v1/models", headers={"Authorization": "bearer good"})[0] == 200


def test_control_endpoint(vendor: Vendor) -> None:
    order = {"model": "m", "script": {"status": 500}, "times": 1}
    assert vendor.json("POST", "/sandbox/script", order)[0] == 200
    assert vendor.json("GET", "/sandbox/script")[1]["pending"] == {"m": [{"script": {"status": 500}, "times": 1}]}
    assert vendor.see("m").head.startswith(b"HTTP/1.1 500")
    assert vendor.see("m").head.startswith(b"HTTP/1.1 200")
    vendor.json("POST", "/sandbox/script", {"model": "*", "script": "status=503", "times": None})
    assert vendor.see("m").head.startswith(b"HTTP/1.1 503")
    assert vendor.json("DELETE", "/sandbox/script")[0] == 200
    assert vendor.see("m").head.startswith(b"HTTP/1.1 200")
    status, body = vendor.json("POST", "/sandbox/script", {"model": "m", "script": {"nope": 1}})
    assert status == 400
    assert "unknown option" in body["error"]["message"]
    assert vendor.json("POST", "/sandbox/script", {"model": "m"})[0] == 400


def test_records_hold_what_arrived(vendor: Vendor) -> None:
    sent = vendor.request("m", headers="X-Odd: Value\r\n")
    with contextlib.closing(vendor.connect()) as sock:
        sock.sendall(sent)
        assert sock.recv(10)
    vendor.see("m", user="x" * 100_000)
    small, big = vendor.json("GET", "/sandbox/requests")[1]["requests"]
    assert (small["method"], small["path"], small["number"]) == ("POST", "/v1/chat/completions", 1)
    assert ["X-Odd", "Value"] in small["headers"]
    assert small["body_size"] == len(sent.partition(b"\r\n\r\n")[2])
    assert (big["body_base64"], big["body_size"] > 100_000, len(big["body_sha256"])) == (None, True, 64)
    assert (small["outcome"], small["client_left_early"]) == ("finished", False)
    assert small["connection"] != big["connection"]
    assert vendor.json("DELETE", "/sandbox/requests")[1] == {"ok": True}
    assert vendor.json("GET", "/sandbox/requests")[1] == {"requests": []}
    state = vendor.json("GET", "/sandbox/state")[1]
    assert state["requests_total"] == 2
    assert state["connections_open"] >= 1


def test_help_is_text(vendor: Vendor) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{vendor.port}/sandbox", timeout=10) as answer:
        assert b"retry-after" in answer.read()


def test_as_a_program(tmp_path: Path) -> None:
    command = [sys.executable, "-m", run_module.__name__, "--tls", str(tmp_path), "--basic", "user:pass"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = json.loads(process.stdout.readline())
            assert address["base_url"] == f"https://127.0.0.1:{address['port']}/v1"
            assert (tmp_path / "ca.pem").samefile(address["ca"])
            assert (tmp_path / "server.key").stat().st_mode & 0o077 == 0
            root, trust = address["base_url"].removesuffix("/v1"), ssl.create_default_context(cafile=address["ca"])
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(f"{root}/sdapi/v1/samplers", timeout=10, context=trust)
            with contextlib.closing(socket.create_connection(("127.0.0.1", address["port"]), timeout=10)):
                process.send_signal(signal.SIGTERM)
                assert process.wait(10) == 0
        finally:
            process.kill()


def test_a_client_that_is_no_tls_is_dropped(secure_vendor: Vendor) -> None:
    with contextlib.closing(socket.create_connection(("127.0.0.1", secure_vendor.port), timeout=10)) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            while sock.recv(4096):
                pass
    assert secure_vendor.see().head.startswith(b"HTTP/1.1 200 OK")


def test_nothing_leaks_over_many_connections(any_vendor: Vendor) -> None:
    any_vendor.see()
    before = descriptors()
    for model in ("sandbox", "sandbox:cut=10", "sandbox:reset=10", "sandbox:before=close") * 10:
        any_vendor.see(model, stream=True)
    until(lambda: any_vendor.sandbox.state()["connections_open"] == 0)
    until(lambda: descriptors() <= before)


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
