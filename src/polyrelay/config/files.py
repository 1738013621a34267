"""The TLS files that settings name, read once before anything depends on them."""

import ssl
from collections.abc import Iterator
from pathlib import Path

from polyrelay.config.locate import KeyPath
from polyrelay.config.problems import Problem
from polyrelay.settings.root import ServerSettings

_AUTHORITIES = "a PEM file of the authorities to trust"
_OWN = "PEM files of a certificate chain and its private key, without a passphrase"


def authorities(ca_file: str | None, path: KeyPath) -> Iterator[Problem]:
    """What is wrong with a channel's `ca_file`, which is at `path`."""
    if ca_file is None:
        return
    if (trouble := _unreadable(ca_file)) is not None:
        yield Problem(path, trouble, _AUTHORITIES)
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=ca_file)
    except ssl.SSLError:
        yield Problem(path, f"file {ca_file} holds no certificates", _AUTHORITIES)


def certificate(server: ServerSettings) -> Iterator[Problem]:
    """What is wrong with the relay's own certificate and key."""
    if server.tls_certificate is None or server.tls_key is None:
        return
    named = {"tls_certificate": server.tls_certificate, "tls_key": server.tls_key}
    troubles = [(name, trouble) for name, file in named.items() if (trouble := _unreadable(file)) is not None]
    for name, trouble in troubles:
        yield Problem(("server", name), trouble, _OWN)
    if troubles:
        return
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(server.tls_certificate, server.tls_key, password="")
    except ssl.SSLError as error:
        found = f"{server.tls_certificate} does not load with {server.tls_key} ({error.reason or 'not PEM'})"
        yield Problem(("server", "tls_certificate"), found, _OWN)


def _unreadable(name: str) -> str | None:
    try:
        Path(name).read_bytes()
    except OSError as error:
        return f"file {name} cannot be read: {error.strerror}"
    return None
