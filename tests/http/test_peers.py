import pytest

from polyrelay.http.peers import Forwarding
from support.lane import get, live

PROXIES = Forwarding(("10.0.0.0/8", "fd00::/8"))


@pytest.mark.parametrize(
    ("hops", "peer"),
    [
        ([], "10.0.0.1"),
        (["203.0.113.7"], "203.0.113.7"),
        (["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7, 10.1.1.1"], "203.0.113.7"),
        (["203.0.113.7", "10.1.1.1"], "203.0.113.7"),
        (["198.51.100.1", "203.0.113.7, 10.1.1.1"], "203.0.113.7"),
        (["10.2.2.2, 10.1.1.1"], "10.2.2.2"),
        (["203.0.113.7, unknown, 10.1.1.1"], "10.1.1.1"),
        (["nonsense"], "10.0.0.1"),
        ([""], "10.0.0.1"),
        (["203.0.113.7:4711"], "203.0.113.7"),
        (["[2001:db8::7]:4711"], "2001:db8::7"),
        (["2001:db8::7, fd00::1"], "2001:db8::7"),
        (["::ffff:203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7, ::ffff:10.1.1.1"], "203.0.113.7"),
    ],
)
def test_the_rightmost_hop_that_is_no_proxy_of_ours(hops: list[str], peer: str) -> None:
    headers = [(b"host", b"x"), *((b"x-forwarded-for", hop.encode()) for hop in hops)]
    assert PROXIES.client("10.0.0.1", headers) == peer


def test_only_named_networks_are_trusted() -> None:
    assert PROXIES.trusts("10.0.0.1")
    assert PROXIES.trusts("fd00::5")
    assert not PROXIES.trusts("203.0.113.7")
    assert not PROXIES.trusts("")
    assert not Forwarding().trusts("10.0.0.1")


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="proxies"):
        Forwarding(("proxies",))


def test_a_trusted_proxy_is_believed() -> None:
    with live(forwarded=("127.0.0.0/8",)) as server:
        client = server.connect()
        client.post(b"{}", b"x-forwarded-for: 203.0.113.7\r\n")
        assert client.read().json["peer"] == "203.0.113.7"
        client.post()
        assert client.read().json["peer"] == "127.0.0.1"
        client.send(get(headers=b"x-forwarded-for: 203.0.113.8\r\n"))
        client.read()
        scope = server.app.scopes[0]
        assert scope["type"] == "http"
        assert scope["client"] is not None
        assert scope["client"][0] == "203.0.113.8"


def test_another_peer_is_not_believed() -> None:
    with live(forwarded=("10.0.0.0/8",)) as server:
        client = server.connect()
        client.post(b"{}", b"x-forwarded-for: 203.0.113.7\r\n")
        assert client.read().json["peer"] == "127.0.0.1"
