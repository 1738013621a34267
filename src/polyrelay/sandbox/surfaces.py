"""How each upstream says no, and whom it lets in (WIRE 1.6, 2, 3.1, 3.3, 4)."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import msgspec

from polyrelay.sandbox import refusals

_UNPROCESSABLE = 422
_SERVER_FAULTS = 500


class Refused(Exception):
    """An answer that says no. `status` is HTTP's; `param` the field at fault; `detail` what FastAPI says instead of
    the message; `headers` go with it.
    """

    def __init__(
        self,
        message: str,
        status: int = 400,
        *,
        param: str | None = None,
        code: str | None = None,
        detail: object = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.param = param
        self.code = code
        self.detail = detail
        self.headers = headers


class Guard(Enum):
    """Which credentials a surface asks for, where the sandbox has any."""

    OPEN = "open"
    BEARER = "bearer"
    API_KEY = "x-api-key or bearer"
    BASIC = "basic"


@dataclass(frozen=True, slots=True)
class Surface:
    """One upstream's manners: `error` writes the body of a refusal; `denied` is the refusal of a wrong credential."""

    guard: Guard
    error: Callable[[Refused], bytes]
    denied: Refused


def missing(where: str, field: str) -> Refused:
    """FastAPI's refusal of a request without a required field (WIRE 4.5); `where` is `body` or `query`."""
    said = {"type": "missing", "loc": [where, field], "msg": "Field required", "input": None}
    return Refused("Field required", _UNPROCESSABLE, detail=[said])


def invalid(where: str, field: str, message: str, given: object = None) -> Refused:
    """FastAPI's refusal of a field that is not what it should be."""
    said = {"type": "value_error", "loc": [where, *field.split(".")], "msg": message, "input": given}
    return Refused(message, _UNPROCESSABLE, detail=[said])


def _openai(refused: Refused) -> bytes:
    kind = refusals.kind(refused.status)
    return refusals.body(refused.message, kind=kind, param=refused.param, code=refused.code)


def _fastapi(refused: Refused) -> bytes:
    return _json({"detail": refused.message if refused.detail is None else refused.detail})


def _webui(refused: Refused) -> bytes:
    """A1111 wraps every error but those of validation."""
    if refused.detail is not None:
        return _fastapi(refused)
    kind = "HTTPException" if refused.code is None else refused.code
    errors = f"{refused.status}: {refused.message}"
    return _json({"error": kind, "detail": refused.message, "body": "", "errors": errors})


def _tasks(refused: Refused) -> bytes:
    usual = "internal_error" if refused.status >= _SERVER_FAULTS else "invalid_request"
    return _json({"code": refused.code or usual, "message": refused.message, "data": None})


def _flat(refused: Refused) -> bytes:
    return _json({"error": refused.message})


def _aitoearn(refused: Refused) -> bytes:
    code = refused.code or ""
    number = int(code) if code.isdecimal() else refused.status
    return _json({"data": {}, "code": number, "message": refused.message, "timestamp": time.time_ns() // 1_000_000})


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)


_UNAUTHORIZED = Refused("Unauthorized", 401)
_NO_BASIC = Refused("Incorrect username or password", 401, headers=(("www-authenticate", "Basic"),))
_NO_KEY = Refused(refusals.usual(401), 401, code="invalid_api_key")
_NO_API_KEY = Refused("API key invalid", 200, code="19000")
_NO_SECRET = Refused("Unauthorized", 401, code="invalid_request")

OPENAI = Surface(Guard.BEARER, _openai, _NO_KEY)
WEBUI = Surface(Guard.BASIC, _webui, _NO_BASIC)
REACTOR = Surface(Guard.OPEN, _fastapi, _UNAUTHORIZED)
"""Its routes are added straight to the application, past `--api-auth` (WIRE 3.3)."""
ASR = Surface(Guard.OPEN, _fastapi, _UNAUTHORIZED)
SUNO = Surface(Guard.BEARER, _fastapi, _UNAUTHORIZED)
SUNO_TASKS = Surface(Guard.BEARER, _tasks, _NO_SECRET)
SUNO_FLAT = Surface(Guard.OPEN, _flat, _UNAUTHORIZED)
AITOEARN = Surface(Guard.API_KEY, _aitoearn, _NO_API_KEY)
MEDIA = Surface(Guard.OPEN, _openai, _UNAUTHORIZED)
"""What answers point at is fetched without a credential, like a vendor's signed links."""
