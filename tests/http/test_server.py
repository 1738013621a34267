import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from polyrelay.http.server import listener
from support.lane import echo, eventually, hold, live, post


def test_port_0_is_a_free_port_that_is_known() -> None:
    with live() as server:
        assert server.server.bound_port == server.port > 0


def test_a_taken_port_is_an_error() -> None:
    with live() as server, pytest.raises(OSError, match="in use"):
        listener("127.0.0.1", server.port)


def test_a_shared_port_may_be_bound_by_several() -> None:
    first = listener("127.0.0.1", 0, shared=True)
    second = listener("127.0.0.1", first.getsockname()[1], shared=True)
    first.close()
    second.close()


def test_ipv6_is_served() -> None:
    bound = listener("::1", 0)
    assert bound.family == socket.AF_INET6
    bound.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder: Path = tmp_path_factory.mktemp("tls")
    chain, key = str(folder / "chain.pem"), str(folder / "key.pem")
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run([*made, "-keyout", key, "-out", chain, "-days", "2", *subject], check=True, capture_output=True)
    return chain, key


def test_tls(certificate: tuple[str, str]) -> None:
    trust = ssl.create_default_context(cafile=certificate[0])
    with live(tls=certificate) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain:
            client = trust.wrap_socket(plain, server_hostname="127.0.0.1")
            for size in (200_000, 5_000_000):
                client.sendall(post(b"x" * size))
                assert b'"length": %d' % size in _until(client, b"}}")
            client.sendall(b"JUNK\r\n\r\n")
            assert _until(client, b"}}").startswith(b"HTTP/1.1 400")
            client.close()
        eventually(lambda: not server.server.server_state.connections)
        server.relay.script = hold
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain:
            client = trust.wrap_socket(plain, server_hostname="127.0.0.1")
            client.sendall(post())
            exchange = server.exchange(2)
            client.close()
        assert eventually(lambda: exchange.gone == 1) < 0.2
        server.relay.script = echo


def _until(client: ssl.SSLSocket, marker: bytes) -> bytes:
    data = b""
    while marker not in data:
        piece = client.recv(65536)
        assert piece
        data += piece
    return data
