"""Composes what follows a job's end in one process: calls to clients, what was made, and what is shown of it."""

import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polyrelay.background.collecting import Collecting, sweep
from polyrelay.background.deliveries import Deliveries
from polyrelay.background.periodic import every_while
from polyrelay.http.artefacts import Artefacts
from polyrelay.jobs.job import Job
from polyrelay.kernel.clock import Clock
from polyrelay.providers.outbound import OutboundRequest
from polyrelay.routing.catalog import Catalog
from polyrelay.routing.channel import Channel
from polyrelay.service.artefacts.fetching import Fetcher
from polyrelay.service.artefacts.gallery import Gallery
from polyrelay.service.artefacts.passage import Keeps, Opens, Passage
from polyrelay.service.artefacts.ports import Place
from polyrelay.service.download import Streamed
from polyrelay.service.jobs.ports import JobStore
from polyrelay.service.outside import Outside
from polyrelay.service.ports import Head
from polyrelay.service.relay import Relay
from polyrelay.service.webhooks.courier import Courier, Load, Render
from polyrelay.service.webhooks.page import WebhookPage
from polyrelay.settings.artefacts import ArtefactSettings
from polyrelay.settings.root import Settings
from polyrelay.storage.delivery.artefacts import SqlArtefactStore
from polyrelay.storage.delivery.bucket import open_bucket
from polyrelay.storage.delivery.folder import FolderPlace
from polyrelay.storage.delivery.webhooks import SqlDeliveryStore
from polyrelay.storage.secrecy.derived import DerivedSecrets
from polyrelay.storage.sql.transaction import Database

TIDY_SECONDS = 600.0
"""Between two rounds of deleting what is over. It is counted in days."""

_DAY_SECONDS = 86400.0


def nothing_kept(_job: Job) -> OutboundRequest | None:
    """For dialects that give every thing an address."""
    return None


async def nothing_opened(_job: Job, _head: Head) -> Streamed | None:
    """The same."""
    return None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a delivery needs to know of the process. `base` begins links: where clients reach the relay.

    `renders` are by the name of the surface that a job came in by; `keeps` asks for what an upstream hands out by name,
    `opens` gets it.
    """

    settings: Callable[[], Settings]
    catalog: Callable[[], Catalog]
    base: Callable[[], str]
    clock: Clock
    outside: Outside
    renders: Mapping[str, Render] = field(default_factory=dict)
    keeps: Keeps = nothing_kept
    opens: Opens = nothing_opened


class Delivery:
    """`gallery` shows jobs with links to what is kept of them."""

    def __init__(self, database: Database, data: Path, jobs: JobStore, around: Surroundings) -> None:
        """Raises `ConfigurationError` when what was made cannot be kept where the settings say."""
        clock, settings = around.clock, around.settings
        self._settings = settings
        self._secrets = DerivedSecrets(data, database)
        self._kept = SqlArtefactStore(database)
        self._calls = SqlDeliveryStore(database)
        self._places = _places(settings().artefacts, data)
        self.gallery = Gallery(
            self._kept,
            self._places,
            self._secrets.link_keys,
            clock,
            around.base,
            lambda: settings().artefacts.link_seconds,
            Passage(jobs.load, around.keeps, around.opens),
        )
        courier = Courier(self._as_shown(jobs.load), around.renders, self._secrets, around.outside, clock)
        self._deliveries = Deliveries(self._calls, courier, lambda: settings().webhooks, clock, _chance)
        place = self._places[settings().artefacts.place]
        fetcher = Fetcher(jobs.load, lambda name: channel(around.catalog(), name), around.keeps, place, around.outside)
        self._collecting = Collecting(self._kept, fetcher, lambda: settings().artefacts, clock, self._deliveries.nudge)

    def nudge(self) -> None:
        """A job of this process has ended: fetch and call at once, instead of within a second."""
        self._collecting.nudge()
        self._deliveries.nudge()

    def artefacts(self) -> Artefacts:
        """What serves links."""
        return Artefacts(self.gallery)

    def page(self, relay: Relay) -> WebhookPage:
        """What tells clients their secrets."""
        return WebhookPage(relay, self._secrets, lambda: self._settings().webhooks)

    def chores(self, *, tidies: bool) -> list[Coroutine[Any, Any, None]]:
        """For as long as the process lives. One process of a machine `tidies` for all."""
        chores: list[Coroutine[Any, Any, None]] = [self._deliveries.run(), self._collecting.run()]
        return [*chores, every_while(TIDY_SECONDS, self.tidy)] if tidies else chores

    async def tidy(self) -> None:
        """Delete what is over."""
        settings = self._settings()
        await sweep(self._kept, list(self._places.values()), 2 * settings.artefacts.timeout_seconds + TIDY_SECONDS)
        days = settings.webhooks.retention_days
        while days and await self._calls.prune(days * _DAY_SECONDS):
            continue

    def _as_shown(self, load: Load) -> Load:
        async def shown(ids: Any) -> Sequence[Job]:
            return await self.gallery.shown(await load(ids))

        return shown


def _places(settings: ArtefactSettings, data: Path) -> dict[str, Place]:
    """Where things may lie. The folder is always one, so that a relay which moved to a bucket still has what it had."""
    places: list[Place] = [FolderPlace(data)]
    if settings.s3_bucket:
        places.append(open_bucket(settings, data))
    return {place.name: place for place in places}


def channel(catalog: Catalog, name: str) -> Channel | None:
    """The channel of that name; None when there is none such any more."""
    return next((each for each in catalog.channels if each.name == name), None)


def stores(catalog: Callable[[], Catalog]) -> Callable[[str], bool]:
    """What `SqlJobStore` asks: whether what a channel's jobs made is kept."""

    def answer(name: str) -> bool:
        found = channel(catalog(), name)
        return found is not None and found.stores

    return answer


def _chance() -> float:
    """For delays, which need to differ and not to be secret."""
    return random.uniform(-1, 1)  # noqa: S311
