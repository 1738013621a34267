"""The ASGI application behind the fast lane: health, readiness, models, a client's own usage, jobs, and the control
plane once it is asked for.

Plain ASGI, because FastAPI costs 40 MB and half a second that a relay without administrators need not pay.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import cast

import msgspec
from uvicorn._types import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGISendCallable,
    ASGISendEvent,
    HTTPScope,
    Scope,
)

from polyrelay.http import streaming
from polyrelay.http.artefacts import Artefacts
from polyrelay.http.ports import Answered, Billing, Directory, Jobs, Lists, Unready
from polyrelay.jobs.artefacts import ROOT as ARTEFACTS
from polyrelay.kernel import errors
from polyrelay.service.artefacts.gallery import Lent
from polyrelay.service.ports import HeaderList
from polyrelay.wire import openai_errors as wire_errors

logger = logging.getLogger(__name__)

MODELS = "/v1/models"
ADMIN = "/admin/"
REQUEST = "polyrelay.request"
"""Where in the ASGI scope the control plane finds the id that its answer is going to carry."""

_JSON = (b"content-type", b"application/json")
_READABLE = (b"GET", b"HEAD")

Handler = Callable[[HeaderList, str], Answered | Awaitable[Answered]]
"""Answers a GET with these headers from this peer, at once or once the books were asked."""

Control = Callable[[], ASGI3Application]
"""Makes the control plane's application; called once, on first use."""


class Application:
    """Dispatches by path. GET routes answer HEAD too; uvicorn leaves the body out."""

    def __init__(
        self,
        directory: Directory,
        unready: Unready,
        control: Control,
        billing: Billing | None = None,
        lists: Lists | None = None,
        jobs: Jobs | None = None,
        webhooks: Billing | None = None,
        artefacts: Artefacts | None = None,
    ) -> None:
        """Without `billing` and `jobs`, as in a relay that keeps no books, or the others, their routes are unknown."""
        self._jobs = jobs
        self._directory = directory
        self._unready = unready
        self._own = [each for each in (billing, webhooks) if each is not None]
        self._lists = lists
        self._artefacts = artefacts
        self._make_control = control
        self._control: ASGI3Application | None = None

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """One ASGI connection."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "No WebSocket is served here."})
            return
        if scope["type"] != "http":
            return
        if scope["path"].startswith(ADMIN):
            await self._controlled()(scope, receive, self._identified(scope, send))
            return
        if self._jobs is not None and self._jobs.serves(scope["path"]):
            await _converse(self._jobs, self._artefacts, scope, receive, send)
            return
        if self._artefacts is not None and scope["path"].startswith(ARTEFACTS):
            await self._artefacts(scope, receive, self._identified(scope, send))
            return
        answer = self._answer(scope)
        status, headers, body = answer if isinstance(answer, tuple) else await answer
        length = (b"content-length", b"%d" % len(body))
        identity = self._directory.identify(list(scope["headers"]))
        await send({"type": "http.response.start", "status": status, "headers": [*headers, *identity, length]})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _identified(self, scope: HTTPScope, send: ASGISendCallable) -> ASGISendCallable:
        """`send`, adding what identifies every answer."""
        identity = self._directory.identify(list(scope["headers"]))
        cast("dict[str, object]", scope)[REQUEST] = dict(identity).get(b"x-request-id", b"").decode("latin-1")

        async def identified(event: ASGISendEvent) -> None:
            if event["type"] == "http.response.start":
                event["headers"] = [*event.get("headers", ()), *identity]
            await send(event)

        return identified

    def _controlled(self) -> ASGI3Application:
        if self._control is None:
            self._control = self._make_control()
        return self._control

    def _answer(self, scope: HTTPScope) -> Answered | Awaitable[Answered]:
        headers, client = list(scope["headers"]), scope["client"]
        peer = client[0] if client else ""
        if self._lists is not None and self._lists.serves(scope["path"]):
            return self._lists.answer(scope["method"], scope["path"], scope["query_string"], headers, peer)
        handler = self._handler(scope["path"], scope["query_string"])
        if handler is None:
            text = f"Unknown request URL: {scope['method']} {scope['path']}"
            return _refused(errors.NotFound(text, code="unknown_url"))
        if scope["method"].encode() not in _READABLE:
            text = f"{scope['method']} is not allowed here; use GET."
            return _refused(errors.MethodNotAllowed(text, headers=((b"allow", b"GET, HEAD"),)))
        return handler(headers, peer)

    def _handler(self, path: str, query: bytes) -> Handler | None:
        if path == "/healthz":
            return _healthy
        if path == "/readyz":
            return self._ready
        if path == MODELS:
            return self._directory.models
        for own in self._own:
            if own.serves(path):
                return partial(own.answer, path, query)
        name = path.removeprefix(MODELS + "/")
        if name and name != path:
            return lambda headers, peer: self._directory.model(name, headers, peer)
        return None

    def _ready(self, _headers: HeaderList, _peer: str) -> Answered:
        """200, or 503 with the reasons."""
        reasons = self._unready()
        if reasons:
            return 503, [_JSON], msgspec.json.encode({"status": "not ready", "reasons": reasons})
        return 200, [_JSON], b'{"status":"ok"}'


async def _converse(
    jobs: Jobs, artefacts: Artefacts | None, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    """One request to a surface of jobs. The lane hands bodies over whole."""
    event = await receive()
    body = event.get("body", b"") if event["type"] == "http.request" else b""
    client = scope["client"]
    peer = client[0] if client else ""
    headers = list(scope["headers"])
    answer = await jobs.answer(scope["method"], scope["path"], scope["query_string"], headers, bytes(body), peer)
    if isinstance(answer, tuple):
        status, lines, content = answer
        lines = [*lines, (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": status, "headers": lines})
        await send({"type": "http.response.body", "body": content, "more_body": False})
    elif not isinstance(answer, Lent):
        await streaming.stream(answer, list(answer.headers), scope["method"], receive, send)
    elif artefacts is not None:
        await artefacts.lend(answer, scope, receive, send)


def _healthy(_headers: HeaderList, _peer: str) -> Answered:
    return 200, [_JSON], b'{"status":"ok"}'


def _refused(refusal: errors.Refusal) -> Answered:
    return wire_errors.render(refusal)
