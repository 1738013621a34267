"""What a script does to an answer before it is framed, the same for every protocol."""

from collections.abc import Sequence
from dataclasses import replace

from polyrelay.sandbox import frames
from polyrelay.sandbox.framing import Reply
from polyrelay.sandbox.script import Script

JSON = ("content-type", "application/json")
_HTML = ("content-type", "text/html; charset=utf-8")
_ERROR_PAGE = b"<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1><p>polyrelay sandbox</p>\n"
_OK = 200
_REDIRECTS = range(300, 400)

ELSEWHERE = "/v1/elsewhere/chat/completions"
"""Where redirects point: the sandbox itself, so that a client that follows one shows up in the records."""


def instead(script: Script, error: bytes, *more: tuple[str, str]) -> Reply | None:
    """What is sent in place of an answer, None for the answer itself.

    `error` is the body of the scripted status; `more` are headers of every answer.
    """
    if script.status in _REDIRECTS:
        return Reply(script.status, (("location", ELSEWHERE), *more), [])
    if script.status != _OK:
        retry = () if script.retry_after is None else (("retry-after", script.retry_after),)
        return Reply(script.status, (JSON, *more, *retry), [error])
    if script.html:
        return Reply(_OK, (_HTML, *more), [_ERROR_PAGE])
    return None


def spoiled(reply: Reply, script: Script, error: bytes) -> Reply:
    """The answer with the script's faults in its body; `error` is what comes for it under the same status.

    Events are left alone: `frames` has spoiled them.
    """
    if reply.events:
        return reply
    if script.empty != "no":
        return replace(reply, portions=[])
    if script.error is not None:
        headers = (JSON, *(header for header in reply.headers if header[0] != "content-type"))
        reply = replace(reply, headers=headers, portions=[error], stream=False)
    if script.malformed is not None:
        reply = replace(reply, portions=_half(reply.portions))
    if script.garbage == "body":
        reply = replace(reply, portions=[*reply.portions, frames.GARBAGE])
    return reply


def _half(portions: Sequence[bytes]) -> list[bytes]:
    whole = b"".join(portions)
    return [whole[: len(whole) // 2]]
