"""What every request of a channel has in common: the options of an easy handle that are set once."""

import os
import ssl
from functools import cache
from typing import Final

import pycurl

from polyrelay.routing.channel import Channel

# Options that pycurl gives no name; the numbers are libcurl's ABI (curl.h).
SUPPRESS_CONNECT_HEADERS: Final = 265
DISALLOW_USERNAME_IN_URL: Final = 278

MAX_IDLE_SECONDS: Final = 55
"""An idle connection older than this is not used again: load balancers close theirs after 60 s, and a request sent
into a closing connection has to be sent twice."""

MAX_LIFE_SECONDS: Final = 1800
"""A connection older than this is not used again, so that a vendor's moved address is noticed."""

DNS_SECONDS: Final = 60
"""How long an address is believed; libcurl is not told the record's own lifetime."""

KEEPALIVE_IDLE_SECONDS: Final = 30
KEEPALIVE_INTERVAL_SECONDS: Final = 15
"""TCP probes while a model thinks: NAT boxes forget silent connections after a few minutes."""

BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where distributions keep the system's authorities (Debian, Fedora, SUSE, OpenELEC, CentOS, Alpine and BSD). The
libcurl inside pycurl's wheel was built elsewhere and does not know this machine's place."""


@cache
def system_authorities() -> str | None:
    """The system's file of trusted authorities, looked up once; None leaves libcurl to its built-in place."""
    usual = ssl.get_default_verify_paths().cafile
    candidates = (usual, *BUNDLES) if usual else BUNDLES
    return next((path for path in candidates if os.path.isfile(path)), None)  # noqa: PTH113 - no Path needed


def configure(curl: pycurl.Curl, channel: Channel) -> None:
    """Set everything that does not change from request to request of `channel`. Raises pycurl.error, ValueError."""
    set_protocol(curl, http2=channel.http2)
    set_connection(curl, channel.timeouts.connect)
    set_tls(curl, channel.ca_file or system_authorities())
    set_proxy(curl, channel.proxy)


def set_protocol(curl: pycurl.Curl, *, http2: bool) -> None:
    """HTTP only, no redirects, nothing remembered between requests.

    Cookies, alt-svc and HSTS stay off as libcurl has them unless asked for. PIPEWAIT stays off: after a cold start
    every waiting request would hang on one handshake, which may be the one that times out; a few connections too
    many close by themselves, and later requests share the HTTP/2 ones.
    """
    curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    version = pycurl.CURL_HTTP_VERSION_2TLS if http2 else pycurl.CURL_HTTP_VERSION_1_1
    curl.setopt(pycurl.HTTP_VERSION, version)
    curl.setopt(pycurl.PIPEWAIT, 0)
    curl.setopt(pycurl.HTTP09_ALLOWED, 0)
    curl.setopt(pycurl.FOLLOWLOCATION, 0)
    curl.setopt(pycurl.NETRC, pycurl.NETRC_IGNORED)
    curl.setopt(DISALLOW_USERNAME_IN_URL, 1)
    curl.setopt(pycurl.HTTP_CONTENT_DECODING, 0)
    curl.setopt(pycurl.USERAGENT, "polyrelay")
    curl.setopt(pycurl.NOPROGRESS, 1)
    curl.setopt(pycurl.NOSIGNAL, 1)


def set_connection(curl: pycurl.Curl, connect_seconds: float) -> None:
    """Deadline, probes and age."""
    curl.setopt(pycurl.CONNECTTIMEOUT_MS, max(1, round(connect_seconds * 1000)))
    curl.setopt(pycurl.TCP_NODELAY, 1)
    curl.setopt(pycurl.TCP_KEEPALIVE, 1)
    curl.setopt(pycurl.TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS)
    curl.setopt(pycurl.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS)
    curl.setopt(pycurl.MAXAGE_CONN, MAX_IDLE_SECONDS)
    curl.setopt(pycurl.MAXLIFETIME_CONN, MAX_LIFE_SECONDS)
    curl.setopt(pycurl.DNS_CACHE_TIMEOUT, DNS_SECONDS)


def set_tls(curl: pycurl.Curl, authorities: str | None) -> None:
    """TLS 1.2 or later, verified; the same authorities for the upstream and for an https proxy."""
    curl.setopt(pycurl.SSL_VERIFYPEER, 1)
    curl.setopt(pycurl.SSL_VERIFYHOST, 2)
    curl.setopt(pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2)
    curl.setopt(pycurl.PROXY_SSL_VERIFYPEER, 1)
    curl.setopt(pycurl.PROXY_SSL_VERIFYHOST, 2)
    curl.setopt(pycurl.PROXY_SSLVERSION, pycurl.SSLVERSION_TLSv1_2)
    if authorities is not None:
        curl.setopt(pycurl.CAINFO, authorities)
        curl.setopt(pycurl.PROXY_CAINFO, authorities)


def set_proxy(curl: pycurl.Curl, proxy: str | None) -> None:
    """Always explicit: an empty PROXY and an empty NOPROXY keep `http_proxy` and `no_proxy` of the environment out."""
    curl.setopt(pycurl.PROXY, proxy or "")
    curl.setopt(pycurl.NOPROXY, "")
    curl.setopt(SUPPRESS_CONNECT_HEADERS, 1)
