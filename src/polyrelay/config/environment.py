"""Settings from environment variables: `POLYRELAY_SERVER__PORT=9000` is `port` of `[server]`."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from polyrelay.config.locate import KeyPath
from polyrelay.config.problems import suggestion
from polyrelay.kernel.errors import ConfigurationError
from polyrelay.settings.root import Settings

PREFIX = "POLYRELAY_"
CONFIG_FILE = "POLYRELAY_CONFIG"
SEPARATOR = "__"

_ELSEWHERE = frozenset({CONFIG_FILE, "POLYRELAY_MASTER_KEY", "POLYRELAY_MASTER_KEY_FILE"})
"""Variables of ours that are no settings."""

_KUBERNETES = re.compile(r"POLYRELAY_(SERVICE_(HOST|PORT\w*)|PORT(_\d+_(TCP|UDP)(_(ADDR|PORT|PROTO))?)?)")
"""What Kubernetes adds to every container beside a service named `polyrelay`; not meant for us."""

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")


@dataclasses.dataclass(frozen=True, slots=True)
class Override:
    """One setting from the environment; `value` as TOML would have parsed it."""

    path: KeyPath
    variable: str
    value: object


def variables() -> Mapping[str, tuple[str, str]]:
    """Every variable that sets something. Channels are lists of tables and come from the file only."""
    return {PREFIX + SEPARATOR.join(path).upper(): path for path in _kinds()}


def overrides(environ: Mapping[str, str], expected: frozenset[str] = frozenset()) -> list[Override]:
    """The settings in `environ`; `expected` are variables of other use, such as those that credentials name.

    Raises:
        ConfigurationError: a variable begins with POLYRELAY_ and means nothing.
    """
    known = variables()
    kinds = _kinds()
    found: list[Override] = []
    for variable in sorted(environ):
        if variable in known:
            path = known[variable]
            found.append(Override(path, variable, _parsed(kinds[path], environ[variable])))
        elif variable.startswith(PREFIX) and variable not in _ELSEWHERE and variable not in expected:
            _refuse_unknown(variable, known)
    return found


def _refuse_unknown(variable: str, known: Mapping[str, KeyPath]) -> None:
    if _KUBERNETES.fullmatch(variable):
        return
    hint = suggestion(variable, (*known, CONFIG_FILE))
    raise ConfigurationError(f"environment: {variable}: unknown variable; allowed: {hint}")


def _kinds() -> dict[tuple[str, str], Any]:
    """The types of all settings that one variable can hold, by section and name."""
    kinds: dict[tuple[str, str], Any] = {}
    for section, owner in get_type_hints(Settings).items():
        if dataclasses.is_dataclass(owner):
            kinds |= {(section, name): kind for name, kind in get_type_hints(owner).items()}
    return kinds


def _parsed(kind: Any, text: str) -> object:
    """`text` as the type wants it; text that is no such thing is left for the converter to refuse."""
    if get_origin(kind) is tuple:
        return [_PARSERS[get_args(kind)[0]](part.strip()) for part in text.split(",") if part.strip()]
    if get_origin(kind) is UnionType:
        kind = next(member for member in get_args(kind) if member is not NoneType)
    return _PARSERS[kind](text.strip())


def _boolean(text: str) -> object:
    lowered = text.lower()
    return True if lowered in _TRUE else False if lowered in _FALSE else text


def _integer(text: str) -> object:
    try:
        return int(text)
    except ValueError:
        return text


def _number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


_PARSERS: Mapping[type, Callable[[str], object]] = {bool: _boolean, int: _integer, float: _number, str: str}
