"""Commands of polyrelay in this process: a new one takes seconds, most of them for imports."""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, NamedTuple
from unittest.mock import patch

from polyrelay.cli.main import main


class Done(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


def command(*words: str) -> Done:
    out, err, code = io.StringIO(), io.StringIO(), 0
    with patch.object(sys, "argv", ["polyrelay", *words]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
    return Done(code, out.getvalue(), err.getvalue())


def document(*words: str) -> Any:
    """The JSON document of a command that succeeds."""
    done = command(*words, "--json")
    assert done.code == 0, done
    return json.loads(done.out)
