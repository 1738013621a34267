"""The lists of Stable Diffusion WebUIs and of ReActor that clients may read: nothing else of these APIs is offered but
their calls, since the rest of them administers the upstream.

A list is free of charge and counts as a request against limits. It comes from a channel that the key may use, past
the line of those who wait for images, and is kept for a moment, so that whoever polls cannot keep an upstream from its
work. `sd-models` are the relay's own models, under the names that requests may use, and `options` name one of them: by
these two many clients find out whether a server is there.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

from polyrelay.access import policy
from polyrelay.access.principal import Principal
from polyrelay.exchange.faults import Fault
from polyrelay.exchange.operation import Operation
from polyrelay.kernel import errors
from polyrelay.providers.outbound import Endpoint
from polyrelay.service import admit, whole
from polyrelay.service.answers import Headers
from polyrelay.service.ports import HeaderList
from polyrelay.service.relay import Relay, model_not_found
from polyrelay.service.whole import Whole
from polyrelay.service.world import Snapshot
from polyrelay.wire import webui_errors
from polyrelay.wire.dialect import Garbled
from polyrelay.wire.reactor import lists as reactor_lists
from polyrelay.wire.reactor import request as reactor
from polyrelay.wire.sdwebui import lists as sdwebui_lists
from polyrelay.wire.sdwebui import request as sdwebui

logger = logging.getLogger(__name__)

Answered = tuple[int, Headers, bytes]
"""Status, headers and body of a whole answer."""

KEPT_SECONDS = 1.0
"""How long an answer is kept; clients show progress once a second or so."""

PATIENCE_SECONDS = 5.0
"""How long an upstream may take for a list; one that works on an image still answers these at once."""

LIST_BYTES = 1024 * 1024
"""Longest list that is read. One of two thousand upscalers is 400 KB."""

CHANNELS_ASKED = 2
"""A list is not worth more."""

_OK = 200
_JSON = (b"content-type", b"application/json")
_PREFIX = "/v1"
_READ = ("GET", "HEAD")
_SD_MODELS, _OPTIONS = "sd-models", "options"


@dataclass(frozen=True, slots=True)
class Family:
    """The lists of one API: under `root`, by name; `usual` is the model of a request that names none."""

    root: str
    operations: tuple[Operation, ...]
    paths: Mapping[str, str]
    cleaned: Callable[[str, bytes], bytes]
    usual: str
    calls: tuple[str, ...]
    own: tuple[str, ...] = ()

    def refuse(self, path: str) -> errors.Refusal:
        """The refusal of what is not offered."""
        lists = ", ".join((*self.own, *self.paths))
        text = f"{path[:64]} is not offered. Offered are POST {', '.join(self.calls)} and GET {lists} under {self.root}"
        return errors.NotFound(text, code="unknown_url")


_FAMILIES = (
    Family(
        "/sdapi/v1/",
        (Operation.TXT2IMG, Operation.IMG2IMG),
        sdwebui_lists.PATHS,
        sdwebui_lists.cleaned,
        sdwebui.UNNAMED,
        ("txt2img", "img2img"),
        (_SD_MODELS, _OPTIONS),
    ),
    Family(
        "/reactor/",
        (Operation.REACTOR,),
        reactor_lists.PATHS,
        reactor_lists.cleaned,
        reactor.MODEL,
        ("image",),
    ),
)


class _Kept:
    """An answer that is asked for, or was a moment ago."""

    __slots__ = ("asked_at", "coming")

    def __init__(self, coming: "asyncio.Task[Whole | Fault]", asked_at: float) -> None:
        self.coming = coming
        self.asked_at = asked_at

    def is_fresh(self, now: float) -> bool:
        """Whether nobody need ask again."""
        return not self.coming.done() or now < self.asked_at + KEPT_SECONDS


class ReadOnlyLists:
    """Implements the HTTP side's port `Lists`."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._kept: dict[tuple[str, str], _Kept] = {}

    def serves(self, path: str) -> bool:
        """Whether `path` belongs to one of these APIs, offered or not."""
        return _family(path) is not None

    async def answer(self, method: str, path: str, query: bytes, headers: HeaderList, peer: str) -> Answered:
        """The whole answer, or a refusal in the WebUI's own shape."""
        try:
            return await self._answer(method, path, query, headers, peer)
        except errors.Refusal as refusal:
            status, fields, body = webui_errors.render(refusal)
            return status, list(fields), body

    async def _answer(self, method: str, path: str, query: bytes, headers: HeaderList, peer: str) -> Answered:
        world = self._relay.world
        holder = admit.principal(dict(headers), peer, keys=world.keys, now=world.clock.wall(), basic=True)
        family = _family(path)
        if family is None:
            raise errors.NotFound(f"Unknown request URL: {path[:64]}", code="unknown_url")
        name = path.removeprefix(_PREFIX).removeprefix(family.root)
        if name not in family.paths and name not in family.own:
            raise family.refuse(path)
        if method not in _READ:
            raise _not_allowed(method, name)
        snapshot = self._relay.snapshot
        served = list(_served(snapshot, family, holder, _model(query)))
        if not served:
            raise model_not_found(_model(query) or family.usual)
        lease = world.limits.take(holder, 0, served[0][0])
        try:
            if name in family.own:
                body = _OWN[name](_usable(snapshot, family, holder))
            else:
                body = await self._fetched(family, name, [endpoint for _, endpoint in served])
        finally:
            lease.release(0)
        return _OK, [_JSON, *lease.headers()], body

    async def _fetched(self, family: Family, name: str, endpoints: list[Endpoint]) -> bytes:
        """The list of the first channel that has one."""
        for endpoint in endpoints[:CHANNELS_ASKED]:
            found = await self._asked(endpoint, family.paths[name])
            try:
                if isinstance(found, Whole) and found.status == _OK:
                    return family.cleaned(name, found.body)
                reason = found.kind.value if isinstance(found, Fault) else str(found.status)
            except Garbled as error:
                reason = str(error)
            logger.warning("channel %s did not list its %s: %s", endpoint.candidate.channel.name, name, reason)
        raise errors.UpstreamBroken("The upstream did not answer this request.")

    async def _asked(self, endpoint: Endpoint, path: str) -> Whole | Fault:
        """What the channel said a moment ago, or says now; of those who ask at the same time only one asks it."""
        world = self._relay.world
        now, key = world.clock.monotonic(), (endpoint.candidate.channel.name, path)
        kept = self._kept.get(key)
        if kept is None or not kept.is_fresh(now):
            self._kept = {each: old for each, old in self._kept.items() if old.is_fresh(now)}
            coming = whole.fetch(world.upstream, world.timers, endpoint.get(path), LIST_BYTES, PATIENCE_SECONDS)
            kept = self._kept[key] = _Kept(asyncio.ensure_future(coming), now)
        return await asyncio.shield(kept.coming)


