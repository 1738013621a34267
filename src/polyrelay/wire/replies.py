"""An upstream's JSON answer, read with tolerance: members of a wrong type are as if they were not there."""

import math
import re
from typing import Any

import msgspec

from polyrelay.wire import nesting
from polyrelay.wire.dialect import Declined, Garbled

MOST_WORDS = 500
"""Characters kept of an upstream's complaint: whole for any that a person wrote."""

_NAME = re.compile(r"[!-~]{1,256}")
_MOST_NUMBER = 2**63
_END_OF_TIME = 253_402_300_800
"""The year 10000, where calendars of vendors and clients end."""

_DOTS = frozenset({".", ".."})
_WHY = ("error", "message", "msg", "detail", "error_message", "fail_reason", "description")


def value(status: int, body: bytes) -> Any:
    """The JSON value of a 2xx answer.

    Raises `Declined` with the upstream's words for 4xx and 5xx, `Garbled` for a redirect and for what is not JSON.
    """
    if 400 <= status <= 599:  # noqa: PLR2004  # the classes of RFC 9110 section 15
        raise Declined(words(_decoded(body)) or f"status {status}", status)
    if not 200 <= status <= 299:  # noqa: PLR2004  # the same
        raise Garbled(f"status {status}")
    found = _decoded(body)
    if found is None:
        raise Garbled("not JSON")
    return found


def words(said: Any) -> str:
    """The first complaint in `said`, wherever vendors put it: `error`, `message`, `detail`, as text or nested.

    Empty when there is none. At most `MOST_WORDS` characters.
    """
    if isinstance(said, str):
        return said.strip()[:MOST_WORDS]
    if isinstance(said, list):
        return words(said[0]) if said and nesting.fits(said) else ""
    if not isinstance(said, dict) or not nesting.fits(said):
        return ""
    for member in _WHY:
        if found := words(said.get(member)):
            return found
    return ""


def name(given: Any) -> str | None:
    """`given` if it can name a thing of the upstream's: printable ASCII without spaces, or a number; else None."""
    if isinstance(given, int) and not isinstance(given, bool) and 0 <= given < _MOST_NUMBER:
        given = str(given)
    if isinstance(given, str) and _NAME.fullmatch(given) and given not in _DOTS:
        return given
    return None


def text(given: Any) -> str:
    """`given` if it is a string, else an empty one."""
    return given if isinstance(given, str) else ""


def number(given: Any) -> float | None:
    """`given` as a number, written out or not; None when it is none, or negative."""
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return None
    try:
        found = float(given)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and found >= 0 else None


def percent(given: Any) -> int | None:
    """`given` as whole percents, 0 to 100: `30`, `"30"` or `"30%"`; None when it is none."""
    found = number(given.strip().removesuffix("%") if isinstance(given, str) else given)
    return None if found is None else min(int(found), 100)


def moment(given: Any) -> int | None:
    """`given` as seconds since the epoch; None when it is none."""
    found = number(given)
    return int(found) if found is not None and 0 < found < _END_OF_TIME else None


def objects(given: Any) -> list[dict[str, Any]]:
    """The objects in the list `given`; `given` itself when it is one."""
    if isinstance(given, dict):
        return [given]
    return [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
