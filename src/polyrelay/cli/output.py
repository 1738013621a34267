"""How commands speak: results to standard output, as text or one JSON document; the rest to standard error."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

from rich.console import Console
from rich.table import Table

from polyrelay.kernel.errors import ConfigurationError, PolyrelayError

errors = Console(stderr=True, highlight=False)

PIPE_COLUMNS = 10_000
"""What is read by another program is not broken into lines for a screen."""


_STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""C0 and C1 controls, line separators, and what changes the direction of the text that follows (UAX #9)."""

_UNSEEN = re.compile(r"[\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Those of them that JSON leaves as they are."""


class Exit(IntEnum):
    """Exit codes of every command; 2 is click's for a wrong command line, 130 the shell's for ^C."""

    OK = 0
    FAILED = 1
    """The command ran and the answer is no: a check failed, something does not exist."""
    USAGE = 2
    CONFIGURATION = 3
    """A file, a variable or the data folder is wrong; the message says where."""


EXIT_CODES = "Exit codes: 0 done, 1 the answer is no or no such thing, 2 wrong usage, 3 wrong configuration, 130 ^C."


def code(error: PolyrelayError) -> Exit:
    """The exit code that tells `error`."""
    return Exit.CONFIGURATION if isinstance(error, ConfigurationError) else Exit.FAILED


def document(value: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
    """Print `value` as JSON."""
    _write(_UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, indent=2, ensure_ascii=False)))


def line(text: str) -> None:
    """Print one line; what would steer the terminal is shown escaped."""
    _write(plain(text))


def block(text: str) -> None:
    """Print lines; what else would steer the terminal is shown escaped."""
    _write("\n".join(map(plain, text.split("\n"))))


def plain(text: str) -> str:
    """`text` with its control characters and overrides of direction escaped: names are what customers chose."""
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under headings. The first column is never broken, and nothing is where no terminal is narrow."""
    drawn = Table()
    for position, column in enumerate(columns):
        drawn.add_column(column, overflow="fold", no_wrap=position == 0)
    for row in rows:
        drawn.add_row(*map(plain, row))
    Console(markup=False, width=None if sys.stdout.isatty() else PIPE_COLUMNS).print(drawn)


def complain(message: str) -> None:
    """Say what is wrong, on standard error."""
    note(f"polyrelay: {message}")


def note(message: str) -> None:
    """Say something that is no result, on standard error."""
    errors.print("\n".join(map(plain, message.split("\n"))), markup=False, soft_wrap=True)
