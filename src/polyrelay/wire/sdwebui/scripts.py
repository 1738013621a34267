"""`alwayson_scripts`: what extensions of the server are asked to do besides.

An extension does what it likes with its arguments: which ones clients may use is the operator's choice (`scripts` of a
channel). No argument may name a file or an address, and those of ControlNet and ReActor, the two that are known to open
files, are looked at one by one.
"""

from typing import Any

import msgspec

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import echo, objects, places
from polyrelay.wire.sdwebui import controlnet, reactor_arguments

NAME = "alwayson_scripts"
MOST_ARGUMENTS = 200
"""Of one script. ControlNet's units are ten, ReActor's arguments thirty."""


def read(raw: msgspec.Raw) -> tuple[str, ...]:
    """The names of the scripts, in lower case as the server compares them. Raises `errors.InvalidRequest`."""
    text = bytes(raw)
    if text == b"null":
        return ()
    found: dict[str, bytes] = {}
    for name, span in objects.within(text, NAME).items():
        path = f"{NAME}.{echo.cut(name)}"
        if name.casefold() in found:
            raise InvalidRequest(f"'{path}' is there twice.", code="duplicate_member", param=path)
        found[name.casefold()] = objects.text_of(text, span)
        _check(name.casefold(), path, _arguments(found[name.casefold()], path))
    return tuple(found)


def _arguments(text: bytes, path: str) -> list[msgspec.Raw]:
    """The arguments of one script: a list under `args`."""
    members = objects.values(text, path)
    args = members.get("args", msgspec.Raw(b"[]"))
    try:
        found = msgspec.json.decode(args, type=list[msgspec.Raw] | None) or []
    except msgspec.ValidationError:
        raise InvalidRequest(
            f"Invalid type for '{path}.args': expected an array.", code="invalid_type", param=path
        ) from None
    if len(found) > MOST_ARGUMENTS:
        raise InvalidRequest(f"'{path}.args' has too many arguments.", code="array_above_max_length", param=path)
    return found


def _check(name: str, path: str, arguments: list[msgspec.Raw]) -> None:
    if name == controlnet.NAME:
        controlnet.check(arguments, path)
        return
    first = 0
    if name == reactor_arguments.NAME:
        first = reactor_arguments.check(arguments, path)
    for position, raw in enumerate(arguments[first:], first):
        value: Any = places.decoded(raw, path)
        places.refuse_any(value, f"{path}.args[{position}]")
