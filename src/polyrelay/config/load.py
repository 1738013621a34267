"""Settings from a TOML file and the environment, over the defaults."""

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polyrelay.config import checks, environment, places, tariffs
from polyrelay.config.convert import Converter
from polyrelay.config.locate import KeyPath, Lines
from polyrelay.config.problems import fail
from polyrelay.kernel.errors import ConfigurationError
from polyrelay.settings.root import Settings

_PARSER_PLACE = re.compile(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", re.DOTALL)


PRICES = ("tariffs", "groups")
"""Tables of the file that `config.tariffs` reads."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where settings came from, to name it in messages."""

    file: Path | None = None
    lines: Lines | None = None
    variables: Mapping[KeyPath, str] = field(default_factory=dict)

    def where(self, path: KeyPath) -> str:
        """The variable, or the file and line, that decided `path`."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.variables:
                return f"environment: {self.variables[path[:length]]}"
        if self.file is None:
            return "configuration"
        line = self.lines.find(path) if self.lines is not None else None
        return f"{self.file}:{line}" if line is not None else str(self.file)


@dataclass(frozen=True, slots=True)
class Configuration:
    """Settings and where they came from."""

    settings: Settings
    source: Source
    operator: tariffs.Operator = tariffs.Operator()
    """The tariffs and customer groups of the file."""


def load(path: Path | None, environ: Mapping[str, str], *, providers: Collection[str] | None = None) -> Settings:
    """The settings alone. See `read`."""
    return read(path, environ, providers=providers).settings


def read(path: Path | None, environ: Mapping[str, str], *, providers: Collection[str] | None = None) -> Configuration:
    """Read the file (`path`, else what POLYRELAY_CONFIG names, else none) and the variables, which win over it.

    `providers` are the vendors a channel may name; None accepts any. Relative paths in settings count from the file's
    folder, as with nginx and Prometheus, so that it does not matter where a command is run; those in variables, and
    all of them when there is no file, count from the process's own folder.

    Raises:
        ConfigurationError: with one line for each mistake, naming file and line or the variable, key and what is
            allowed. Values that may be secret are not repeated.
    """
    file = path or (Path(environ[environment.CONFIG_FILE]) if environ.get(environment.CONFIG_FILE) else None)
    text = _text(file) if file is not None else ""
    raw = _parsed(text, file)
    changes = environment.overrides(environ, frozenset(_credential_variables(raw)))
    for change in changes:
        _put(raw, change.path, change.value)
    source = Source(file, Lines(text), {change.path: change.variable for change in changes})
    operator = tariffs.operator({name: raw.pop(name) for name in PRICES if name in raw}, str(file))
    converter = Converter()
    settings = converter.convert(Settings, raw)
    fail(converter.problems, source.where)
    fail(checks.check(settings, providers), source.where)
    if file is not None:
        settings = places.anchored(settings, file.parent, source.variables)
    return Configuration(settings, source, operator)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file}: not UTF-8 text (byte {error.start})") from error


def _parsed(text: str, file: Path | None) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _PARSER_PLACE.fullmatch(str(error))
        message, line = (found[1], found[2] or len(text.splitlines())) if found else (str(error), 1)
        raise ConfigurationError(f"{file}:{line}: not valid TOML: {message}") from None


def _credential_variables(raw: Mapping[str, Any]) -> Iterator[str]:
    """Variables that channels name as credentials; they may begin with POLYRELAY_ like the relay's own."""
    for channel in _tables(raw.get("channels")):
        for credential in _tables(channel.get("credentials")):
            if isinstance(credential.get("env"), str):
                yield credential["env"]


def _tables(raw: object) -> Iterator[dict[str, Any]]:
    if isinstance(raw, list):
        yield from (element for element in raw if isinstance(element, dict))


def _put(raw: dict[str, Any], path: KeyPath, value: object) -> None:
    section, name = path
    table = raw.setdefault(str(section), {})
    if isinstance(table, dict):
        table[name] = value
