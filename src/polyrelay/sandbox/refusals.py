"""Errors in OpenAI's shape: all four keys, `param` and `code` nullable (WIRE 4.1)."""

import re
from http import HTTPStatus

import msgspec

OVERLOADED = 529
_FIRST_SERVER_FAULT = 500
_KINDS: dict[int, tuple[str, str | None, str]] = {
    400: ("invalid_request_error", "invalid_value", "The sandbox was told to find this request invalid."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided. This is the polyrelay sandbox."),
    402: ("insufficient_quota", "insufficient_balance", "The sandbox was told that this account has no money left."),
    403: ("permission_error", "model_not_allowed", "The sandbox was told to forbid this."),
    404: ("invalid_request_error", "model_not_found", "The sandbox was told that the model does not exist."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for the sandbox."),
    OVERLOADED: ("overloaded_error", None, "The sandbox was told to be overloaded."),
}
_SERVER = ("server_error", None, "The sandbox was told to fail.")
_PATH = re.compile(r"`\$\.?(.*)`\s*$")


def scripted(status: int, code: str | None) -> bytes:
    """The body that goes with a status the script names."""
    return body(usual(status), kind=kind(status), code=usual_code(status) if code is None else code)


def usual(status: int) -> str:
    """The message of a refusal with that status."""
    return _KINDS.get(status, _SERVER)[2]


def usual_code(status: int) -> str | None:
    """The `code` of a refusal with that status."""
    return _KINDS.get(status, _SERVER)[1]


def kind(status: int) -> str:
    """The `type` of a refusal with that status."""
    usually = "invalid_request_error" if status < _FIRST_SERVER_FAULT else _SERVER[0]
    return _KINDS[status][0] if status in _KINDS else usually


def frame(code: str | None) -> bytes:
    """An error as it arrives inside a stream."""
    return body("The sandbox was told to fail in the stream.", kind="server_error", code=code)


def body(
    message: str, *, kind: str = "invalid_request_error", param: str | None = None, code: str | None = None
) -> bytes:
    """An error body as JSON."""
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": param, "code": code}})


def parameter(message: str) -> str | None:
    """The field that msgspec's message ends with (`... - at `$.messages[0].role``), None when it names none."""
    match = _PATH.search(message)
    return match[1] if match else None


def reason(status: int) -> str:
    """The reason phrase of a status line."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Overloaded" if status == OVERLOADED else "Unknown"
