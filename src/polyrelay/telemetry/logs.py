"""Standard error: lines for people on a terminal, JSON lines elsewhere."""

import json
import logging
import time
from functools import lru_cache
from typing import TextIO

from polyrelay.settings.root import LogSettings
from polyrelay.telemetry.redact import RedactingFilter, Redactor

_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
"""Control characters, which could repaint a terminal or forge a line."""


_TALKATIVE = ("python_multipart",)
"""Libraries that warn of what a client sent. The client is told, and could otherwise fill the log."""


def use_json(settings: LogSettings, stream: TextIO) -> bool:
    """Whether `format` comes to JSON on this stream: `auto` is JSON unless a terminal is there."""
    return settings.format == "json" or (settings.format == "auto" and not stream.isatty())


def timestamp(wall: float) -> str:
    """Seconds since the epoch as RFC 3339 UTC with milliseconds."""
    second, millis = divmod(int(wall * 1000), 1000)
    return f"{_whole_second(second)}.{millis:03d}Z"


@lru_cache(maxsize=4)
def _whole_second(second: int) -> str:
    """Lines come in batches of the same second or two."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def printable(text: str) -> str:
    """`text` with its control characters escaped, but for tabs and line ends."""
    return text.translate(_ESCAPED)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, and `exception` where there was one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line = {
            "time": timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_text:
            line["exception"] = record.exc_text
        if record.stack_info:
            line["stack"] = record.stack_info
        return json.dumps(line, ensure_ascii=False)


class ConsoleFormatter(logging.Formatter):
    """`10:31:53 warning polyrelay.http: message`, exceptions below. Times are local."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """The line, or lines, without the last end. Line ends within a message are indented, not trusted."""
        record.msg = record.getMessage().replace("\n", "\n    ")
        record.args = None
        return printable(super().format(record))


def configure(settings: LogSettings, stream: TextIO, redactor: Redactor) -> logging.Handler:
    """Send everything that is logged to `stream`, redacted. Replaces what an earlier call set; returns the handler."""
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter(redactor))
    handler.setFormatter(JsonFormatter() if use_json(settings, stream) else ConsoleFormatter())
    handler.set_name("polyrelay")
    root = logging.getLogger()
    for other in [other for other in root.handlers if other.get_name() == handler.get_name()]:
        root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(settings.level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
    return handler