def _options(usable: Sequence[str]) -> bytes:
    return sdwebui_lists.options(sdwebui.UNNAMED if sdwebui.UNNAMED in usable else usable[0])


_OWN: Mapping[str, Callable[[Sequence[str]], bytes]] = {_SD_MODELS: sdwebui_lists.models, _OPTIONS: _options}
"""Made of the models that the key may use; there is one at least."""


def _not_allowed(method: str, name: str) -> errors.Refusal:
    why = "use GET."
    if name == _OPTIONS:
        why = "what a request needs it sets itself, as 'model' and 'override_settings'."
    return errors.MethodNotAllowed(f"{method} is not allowed here; {why}", headers=((b"allow", b"GET, HEAD"),))


def _usable(snapshot: Snapshot, family: Family, holder: Principal) -> list[str]:
    """The models of a family that a key may use, by name."""
    return [name for name in snapshot.offering(family.operations).models if policy.may_use(holder, name)]


def _served(snapshot: Snapshot, family: Family, holder: Principal, model: str | None) -> Iterator[tuple[str, Endpoint]]:
    """Who may answer: of each channel a model that the key may use, and an endpoint; the best first."""
    catalog = snapshot.offering(family.operations)
    if model is not None:
        policy.check_model(holder, model)
    names = _usable(snapshot, family, holder) if model is None else [model]
    found = [(name, candidates[0]) for name in names for tier in catalog.tiers(name) for candidates in tier]
    seen: set[str] = set()
    for name, candidate in sorted(found, key=lambda each: each[1].channel.priority):
        if candidate.channel.name not in seen:
            seen.add(candidate.channel.name)
            yield name, snapshot.endpoints[candidate]


def _family(path: str) -> Family | None:
    """Whose `path` it is, with or without `/v1` before it."""
    bare = path.removeprefix(_PREFIX)
    return next((each for each in _FAMILIES if bare.startswith(each.root.partition("v1/")[0])), None)


def _model(query: bytes) -> str | None:
    """The `model` that a query names."""
    found = parse_qs(query.decode("latin-1")).get("model")
    return found[0] if found else None
