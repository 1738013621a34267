"""What the books say of an exchange, as an operator asks for it."""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import Any
from unittest.mock import patch

from polyrelay.cli.main import main
from support.processes import RelayProcess, until


def tell(served: RelayProcess, *words: str) -> Any:
    """A command's document, run in this process: a new one takes seconds, most of them for imports."""
    out, code = io.StringIO(), 0
    argv = ["polyrelay", *words, "--json", "--config", str(served.config)]
    with patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(io.StringIO()):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
    assert code in (0, 1), argv
    return json.loads(out.getvalue())


def bill(served: RelayProcess, exchange: str) -> dict[str, Any]:
    """The charge of an exchange, once it is posted."""
    found: list[dict[str, Any]] = []

    def posted() -> bool:
        listed = tell(served, "charges", "list", "--limit", "100")["data"]
        found[:] = [each for each in listed if each["id"] == exchange]
        return bool(found)

    until(posted)
    return found[0]


def lines(charge: dict[str, Any]) -> dict[str, int]:
    """What a charge counts, by bucket."""
    return {line["bucket"]: line["quantity"] for line in charge["lines"] or ()}
