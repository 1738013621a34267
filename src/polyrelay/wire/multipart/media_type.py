"""The `content-type` of a form: the boundary a client chose, and the line that names it to an upstream."""

import re

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire.multipart import parameters

FORM = "multipart/form-data"

LONGEST_BOUNDARY = 70
"""Characters, RFC 2046 section 5.1.1."""

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=?-]+")
"""Its characters, but for the space, which no client uses."""

_QUOTED = re.compile(r"[^0-9A-Za-z'+_.-]")
"""Characters that only a quoted parameter may have (RFC 2045 section 5.1)."""


def is_form(kind: bytes) -> bool:
    """Whether a media type is multipart/form-data."""
    return kind.partition(b";")[0].strip().lower() == FORM.encode("ascii")


def boundary_of(kind: bytes) -> str:
    """The boundary a `content-type` of multipart/form-data names. Raises `InvalidRequest`."""
    found = parameters.read(kind.decode("latin-1"))
    named = None if found is None else [value for name, value in found.parameters if name == "boundary"]
    if named is None or not named:
        raise _bad("The content-type multipart/form-data names no boundary.")
    if len(named) > 1:
        raise _bad("The content-type names more than one boundary.")
    boundary = named[0]
    if len(boundary) > LONGEST_BOUNDARY:
        raise _bad(f"The boundary is longer than {LONGEST_BOUNDARY} characters.")
    if _BOUNDARY.fullmatch(boundary) is None:
        raise _bad("The boundary has characters that RFC 2046 does not allow in one.")
    return boundary


def of_form(boundary: str) -> str:
    """The value of `content-type` for a form with `boundary`."""
    shown = f'"{boundary}"' if _QUOTED.search(boundary) else boundary
    return f"{FORM}; boundary={shown}"


def _bad(message: str) -> InvalidRequest:
    return InvalidRequest(message, code="invalid_boundary")
