"""libcurl's error numbers in the words of routing."""

from typing import Final

import pycurl

from polyrelay.exchange.faults import Fault, FaultKind

DETAIL_CHARS: Final = 300
"""Longest detail kept of libcurl's own message."""

# Numbers that pycurl gives no name (libcurl-errors(3)).
WEIRD_SERVER_REPLY: Final = 8
HTTP2_STREAM: Final = 92
HTTP3: Final = 95
QUIC_CONNECT_ERROR: Final = 96
PROXY: Final = 97
SSL_CLIENTCERT: Final = 98
UNRECOVERABLE_POLL: Final = 99
TOO_LARGE: Final = 100

KINDS: Final[dict[int, FaultKind]] = {
    # The request never reached a server: nothing can have been done with it.
    pycurl.E_UNSUPPORTED_PROTOCOL: FaultKind.CONNECT,
    pycurl.E_FAILED_INIT: FaultKind.CONNECT,
    pycurl.E_URL_MALFORMAT: FaultKind.CONNECT,
    pycurl.E_NOT_BUILT_IN: FaultKind.CONNECT,
    pycurl.E_COULDNT_RESOLVE_PROXY: FaultKind.CONNECT,
    pycurl.E_COULDNT_RESOLVE_HOST: FaultKind.CONNECT,
    pycurl.E_COULDNT_CONNECT: FaultKind.CONNECT,
    pycurl.E_INTERFACE_FAILED: FaultKind.CONNECT,
    pycurl.E_LOGIN_DENIED: FaultKind.CONNECT,
    pycurl.E_SSL_CONNECT_ERROR: FaultKind.CONNECT,
    pycurl.E_SSL_ENGINE_NOTFOUND: FaultKind.CONNECT,
    pycurl.E_SSL_ENGINE_SETFAILED: FaultKind.CONNECT,
    pycurl.E_SSL_ENGINE_INITFAILED: FaultKind.CONNECT,
    pycurl.E_SSL_CERTPROBLEM: FaultKind.CONNECT,
    pycurl.E_SSL_CIPHER: FaultKind.CONNECT,
    pycurl.E_PEER_FAILED_VERIFICATION: FaultKind.CONNECT,
    pycurl.E_SSL_CACERT_BADFILE: FaultKind.CONNECT,
    pycurl.E_SSL_CRL_BADFILE: FaultKind.CONNECT,
    pycurl.E_SSL_ISSUER_ERROR: FaultKind.CONNECT,
    pycurl.E_SSL_PINNEDPUBKEYNOTMATCH: FaultKind.CONNECT,
    pycurl.E_SSL_INVALIDCERTSTATUS: FaultKind.CONNECT,
    pycurl.E_USE_SSL_FAILED: FaultKind.CONNECT,
    QUIC_CONNECT_ERROR: FaultKind.CONNECT,
    PROXY: FaultKind.CONNECT,
    SSL_CLIENTCERT: FaultKind.CONNECT,
    # The only clock libcurl runs for us is the connect deadline.
    pycurl.E_OPERATION_TIMEDOUT: FaultKind.CONNECT,
    # The connection broke under an exchange, or the body was shorter than announced.
    pycurl.E_HTTP2: FaultKind.CUT,
    pycurl.E_PARTIAL_FILE: FaultKind.CUT,
    pycurl.E_GOT_NOTHING: FaultKind.CUT,
    pycurl.E_SEND_ERROR: FaultKind.CUT,
    pycurl.E_RECV_ERROR: FaultKind.CUT,
    pycurl.E_SEND_FAIL_REWIND: FaultKind.CUT,
    pycurl.E_SSL_SHUTDOWN_FAILED: FaultKind.CUT,
    HTTP2_STREAM: FaultKind.CUT,
    HTTP3: FaultKind.CUT,
    UNRECOVERABLE_POLL: FaultKind.CUT,
    # Bytes that are no HTTP answer.
    WEIRD_SERVER_REPLY: FaultKind.GARBLED,
    pycurl.E_BAD_CONTENT_ENCODING: FaultKind.GARBLED,
    # A bound of libcurl's own.
    pycurl.E_FILESIZE_EXCEEDED: FaultKind.OVERSIZE,
    TOO_LARGE: FaultKind.OVERSIZE,
}
"""Every number an HTTP request can end with; any other is CUT, the kind that promises least."""

STALE: Final = frozenset({pycurl.E_GOT_NOTHING, pycurl.E_SEND_ERROR, pycurl.E_RECV_ERROR})
"""How a pooled connection that the server has left shows itself."""


class Unacceptable(Exception):
    """An answer that will not be passed on, and why."""

    def __init__(self, kind: FaultKind, detail: str) -> None:
        """`detail` is for the operator's log."""
        super().__init__(detail)
        self.kind = kind


def from_curl(number: int, message: str, *, connected: bool, status: int | None = None) -> Fault:
    """The fault for libcurl's error `number`, with its `message` as the detail.

    `connected` tells whether the request could be sent: the same broken pipe is CONNECT before and CUT after.
    `status` is the answer's, where there was one. libcurl's messages name hosts, ports and protocol trouble,
    never header values.
    """
    if number == pycurl.E_UNSUPPORTED_PROTOCOL and connected:
        # A request cannot be sent by an unknown protocol, but an answer without a head looks like one (HTTP/0.9).
        return Fault(FaultKind.GARBLED, f"curl {number}: {message[:DETAIL_CHARS]}", status=status)
    kind = KINDS.get(number, FaultKind.CUT)
    if kind is FaultKind.CUT and not connected:
        kind = FaultKind.CONNECT
    return Fault(kind, f"curl {number}: {message[:DETAIL_CHARS]}", status=status)
