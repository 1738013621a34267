"""A call to one of the upstreams, and the table that says who serves it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from polyrelay.sandbox.content import Content
from polyrelay.sandbox.dice import Dice
from polyrelay.sandbox.fields import Fields
from polyrelay.sandbox.framing import Reply
from polyrelay.sandbox.script import Script
from polyrelay.sandbox.surfaces import Refused, Surface

_NAME = re.compile(r"\\\{(\w+)\\\}")


@dataclass(frozen=True, slots=True)
class Call:
    """A request on its way to a handler.

    `names` are what stands in the path's braces, `base` is the address that the caller used (`http://host:port`),
    `now` the time in seconds since the epoch, `key` what chance follows from.
    """

    names: Mapping[str, str]
    query: Mapping[str, list[str]]
    header: Callable[[bytes], str]
    content: Content
    base: str
    now: float
    key: bytes
    script: Script

    def asked(self, name: str, usual: str = "") -> str:
        """The first value of a query parameter."""
        return self.query.get(name, [usual])[0]

    @property
    def fields(self) -> Fields:
        """The body's fields. Raises `Refused`."""
        return Fields(self.content.values, written=self.content.is_form)

    def dice(self) -> Dice:
        """Choices that follow from the seed and the request."""
        return Dice(self.key)


@dataclass(frozen=True, slots=True)
class Later:
    """An answer that takes long to make: `make` is called on another thread. It may raise `Refused`."""

    make: Callable[[], Reply]


Handler = Callable[[Call], Reply | Later]
ModelOf = Callable[[Call], str]


def model_in_body(usual: str = "") -> ModelOf:
    """A reader of the `model` in a form or a JSON object, `usual` when there is none."""

    def read(call: Call) -> str:
        try:
            found = call.content.values.get("model")
        except Refused:
            return usual
        return found if isinstance(found, str) and found else usual

    return read


def no_model(call: Call) -> str:  # noqa: ARG001 - the signature of ModelOf
    """For calls that name none."""
    return ""


@dataclass(frozen=True, slots=True)
class Route:
    """One call: `path` may begin with `*`, any prefix or none, and may hold `{names}` of one step each.

    Scripts know the call by `place`, its path with `/v1` for the prefix.
    """

    method: str
    path: str
    surface: Surface
    handle: Handler
    model: ModelOf = no_model

    @property
    def place(self) -> str:
        """The path as scripts write it."""
        return self.path.replace("*", "/v1", 1)

    def pattern(self) -> re.Pattern[str]:
        """What paths it serves, with or without a slash at the end."""
        steps = _NAME.sub(r"(?P<\1>[^/]+)", re.escape(self.path))
        return re.compile(steps.replace(re.escape("*"), "(?:/.*)?", 1) + "/?")


class Table:
    """Finds the route of a request."""

    def __init__(self, routes: list[Route]) -> None:
        self.routes = routes
        self._rows = [(route.pattern(), route) for route in routes]

    def find(self, method: str, path: str) -> tuple[Route | None, Mapping[str, str], bool]:
        """The route, what stands in its braces, and whether the path is known at all."""
        known = False
        for pattern, route in self._rows:
            match = pattern.fullmatch(path)
            if match and route.method == method:
                return route, match.groupdict(), True
            known = known or match is not None
        return None, {}, known


def queried(path: str) -> Mapping[str, list[str]]:
    """The query of a request target."""
    return parse_qs(path.partition("?")[2], keep_blank_values=True)
