"""A request's members, from JSON or from form fields, checked against a typed contract (`Form`).

Null equals absent. Members that the contract does not name are kept apart, to be passed on; one whose name differs from
a known one only by case is refused, because upstreams that ignore case would read it as the known one.
"""

from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import echo, members, nesting, violations
from polyrelay.wire.members import UnreadableError
from polyrelay.wire.violations import NONE_SUPPORTED, Supported

MOST_QUERY_FIELDS = 100
"""Fields of one query. The surfaces name three."""


class Form(msgspec.Struct, gc=False):
    """Base of every contract read here."""


FormT = TypeVar("FormT", bound=Form)


def json(body: bytes) -> dict[str, Any]:
    """The members of the JSON object `body`. Raises `errors.InvalidRequest`, for a repeated top-level key too."""
    try:
        members.scan(body)
        values: dict[str, Any] = msgspec.json.decode(body)
    except UnreadableError as error:
        message = f"We could not read the JSON body of your request: {error.message}."
        raise InvalidRequest(message, code=error.code, param=error.key) from None
    except RecursionError:
        raise _too_deep(None) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"We could not read the JSON body of your request: {echo.cut(str(error))}."
        raise InvalidRequest(message, code="invalid_json") from None
    return values


def query(text: bytes) -> dict[str, str]:
    """The fields of the query `text`, of repeated ones the last. Raises `errors.InvalidRequest`."""
    try:
        return dict(
            parse_qsl(text.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_QUERY_FIELDS)
        )
    except ValueError:
        raise InvalidRequest("The query of your request cannot be read.", code="invalid_query") from None


def checked(
    given: Mapping[str, Any], form: type[FormT], supported: Supported = NONE_SUPPORTED, *, written: bool = False
) -> tuple[FormT, dict[str, Any]]:
    """`given` as `form`, and its members that `form` does not name.

    `written` says that every value is text, as in a query or a multipart form: `8` is a number then, `true` a boolean.
    `supported` are the values of the contract's enumerations. Raises `errors.InvalidRequest` naming the field.
    """
    names = form.__struct_encode_fields__
    extra = {name: value for name, value in given.items() if name not in names}
    _refuse_lookalikes(extra, names)
    for name, value in given.items():
        if not nesting.fits(value):
            raise _too_deep(echo.cut(name))
    known = {name: given[name] for name in names if name in given}
    try:
        return msgspec.convert(known, form, strict=not written), extra
    except msgspec.ValidationError as error:
        raise violations.refusal(str(error), supported) from None
    except RecursionError:
        raise _too_deep(None) from None


def missing(name: str) -> InvalidRequest:
    """The refusal of a request without the member `name`."""
    return InvalidRequest(f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)


def _refuse_lookalikes(extra: Mapping[str, Any], names: tuple[str, ...]) -> None:
    known = {name.casefold(): name for name in names}
    for name in extra:
        meant = known.get(name.casefold())
        if meant is not None:
            shown = echo.cut(name)
            message = f"Unknown parameter: {shown!r}. Did you mean {meant!r}?"
            raise InvalidRequest(message, code="unknown_parameter", param=shown)


def _too_deep(param: str | None) -> InvalidRequest:
    message = "The body of your request is nested too deep."
    if param is not None:
        message = f"Invalid '{param}': more than {nesting.MOST_DEPTH} levels of arrays and objects."
    return InvalidRequest(message, code="nested_too_deep", param=param)
