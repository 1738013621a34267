"""The way to the vendor, through a whole relay: HTTP/2, proxies, TLS."""

import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from polyrelay.sandbox import certificate
from support import proxies, raw
from support.processes import RelayProcess, Vendor, channel, relay, until, vendor

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
MODEL = '{ name = "m", upstream = "vendor-m" }'

CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {files.chain};
    ssl_certificate_key {files.key};
    location / {{
      proxy_pass http://127.0.0.1:{behind};
      proxy_http_version 1.1;
      proxy_buffering off;
      proxy_set_header x-front-connection $connection;
      proxy_set_header x-front-protocol $server_protocol;
    }}
  }}
}}
"""


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    """A vendor that speaks HTTPS with a certificate nobody knows."""
    folder = tmp_path_factory.mktemp("secure")
    with vendor(folder, "--tls", "--folder", str(folder / "tls")) as found:
        yield found


def trusting(secure: Vendor, extra: str = "") -> str:
    return channel("main", secure.base_url, MODEL, f'ca_file = "{secure.process.said["ca_file"]}"\n{extra}')


# ── HTTP/2 ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Front:
    """nginx, speaking HTTP/2 in front of the sandbox."""

    base_url: str
    files: certificate.Certificates


@pytest.fixture(scope="module")
def front(sandbox: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    if NGINX is None:
        assert not os.environ.get("CI"), "nginx must be installed in CI"
        pytest.skip("nginx is not installed, and this is not CI")
    folder = tmp_path_factory.mktemp("nginx")
    files = certificate.ensure(folder / "tls")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    behind = urlsplit(sandbox.base_url).port
    (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, port=port, behind=behind, files=files))
    with subprocess.Popen(
        [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL
    ) as up:
        try:
            until(lambda: up.poll() is not None or _accepts(port))
            assert up.poll() is None, (folder / "error.log").read_text()
            yield Front(f"https://127.0.0.1:{port}/v1", files)
        finally:
            up.terminate()


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def multiplexed(front: Front, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    config = channel("main", front.base_url, MODEL, f'ca_file = "{front.files.ca}"')
    with relay(tmp_path_factory.mktemp("multiplexed"), config) as found:
        yield found


def front_facts(fresh: Vendor) -> list[tuple[str, str]]:
    """Protocol and connection number at nginx of each request."""
    heads = [dict(request["headers"]) for request in fresh.requests()]
    return [(head["x-front-protocol"], head["x-front-connection"]) for head in heads]


def test_http2_carries_both_kinds_of_answer(multiplexed: RelayProcess, fresh: Vendor) -> None:
    assert multiplexed.ask().json()["choices"]
    assert multiplexed.ask(stream=True).text.endswith("data: [DONE]\n\n")
    assert multiplexed.ask(user="u" * 300_000).status_code == 200
    assert {protocol for protocol, _ in front_facts(fresh)} == {"HTTP/2.0"}


def test_streams_at_once_share_one_connection(multiplexed: RelayProcess, fresh: Vendor) -> None:
    assert multiplexed.ask().status_code == 200
    fresh.script("vendor-m", tokens=40, pace="10ms")
    with ExitStack() as stack:
        clients = [stack.enter_context(raw.connected(multiplexed)) for _ in range(12)]
        for client in clients:
            client.send(raw.chat(multiplexed.key))
        for client in clients:
            client.read_until(b"data: ")
        assert fresh.state()["exchanges_active"] == 12
        for client in clients:
            client.read_until(b"[DONE]")
    assert len({connection for _, connection in front_facts(fresh)}) == 1


def test_a_client_that_leaves_resets_its_stream_and_no_other(multiplexed: RelayProcess, fresh: Vendor) -> None:
    assert multiplexed.ask().status_code == 200
    fresh.script("vendor-m", tokens=60, pace="20ms")
    with raw.connected(multiplexed) as stays:
        stays.send(raw.chat(multiplexed.key))
        stays.read_until(b"data: ", 2)
        with raw.connected(multiplexed) as leaves:
            leaves.send(raw.chat(multiplexed.key, label="leaves"))
            leaves.read_until(b"data: ", 2)
        until(lambda: any(request["client_left_early"] for request in fresh.requests()), seconds=2)
        stays.read_until(b"[DONE]")
    assert multiplexed.ask().status_code == 200
    outcomes = [request["outcome"] for request in fresh.requests()]
    assert outcomes.count("client_left") == 1
    assert len({connection for _, connection in front_facts(fresh)}) == 1
    assert multiplexed.record("leaves")["outcome"] == "client_gone"


def test_a_client_that_does_not_read_holds_up_no_other_stream(multiplexed: RelayProcess, fresh: Vendor) -> None:
    assert multiplexed.ask().status_code == 200
    fresh.script("vendor-m", times=1, tokens=30, piece="1MB")
    with raw.connected(multiplexed, receive_buffer=4096) as slow:
        slow.send(raw.chat(multiplexed.key))
        slow.read_until(b"data: ")
        for _ in range(5):
            assert multiplexed.ask(stream=True).text.endswith("data: [DONE]\n\n")
        assert fresh.state()["exchanges_active"] == 1
    assert len({connection for _, connection in front_facts(fresh)}) == 1


def test_http2_can_be_turned_off(front: Front, fresh: Vendor, tmp_path: Path) -> None:
    config = channel("main", front.base_url, MODEL, f'ca_file = "{front.files.ca}"\nhttp2 = false')
    with relay(tmp_path, config) as served:
        assert served.ask(stream=True).text.endswith("data: [DONE]\n\n")
    assert front_facts(fresh)[-1][0] == "HTTP/1.1"


# ── proxies ──────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def through(url: str, base_url: str, ca_file: str | None, folder: Path) -> Iterator[RelayProcess]:
    trust = f'ca_file = "{ca_file}"\n' if ca_file else ""
    with relay(folder, channel("main", base_url, MODEL, f'{trust}proxy = "{url}"')) as served:
        yield served


def test_an_http_proxy_tunnels_to_an_https_vendor(secure: Vendor, tmp_path: Path) -> None:
    authorization = "Basic " + base64.b64encode(b"user:pass").decode()
    with (
        proxies.connect_proxy(authorization) as proxy,
        through(
            f"http://user:pass@127.0.0.1:{proxy.port}", secure.base_url, secure.process.said["ca_file"], tmp_path
        ) as served,
    ):
        for stream in (False, True, True):
            assert served.ask(stream=stream).status_code == 200
        assert proxy.targets == [("127.0.0.1", secure.process.said["port"])]
        assert "user:pass" not in served.process.log.read_text()


def test_a_proxy_that_refuses_is_an_unreachable_vendor(secure: Vendor, sandbox: Vendor, tmp_path: Path) -> None:
    with proxies.connect_proxy("Basic other") as proxy:
        config = trusting(secure, f'proxy = "http://user:pass@127.0.0.1:{proxy.port}"')
        with relay(tmp_path / "alone", config) as served:
            answer = served.ask()
            assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_unreachable")
            assert "407" not in answer.text
        spare = channel("spare", sandbox.base_url, MODEL, "priority = 1")
        with relay(tmp_path / "paired", config + spare) as served:
            assert served.ask().status_code == 200


@pytest.mark.parametrize(("scheme", "host"), [("socks5", "127.0.0.1"), ("socks5h", "localhost")])
def test_a_socks_proxy(scheme: str, host: str, sandbox: Vendor, tmp_path: Path) -> None:
    """`socks5h` leaves the vendor's name to the proxy."""
    base_url = sandbox.base_url.replace("127.0.0.1", host)
    with (
        proxies.socks_proxy() as proxy,
        through(f"{scheme}://127.0.0.1:{proxy.port}", base_url, None, tmp_path) as served,
    ):
        assert served.ask().status_code == 200
        assert served.ask(stream=True).text.endswith("data: [DONE]\n\n")
        assert set(proxy.targets) == {(host, sandbox.process.said["port"])}


