"""What the audit log and the settings page may repeat: everything but secrets.

Documents are made without secrets in the first place; this is the second lock on the door.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

HIDDEN = "[redacted]"

SECRET_NAMES = frozenset({"token", "secret", "password", "value", "sealed", "fingerprint", "authorization", "api_key"})
_TOKENS = re.compile(r"\b(?:pra?|sk)-[A-Za-z0-9_-]{16,}")
_USERINFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")


def text(document: Any) -> str | None:
    """A document as JSON for the audit log; None for none."""
    return None if document is None else msgspec.json.encode(cleaned(msgspec.to_builtins(document))).decode()


def cleaned(value: Any) -> Any:
    """`value` with secrets replaced: by the name of their key, and tokens and passwords of URLs wherever they stand."""
    if isinstance(value, Mapping):
        return {key: _member(key, member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(each) for each in value]
    return scrubbed(value) if isinstance(value, str) else value


def scrubbed(words: str) -> str:
    """A text without tokens and without users and passwords of URLs."""
    return _USERINFO.sub(HIDDEN, _TOKENS.sub(HIDDEN, words))


def _member(key: Any, value: Any) -> Any:
    return HIDDEN if isinstance(key, str) and key.lower() in SECRET_NAMES and value is not None else cleaned(value)
