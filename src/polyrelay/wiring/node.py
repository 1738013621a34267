"""One relay process: makes it of its parts, runs it, and takes changes of its configuration over."""

import asyncio
import gc
import logging
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

import polyrelay
from polyrelay.access.limits import LimitBook
from polyrelay.background.periodic import every, every_while
from polyrelay.background.supervision.place import Place
from polyrelay.background.supervision.tether import Order, Tether
from polyrelay.background.watch import FileWatch
from polyrelay.config.load import Configuration
from polyrelay.config.tariffs import zone
from polyrelay.http import server as http_server
from polyrelay.http.admin import control
from polyrelay.http.admin.instance import Instance
from polyrelay.http.application import Application
from polyrelay.http.context import LaneContext, LaneSettings
from polyrelay.kernel.errors import ConfigurationError
from polyrelay.routing import plan
from polyrelay.service import line
from polyrelay.service.billing import Billing
from polyrelay.service.jobs.keeping import Keeping
from polyrelay.service.jobs.surfaces import notices
from polyrelay.service.lists import ReadOnlyLists
from polyrelay.service.models import ModelDirectory
from polyrelay.service.relay import Relay
from polyrelay.service.world import World
from polyrelay.settings.root import Settings
from polyrelay.state.clock import SystemClock
from polyrelay.state.entropy import Entropy
from polyrelay.state.generation import Generation
from polyrelay.state.memory import MemoryLimits
from polyrelay.storage import folder
from polyrelay.storage.access.directory import KeyDirectory
from polyrelay.storage.access.source import open_keys
from polyrelay.storage.books.bank import SqlBank
from polyrelay.storage.jobs.store import SqlJobStore
from polyrelay.storage.reports.holdings import SqlBillingReads
from polyrelay.storage.secrecy import custody
from polyrelay.storage.secrecy import secrets as server_secrets
from polyrelay.storage.sql.database import opened
from polyrelay.storage.sql.transaction import Database
from polyrelay.telemetry import logs
from polyrelay.telemetry.records import Lines, NoRecords, RecordLog, writer
from polyrelay.telemetry.redact import Redactor
from polyrelay.upstream.curl import CurlUpstream
from polyrelay.upstream.outside import CurlOutside
from polyrelay.wire import registry
from polyrelay.wiring import listening, offer, overrides, plane
from polyrelay.wiring.books import Books
from polyrelay.wiring.delivery import Delivery, Surroundings, stores
from polyrelay.wiring.housekeeping import Housekeeping
from polyrelay.wiring.jobs import Jobs
from polyrelay.wiring.offer import USER_AGENT, Offer
from polyrelay.wiring.overrides import Overrides

logger = logging.getLogger(__name__)

KEY_REFRESH_SECONDS = 0.25
"""How often what other machines changed is taken over; what this machine did counts at the next request."""

GC_ALLOCATIONS = 10_000
"""New containers before the cyclic collector looks at the young ones; Python's own 700 costs 2 % of a busy relay."""

FILE_WATCH_SECONDS = 0.5
"""How often the configuration file is looked at; it is taken up when two looks agree."""

KEPT_WATCH_SECONDS = 0.5
"""How often the database is asked for changed channels, tariffs and groups."""

LONGEST_SECONDS = 900.0
"""The total deadline of a channel, where none is configured."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What takes a changed configuration over."""

    relay: Relay
    context: LaneContext
    keys: KeyDirectory
    limits: MemoryLimits
    books: Books


@dataclass(frozen=True, slots=True)
class Clerks:
    """Who answers what is no relay route."""

    billing: Billing
    jobs: Jobs
    follow_up: Delivery


