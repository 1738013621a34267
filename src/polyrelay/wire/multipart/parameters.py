"""Header values of the form `value; name=value; name="value"` (RFC 9110 section 5.6.6), read strictly."""

import re

import msgspec

_VALUE = re.compile(r"[ \t]*([^\s;=\"]+)[ \t]*")
_PARAMETER = re.compile(r";[ \t]*([0-9A-Za-z!#$%&'*+.^_`|~-]+)=(?:\"([^\"]*)\"|([^\s;\"]+))[ \t]*")
_END = re.compile(r"(?:;[ \t]*)*")


class Parameters(msgspec.Struct, frozen=True, gc=False):
    """`value` and the names are in lower case; parameters are in order, repetitions included, values unquoted.

    Backslashes are left as they are. As the escape of RFC 9110 they would change where a quoted value ends, and
    readers disagree on whether they are one: an escaped quote is no valid value here.
    """

    value: str
    parameters: tuple[tuple[str, str], ...] = ()


def read(text: str) -> Parameters | None:
    """The parts of a header value; None when it is not of this form."""
    value = _VALUE.match(text)
    if value is None:
        return None
    found = []
    position = value.end()
    while parameter := _PARAMETER.match(text, position):
        name, quoted, bare = parameter.groups()
        found.append((name.lower(), bare if quoted is None else quoted))
        position = parameter.end()
    if _END.fullmatch(text, position) is None:
        return None
    return Parameters(value[1].lower(), tuple(found))