def test_a_socks_proxy_to_an_https_vendor(secure: Vendor, tmp_path: Path) -> None:
    with (
        proxies.socks_proxy() as proxy,
        through(
            f"socks5://127.0.0.1:{proxy.port}", secure.base_url, secure.process.said["ca_file"], tmp_path
        ) as served,
    ):
        assert served.ask(stream=True).text.endswith("data: [DONE]\n\n")
        assert proxy.targets == [("127.0.0.1", secure.process.said["port"])]


def test_the_environments_proxies_are_not_asked(
    secure: Vendor, fresh: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxies.connect_proxy() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        config = trusting(secure) + channel("plain", fresh.base_url, '"plain"')
        with relay(tmp_path, config) as served:
            assert served.ask().status_code == 200
            assert served.ask("plain").status_code == 200
        assert proxy.targets == []


# ── TLS ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_vendor_nobody_vouches_for_is_refused_and_doctor_says_why(secure: Vendor, tmp_path: Path) -> None:
    with relay(tmp_path, channel("main", secure.base_url, MODEL)) as served:
        answer = served.ask()
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_unreachable")
        assert "certificate" not in answer.text
        assert "certificate" in served.process.log.read_text()
        arguments = [sys.executable, "-m", "polyrelay", "doctor", "--config", str(served.config), "--json"]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    (found,) = [finding for finding in json.loads(done.stdout) if finding["check"] == "upstream main #1"]
    assert (done.returncode, found["state"]) == (1, "problem")
    assert "certificate" in found["detail"]
    assert "ca_file" in found["remedy"]


def test_a_certificate_for_another_name_is_refused(secure: Vendor, tmp_path: Path) -> None:
    """127.0.0.2 is the same machine under an address the certificate does not name."""
    config = trusting(secure).replace("127.0.0.1", "127.0.0.2")
    with socket.socket() as listening, relay(tmp_path, config) as served:
        listening.bind(("127.0.0.2", secure.process.said["port"]))
        listening.listen()
        threading.Thread(target=_forward, args=(listening, secure.process.said["port"]), daemon=True).start()
        assert served.ask().json()["error"]["code"] == "upstream_unreachable"


def _forward(listening: socket.socket, port: int) -> None:
    """Pass the first flights of a TLS handshake on, for as long as anybody speaks."""
    with contextlib.suppress(OSError):
        while True:
            inner, _ = listening.accept()
            with inner, socket.create_connection(("127.0.0.1", port), timeout=5) as outer:
                outer.sendall(inner.recv(65536))
                inner.sendall(outer.recv(65536))
                inner.recv(65536)


@pytest.mark.parametrize("door", [{"handshake": "20s"}, {"door": "mute"}])
def test_a_slow_handshake_meets_the_connect_deadline(
    door: dict[str, str], secure: Vendor, sandbox: Vendor, tmp_path: Path
) -> None:
    timeouts = "[channels.timeouts]\nconnect = 0.4\n"
    config = trusting(secure, timeouts) + channel("spare", sandbox.base_url, '"n", ' + MODEL, "priority = 1")
    config += "[answers]\nreveal_channel = true\n"
    with relay(tmp_path, config) as served:
        secure.script("@connections", times=1, **door)
        started = time.monotonic()
        answer = served.ask()
        assert 0.4 <= time.monotonic() - started < 3
        assert (answer.status_code, answer.headers["x-polyrelay-channel"]) == (200, "spare")
        assert served.ask().headers["x-polyrelay-channel"] == "main"