class Node:
    """One relay process. `config` is the file to read, and to read again on SIGHUP or when it changes.

    A worker among others has a `tether` to their supervisor; whoever has none is alone.
    """

    def __init__(self, config: Path | None, given: Overrides, tether: Tether | None = None) -> None:
        """Reads the configuration. Raises `ConfigurationError`."""
        self._config = config
        self._given = given
        self._tether = tether
        self._place = Place.parse(tether.greeted()) if tether is not None else None
        self._redactor = Redactor()
        self._server: http_server.Server | None = None
        self._configuration = self._read()
        self._offer = offer.make(self._configuration, offer.NOTHING_KEPT, self._redactor)

    @property
    def settings(self) -> Settings:
        """Those in force."""
        return self._configuration.settings

    @property
    def data(self) -> Path:
        """The data folder."""
        return Path(self.settings.server.data)

    def prepare(self) -> None:
        """Make what several processes would otherwise make at once. Raises `ConfigurationError`."""
        logs.configure(self.settings.log, sys.stderr, self._redactor)

        async def make() -> None:
            async with opened(self.settings.database.url, self.data) as database:
                await self._secrets(database)

        asyncio.run(make())

    def run(self, ready: Callable[[str], None]) -> None:
        """Serve until told to stop; `ready` is called with the base address once requests are taken.

        Raises `ConfigurationError` when the data folder or the address cannot be used.
        """
        logs.configure(self.settings.log, sys.stderr, self._redactor)
        uvloop.run(self._serve(ready))

    def stop(self) -> None:
        """End gracefully. May be called from any thread, and again: the second time nobody is waited for."""
        if self._server is not None:
            if self._server.should_exit:
                self._server.abort()
            self._server.stop()

    # ── configuration ──

    def _read(self) -> Configuration:
        """The configuration as the file has it now, but for what the supervisor decided for all its workers."""
        found = overrides.read(self._config, self._given)
        if self._place is None:
            return found
        pinned = replace(found.settings, server=self._place.server, database=self._place.database)
        return replace(found, settings=pinned)

    def _reload(self, parts: Parts) -> None:
        """Take the file up as a whole, or keep what is in force and say why."""
        old = self.settings
        try:
            found = overrides.read(self._config, self._given)
            made = offer.make(found, self._offer.kept, self._redactor)
        except ConfigurationError as error:
            logger.error("the configuration was not reloaded, the old one stays in force: %s", error)  # noqa: TRY400
            return
        if old.channels and not found.settings.channels:
            logger.error("%s has no channels any more and was not taken up; restart if that is meant", self._config)
            return
        new = found.settings
        fixed = (new.server, new.database, new.ledger, new.log)
        if fixed != (old.server, old.database, old.ledger, old.log):
            logger.warning("[server], [database], [ledger] and [log] settings take effect at the next start")
        pinned = replace(new, server=old.server, database=old.database, ledger=old.ledger, log=old.log)
        self._configuration = replace(found, settings=pinned)
        self._adopt(made, parts)
        logger.info("configuration reloaded: %d channels", len(made.snapshot.catalog.channels))

    async def _look(self, database: Database, parts: Parts) -> None:
        """Take over what the control plane changed, here or on another machine. Raises `PolyrelayError`."""
        if not await offer.changed(database, self._offer.kept):
            return
        kept = await offer.fetch(database, self.data)
        made = offer.make(self._configuration, kept, self._redactor)
        self._adopt(made, parts)
        logger.info("the control plane's changes are in force: %d channels", len(made.snapshot.catalog.channels))

    def _adopt(self, made: Offer, parts: Parts) -> None:
        self._offer = made
        parts.relay.snapshot = made.snapshot
        parts.keys.set_defaults(made.settings.key_defaults)
        parts.limits.adopt(LimitBook(made.settings.limits))
        parts.books.treasury.pricing.adopt(made.book)
        parts.context.settings = self._lane(parts.relay)

    def _lane(self, relay: Relay) -> LaneSettings:
        return LaneSettings(
            relay,
            registry.BY_PATH,
            self.settings.bounds,
            self.settings.cors,
            self.settings.server.forwarded_networks,
        )

    def _spool(self) -> Path:
        """Where forms wait. On the data folder's disk, since a system's temporary folder may be memory."""
        spool = self.data / folder.SPOOL
        folder.prepare(spool)
        return spool

    # ── the process ──

    async def _serve(self, ready: Callable[[str], None]) -> None:
        loop, clock = asyncio.get_running_loop(), SystemClock()
        records = self._records(clock)
        async with AsyncExitStack() as stack:
            database = await stack.enter_async_context(opened(self.settings.database.url, self.data))
            await self._secrets(database)
            kept = await offer.fetch(database, self.data)
            self._offer = offer.make(self._configuration, kept, self._redactor)
            generation = stack.enter_context(closing(Generation.open(self.data)))
            keys = stack.enter_context(closing(self._keys(generation)))
            upstream = stack.enter_context(closing(CurlUpstream(loop)))
            books = Books(SqlBank(database), self.data, self.settings.ledger, self._offer.book, clock, generation)
            limits = self._limits(clock)
            lines = line.Lines(*self._share())
            adapters = World(upstream, keys, limits, books.treasury, records, clock, loop, Entropy(), lines)
            relay = Relay(adapters, self._offer.snapshot)
            outside = stack.enter_context(closing(CurlOutside(loop)))
            store = SqlJobStore(
                database,
                stores(lambda: relay.snapshot.catalog),
                lambda: follow_up.nudge(),  # noqa: PLW0108 - made below, and it needs the store
            )
            follow_up = self._follow_up(database, relay, outside, store, lambda: jobs.keeping)
            billing = Billing(relay, SqlBillingReads(database), zone)
            gallery = follow_up.gallery
            jobs = Jobs(relay, store, books, USER_AGENT, billing.allowance, gallery.shown, gallery.kept)
            context = LaneContext(self._lane(relay), self._spool())
            parts = Parts(relay, context, keys, limits, books)
            application = self._application(parts, database, generation, Clerks(billing, jobs, follow_up))
            self._server = server = http_server.build(self.settings.server, context, application)
            await stack.enter_async_context(books.running())
            await stack.enter_async_context(jobs.running())
            address = self._bind(server)
            reload = partial(self._reload, parts)
            self._obey(loop, reload, server)
            chores = [
                every(KEY_REFRESH_SECONDS, keys.refresh_if_changed),
                every_while(KEPT_WATCH_SECONDS, partial(self._look, database, parts)),
                *self._watching(reload),
                *self._housekeeping(database),
                *follow_up.chores(tidies=self._is_first),
            ]
            if isinstance(records, RecordLog):
                chores.append(records.run())
            async with _running(chores):
                loop.call_soon(_settle_heap)
                loop.call_soon(partial(ready, address) if self._tether is None else self._tether.ready)
                await server.serve()
                context.shut_exchanges()
                relay.close()

    def _limits(self, clock: SystemClock) -> MemoryLimits:
        channels = self._offer.snapshot.catalog.channels
        longest = max((channel.timeouts.total for channel in channels), default=LONGEST_SECONDS)
        workers, index = self._share()
        return MemoryLimits(
            clock,
            LimitBook(self.settings.limits),
            workers=workers,
            index=index,
            lease_seconds=plan.ATTEMPTS_MAX * longest,
        )

    def _share(self) -> tuple[int, int]:
        """Of how many workers this is which."""
        return (1, 0) if self._place is None else (self._place.count, self._place.index)

    async def _secrets(self, database: Database) -> None:
        found = await custody.establish(self.data, database)
        if found.created:
            logger.warning("made %s; back it up together with the database", found.path)

    def _keys(self, generation: Generation) -> KeyDirectory:
        return KeyDirectory(
            open_keys(self.settings.database.url, self.data),
            lambda: server_secrets.load(self.data).fingerprints,
            self.settings.key_defaults,
            generation.reader("keys"),
        )

    def _records(self, clock: SystemClock) -> RecordLog | NoRecords:
        log = self.settings.log
        if not log.exchanges:
            return NoRecords()
        return RecordLog(Lines(self._redactor, as_json=logs.use_json(log, sys.stderr)), writer(sys.stderr), clock)

    def _follow_up(
        self,
        database: Database,
        relay: Relay,
        outside: CurlOutside,
        store: SqlJobStore,
        keeping: Callable[[], Keeping],
    ) -> Delivery:
        """`keeping` is made later than this."""
        around = Surroundings(
            lambda: self.settings,
            lambda: relay.snapshot.catalog,
            lambda: self.settings.server.public_url or self._local_url(),
            relay.world.clock,
            outside,
            notices.RENDERS,
            lambda job: keeping().request(job),
            lambda job, head: keeping().content(job, "video", head),
        )
        return Delivery(database, self.data, store, around)

    def _local_url(self) -> str:
        """Where this process listens, for links of a relay that was not told where clients reach it."""
        server = self.settings.server
        scheme, host = "https" if server.tls_certificate else "http", server.host
        port = self._server.bound_port if self._server is not None else server.port
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def _application(self, parts: Parts, database: Database, generation: Generation, clerks: Clerks) -> Application:
        relay = parts.relay

        def unready() -> tuple[str, ...]:
            if parts.context.draining:
                return ("shutting down",)
            return parts.books.unready if relay.snapshot.catalog.channels else ("no channels are configured",)

        instance = Instance(
            polyrelay.__version__,
            time.monotonic(),
            lambda: len(relay.snapshot.catalog.channels),
            plane.make(database, self.data, self._config, lambda: self._offer, partial(generation.bump, "keys")),
            lambda: parts.books.treasury.unpaid,
        )
        return Application(
            ModelDirectory(relay),
            unready,
            control.on_first_use(instance),
            clerks.billing,
            ReadOnlyLists(relay),
            clerks.jobs.surfaces,
            clerks.follow_up.page(relay),
            clerks.follow_up.artefacts(),
        )

    def _bind(self, server: http_server.Server) -> str:
        if self._place is None:
            bound, address = listening.listen(self.settings.server)
        else:
            bound, address = socket.socket(fileno=self._place.listener), ""
            bound.set_inheritable(False)
        server.adopt(bound)
        return address

    def _obey(self, loop: asyncio.AbstractEventLoop, reload: Callable[[], None], server: http_server.Server) -> None:
        """Take orders from signals, and from the supervisor if there is one.

        Only the supervisor may tell a worker not to wait: systemd and terminals signal both of them, which counts once.
        """
        loop.add_signal_handler(signal.SIGHUP, reload)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop if self._tether is None else server.stop)
        if self._tether is not None:
            obey = {Order.RELOAD: reload, Order.DRAIN: server.stop, Order.ABORT: server.abort}
            self._tether.attend(loop, obey)

    def _watching(self, reload: Callable[[], None]) -> list[Coroutine[Any, Any, None]]:
        if self._config is None:
            return []
        watch = FileWatch(self._config)

        def look() -> None:
            if watch.changed():
                reload()

        return [every(FILE_WATCH_SECONDS, look)]

    def _housekeeping(self, database: Database) -> list[Coroutine[Any, Any, None]]:
        """What one worker does for all."""
        return Housekeeping(database, self.settings.ledger.retention_days).chores() if self._is_first else []

    @property
    def _is_first(self) -> bool:
        """Whether this is the worker that does what one does for all."""
        return self._place is None or not self._place.index


@asynccontextmanager
async def _running(chores: list[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run `chores` as tasks for as long as the block lasts."""
    tasks = [asyncio.create_task(chore) for chore in chores]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _settle_heap() -> None:
    """What was made until now lives as long as the process: keep the collector from looking at it again.

    Exchanges that succeed leave no cycles behind, so it need not look often either; some that fail do.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS)
