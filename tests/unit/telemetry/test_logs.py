import io
import json
import logging
from collections.abc import Iterator

import pytest

from polyrelay.settings.root import LogSettings
from polyrelay.telemetry.logs import configure, printable, timestamp, use_json
from polyrelay.telemetry.redact import Redactor

logger = logging.getLogger("polyrelay.tests.logs")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _root() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_auto_is_json_unless_a_terminal_is_there() -> None:
    assert use_json(LogSettings(), io.StringIO())
    assert not use_json(LogSettings(), Terminal())
    assert use_json(LogSettings(format="json"), Terminal())
    assert not use_json(LogSettings(format="console"), io.StringIO())


def test_json_lines() -> None:
    stream = io.StringIO()
    configure(LogSettings(), stream, Redactor())
    logger.warning("two\nlines of %s", "text")
    line = json.loads(stream.getvalue())
    assert stream.getvalue().count("\n") == 1
    assert (line["level"], line["logger"], line["message"]) == ("warning", logger.name, "two\nlines of text")
    assert line["time"].endswith("Z")
    assert "exception" not in line


def test_console_lines_cannot_be_forged() -> None:
    stream = Terminal()
    configure(LogSettings(), stream, Redactor())
    logger.warning("red \x1b[31m\r and\n10:00:00 ERROR forged")
    assert "red \\x1b[31m\\x0d and\n    10:00:00 ERROR forged" in stream.getvalue()


def test_levels_and_reconfiguration() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure(LogSettings(level="error"), first, Redactor())
    logger.warning("unheard")
    configure(LogSettings(level="debug"), second, Redactor())
    logger.debug("heard once")
    assert first.getvalue() == ""
    assert second.getvalue().count("heard once") == 1


def test_timestamps_are_utc_with_milliseconds() -> None:
    assert timestamp(1_700_000_000.25) == "2023-11-14T22:13:20.250Z"
    assert printable("a\tb\x7f") == "a\tb\\x7f"


def test_what_a_library_says_of_a_clients_form_is_not_logged() -> None:
    stream = io.StringIO()
    configure(LogSettings(level="debug"), stream, Redactor())
    logging.getLogger("python_multipart.multipart").warning("Did not find CR at end of boundary")
    assert stream.getvalue() == ""
