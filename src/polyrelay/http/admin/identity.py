"""The id of a request, the same in its answer, the audit log and the relay's log."""

from starlette.requests import Request

from polyrelay.http.application import REQUEST

LONGEST = 128


def request_id(request: Request) -> str:
    """The id; empty when nobody gave one."""
    found: str = request.scope.get(REQUEST, "")
    return found[:LONGEST]
