"""Finds in a vendor's words what a client must not read: our keys, and where we called (M8)."""

import re
from urllib.parse import urlsplit

import msgspec

from polyrelay.routing.channel import Channel

_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|\[[0-9a-f]*:[0-9a-f:]+\]")
"""An IPv4 address, or an IPv6 one as URLs write it."""


def leaks(channel: Channel, said: bytes) -> bool:
    """Whether `said`, JSON or not, names a credential of `channel`, its host, its proxy, or any network address."""
    text = _readable(said)
    return _ADDRESS.search(text) is not None or any(secret in text for secret in _secrets(channel))


def _secrets(channel: Channel) -> list[str]:
    places = [urlsplit(url).hostname for url in (channel.base_url, channel.proxy) if url is not None]
    found = [credential.secret for credential in channel.credentials] + [place or "" for place in places]
    return [secret.casefold() for secret in found if secret]


def _readable(said: bytes) -> str:
    """As it is written, and with JSON's escapes undone, in lower case."""
    written = said.decode("utf-8", "replace")
    try:
        meant = str(msgspec.json.decode(said))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        meant = ""
    return f"{written} {meant}".casefold()
