"""URLs of any kind: taken apart in one way only, or refused."""

import re
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyrelay.access import destinations, policy
from polyrelay.access.destinations import BadDestination, Rules

OPEN = Rules(allow_http=True, ports=tuple(range(1, 65536)), networks=policy.parse_networks(("0.0.0.0/0", "::/0")))
STRICT = Rules()

PIECES = st.sampled_from(
    ["http", "https", "ftp", "://", ":", "/", "//", "@", "\\", "?", "#", "[", "]", "::1", "127.0.0.1", "127.1",
     "0x7f.1", "2130706433", "example.com", "EXAMPLE.com.", "xn--e1afmkfd", "é", ".", "-", "_", "%", "%2e", "%00", " ",
     "\t", "\n", "443", ":80", ":0", ":65536", "user:pass@", "a=b&c=d", "..", "\u3002", "\uff0e"]
)  # fmt: skip
URLS = st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=60).map(lambda text: f"https://{text}") | st.text()


@given(URLS)
def test_what_is_taken_is_read_the_same_by_everybody(url: str) -> None:
    try:
        found = destinations.parse(url, OPEN)
    except BadDestination:
        return
    parts = urlsplit(found.url)
    assert (parts.scheme, parts.hostname, parts.username, parts.fragment) == (found.scheme, found.host, None, "")
    assert (parts.port or {"http": 80, "https": 443}[parts.scheme]) == found.port
    assert destinations.parse(found.url, OPEN) == found
    assert found.url.isascii()
    assert not set(found.url) & set(' \t\r\n\\"<>^`{|}#')


@given(URLS)
def test_the_strict_take_nothing_but_https_on_its_port(url: str) -> None:
    try:
        found = destinations.parse(url, STRICT)
    except BadDestination:
        return
    assert (found.scheme, found.port) == ("https", 443)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "begins with https://"),
        ("hook", "begins with https://"),
        ("ftp://example.com/", "begins with https://"),
        ("//example.com/", "begins with https://"),
        ("http://example.com/", "must begin with https://"),
        ("https://example.com:8443/", "port 8443 is not allowed here; allowed: 443"),
        ("https://example.com:0/", "a port that is none"),
        ("https://example.com:65536/", "a port that is none"),
        ("https://user@example.com/", "user name or password"),
        ("https://user:secret@example.com/", "user name or password"),
        ("https://example.com@127.0.0.1/", "user name or password"),
        ("https://example.com\\@127.0.0.1/", "percent-encoded"),
        ("https://exämple.com/", "xn--"),
        ("https://example.com/a b", "percent-encoded"),
        ("https:///path", "no host"),
        ("https://:443/", "no host"),
        ("https://[::1/", "no host"),
        ("https://[1.2.3.4]/", "IPv6 address that is none"),
        ("https://[fe80::1%25eth0]/", "no host"),
        ("https://127.1/", "four decimal numbers"),
        ("https://0x7f000001/", "four decimal numbers"),
        ("https://2130706433/", "four decimal numbers"),
        ("https://0177.0.0.1/", "four decimal numbers"),
        ("https://example.0x7f/", "four decimal numbers"),
        ("https://-example.com/", "no name"),
        ("https://a..b/", "no name"),
        (f"https://{'a' * 64}.com/", "no name"),
        ("https://127.0.0.1/", "not on the internet (loopback)"),
        ("https://10.1.2.3/hook", "not on the internet (private)"),
        ("https://[::1]/", "not on the internet (loopback)"),
        ("https://[::ffff:169.254.169.254]/latest", "not on the internet (link-local)"),
        ("https://169.254.169.254/latest/meta-data", "not on the internet (link-local)"),
        ("https://localhost/", "not on the internet (loopback)"),
        ("https://LOCALHOST./hook", "not on the internet (loopback)"),
        ("https://a.b.localhost/", "not on the internet (loopback)"),
        ("https://example.com/" + "a" * 2048, "longer than 2048"),
    ],
)
def test_what_is_refused_is_told_why(url: str, words: str) -> None:
    with pytest.raises(BadDestination, match=re.escape(words)):
        destinations.parse(url, STRICT)


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://Example.COM.:443?a=1#part", "https://example.com/?a=1"),
        ("https://8.8.8.8/x", "https://8.8.8.8/x"),
        ("https://localhost.example.com/", "https://localhost.example.com/"),
        ("https://mylocalhost/", "https://mylocalhost/"),
        ("https://[2606:4700:0::1111]/", "https://[2606:4700::1111]/"),
        ("https://hooks.example.com/a/b?token=x%20y", "https://hooks.example.com/a/b?token=x%20y"),
    ],
)
def test_what_is_taken(url: str, taken: str) -> None:
    assert destinations.parse(url, STRICT).url == taken


def test_more_is_taken_where_the_operator_allows_it() -> None:
    rules = Rules(allow_http=True, ports=(8090,), networks=policy.parse_networks(("127.0.0.0/8",)))
    assert destinations.parse("http://127.0.0.1:8090/hook", rules).url == "http://127.0.0.1:8090/hook"
    assert destinations.parse("http://localhost:8090/hook", rules).url == "http://localhost:8090/hook"
    assert destinations.parse("http://example.com/hook", rules).url == "http://example.com/hook"
    with pytest.raises(BadDestination, match="allowed: 80, 443, 8090"):
        destinations.parse("http://127.0.0.1:8091/hook", rules)


def test_queries_are_not_shown() -> None:
    assert destinations.read("https://example.com/hook?token=secret").shown == "https://example.com/hook?…"
    assert destinations.read("https://example.com/hook").shown == "https://example.com/hook"
