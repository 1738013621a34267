"""What the service runs on: the adapters of one process, and the configuration of the moment."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from polyrelay.exchange.operation import Operation
from polyrelay.kernel.clock import Clock
from polyrelay.providers import outbound
from polyrelay.routing import select
from polyrelay.routing.catalog import Catalog
from polyrelay.routing.channel import Candidate
from polyrelay.service.line import Lines
from polyrelay.service.ports import Keys, Ledger, Limits, Records, Timers, Upstream
from polyrelay.service.room import Room
from polyrelay.settings.root import Settings

Operations = tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One configuration made ready. Replaced whole on reload; an open exchange keeps the one it began with."""

    settings: Settings
    catalog: Catalog
    endpoints: dict[Candidate, outbound.Endpoint] = field(repr=False)
    _catalogs: dict[Operations, Catalog] = field(default_factory=dict, repr=False)
    """The part of `catalog` that can be asked for one of some operations, by these."""

    def candidates(self, model: str, operations: Operations, seed: int) -> tuple[Candidate, ...]:
        """Who may serve a call for `model` by one of `operations`, best first; empty when nobody does."""
        return select.order(self.offering(operations).tiers(model), seed)

    def offering(self, operations: Operations) -> Catalog:
        """The part of the catalogue that can be asked for one of some operations."""
        catalog = self._catalogs.get(operations)
        if catalog is None:
            serving = {each.channel for each, endpoint in self.endpoints.items() if endpoint.serving(operations)}
            catalog = self._catalogs[operations] = self.catalog.only(serving)
        return catalog


def snapshot(settings: Settings, catalog: Catalog, user_agent: str) -> Snapshot:
    """A snapshot with every endpoint made once."""
    return Snapshot(settings, catalog, {each: outbound.endpoint(each, user_agent) for each in catalog.candidates()})


@dataclass(frozen=True, slots=True)
class World:
    """The adapters, who waits for an upstream, and what waits to be complete. `entropy(n)` returns n unpredictable
    bytes.
    """

    upstream: Upstream
    keys: Keys
    limits: Limits
    ledger: Ledger[Any]
    records: Records
    clock: Clock
    timers: Timers
    entropy: Callable[[int], bytes]
    lines: Lines = field(default_factory=Lines)
    room: Room = field(default_factory=Room)
