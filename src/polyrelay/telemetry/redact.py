"""Takes secrets out of text before anyone reads it: by their form, and by their value where it is known.

The last line of defence: nothing should log a secret in the first place.
"""

import json
import logging
import re
import threading
from collections.abc import Iterable
from traceback import format_exception
from urllib.parse import quote

REDACTED = "[redacted]"

SHORTEST_SECRET = 6
"""Registered values below this length are left alone: taking out "abc" everywhere would shred the log."""

_FORMS = re.compile(
    r"""
      (?P<scheme> (?: \b (?i:bearer|basic) (?: [ \t]+ | %20 ) ) ) [A-Za-z0-9._~+/=-]{8,}
    | (?P<header> \b (?i: x-api-key | api-key | x-goog-api-key | api_key | apikey ) ["']? \s* [:=,] \s* b?["']? )
        [^\s"',;&)}\]]{6,}
    | (?P<userinfo> :// ) [^\s/@:"']* : [^\s/@"']+ (?= @ )
    | \b pr-[A-Za-z0-9_-]{20,}
    | \b sk-[A-Za-z0-9_-]{8,}
    | \b AIza[A-Za-z0-9_-]{30,}
    """,
    re.VERBOSE,
)
"""Client keys, OpenAI-like and Google keys, authorization schemes, key headers and parameters, users in URLs."""

_MARKS = ("bearer", "basic", "api", "://", "pr-", "sk-", "aiza")
"""What lower-cased text must contain for a form to be in it. Looking is 50 times faster than matching."""


class Redactor:
    """Redacts text. `register` may be called at any time, also while other threads log."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._spellings: tuple[str, ...] = ()
        self.register(*secrets)

    def register(self, *secrets: str) -> None:
        """Also take out these values, as they are and as URLs, JSON and reprs spell them."""
        with self._lock:
            spellings = set(self._spellings)
            for secret in secrets:
                if len(secret) >= SHORTEST_SECRET:
                    spellings |= {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
            self._spellings = tuple(sorted(spellings, key=len, reverse=True))

    def redact(self, text: str) -> str:
        """`text` without secrets."""
        for spelling in self._spellings:
            if spelling in text:
                text = text.replace(spelling, REDACTED)
        lowered = text.lower()
        for mark in _MARKS:
            if mark in lowered:
                return _FORMS.sub(_replacement, text)
        return text


class RedactingFilter(logging.Filter):
    """Cleans a log record, its exception and its stack in place. Belongs on handlers: those of children pass by
    the filters of a parent logger.
    """

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        """Always lets the record pass; what was an exception is text afterwards."""
        redact = self._redactor.redact
        record.msg = redact(_message(record))
        record.args = None
        if record.exc_info and not record.exc_text:
            record.exc_text = "".join(format_exception(record.exc_info[1])).rstrip("\n")
        record.exc_info = None
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return f"{record.msg} (arguments do not fit)"


def _replacement(found: re.Match[str]) -> str:
    return (found["scheme"] or found["header"] or found["userinfo"] or "") + REDACTED
