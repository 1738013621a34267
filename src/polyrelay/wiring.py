"""The composition root: makes one relay process of its parts, runs it, and reloads its configuration."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path

import uvloop

import polyrelay
from polyrelay.background.periodic import every
from polyrelay.background.watch import FileWatch
from polyrelay.config import channels as channel_settings
from polyrelay.config import load
from polyrelay.config.load import Configuration, Source
from polyrelay.http import server as http_server
from polyrelay.http.admin import control
from polyrelay.http.admin.instance import Instance
from polyrelay.http.application import Application
from polyrelay.http.context import LaneContext, LaneSettings
from polyrelay.kernel.errors import ConfigurationError
from polyrelay.providers.registry import PROFILES
from polyrelay.routing.catalog import Catalog
from polyrelay.service import world
from polyrelay.service.models import ModelDirectory
from polyrelay.service.relay import Relay
from polyrelay.service.world import Snapshot, World
from polyrelay.settings.root import Settings
from polyrelay.state.clock import SystemClock
from polyrelay.state.entropy import Entropy
from polyrelay.state.memory import MemoryLimits
from polyrelay.storage import folder
from polyrelay.storage import secrets as server_secrets
from polyrelay.storage.directory import KeyDirectory, SqliteKeySource
from polyrelay.storage.memory import MemoryLedger
from polyrelay.telemetry import logs
from polyrelay.telemetry.records import Lines, NoRecords, RecordLog, writer
from polyrelay.telemetry.redact import Redactor
from polyrelay.upstream.curl import CurlUpstream
from polyrelay.wire import registry

logger = logging.getLogger(__name__)

USER_AGENT = f"polyrelay/{polyrelay.__version__}"

KEY_REFRESH_SECONDS = 0.25
"""How long a key revoked by another process may still work."""

GC_ALLOCATIONS = 10_000
"""New containers before the cyclic collector looks at the young ones; Python's own 700 costs 2 % of a busy relay."""

FILE_WATCH_SECONDS = 0.5
"""How often the configuration file is looked at; it is taken up when two looks agree."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a command line changes: `settings` stands in for a file altogether, the rest are single values."""

    settings: Settings | None = None
    host: str | None = None
    port: int | None = None
    data: Path | None = None

    def over(self, settings: Settings) -> Settings:
        """`settings` with the single values changed."""
        server = settings.server
        return replace(
            settings,
            server=replace(
                server,
                host=self.host if self.host is not None else server.host,
                port=self.port if self.port is not None else server.port,
                data=str(self.data) if self.data is not None else server.data,
            ),
        )


def read(config: Path | None, overrides: Overrides) -> Configuration:
    """The configuration in force. Raises `ConfigurationError`."""
    if overrides.settings is not None:
        return Configuration(overrides.over(overrides.settings), Source())
    found = load.read(config, os.environ, providers=PROFILES)
    return replace(found, settings=overrides.over(found.settings))


def free_port(host: str, preferred: int) -> int:
    """`preferred` if nobody listens there, else a port that is free now."""
    for port in (preferred, 0):
        with closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise ConfigurationError(f"no port is free on {host}")


class Node:
    """One relay process. `config` is the file to read, and to read again on SIGHUP or when it changes."""

    def __init__(self, config: Path | None, overrides: Overrides) -> None:
        """Reads the configuration. Raises `ConfigurationError`."""
        self._config = config
        self._overrides = overrides
        self._redactor = Redactor()
        self._server: http_server.Server | None = None
        self._settings, self._snapshot = self._configure()

    @property
    def data(self) -> Path:
        """The data folder."""
        return Path(self._settings.server.data)

    def run(self, ready: Callable[[str], None]) -> None:
        """Serve until told to stop; `ready` is called with the base address once requests are taken.

        Raises `ConfigurationError` when the data folder or the address cannot be used.
        """
        logs.configure(self._settings.log, sys.stderr, self._redactor)
        uvloop.run(self._serve(ready))

    def stop(self) -> None:
        """End gracefully. May be called from any thread, and again: the second time nobody is waited for."""
        if self._server is not None:
            if self._server.should_exit:
                self._server.abort()
            self._server.stop()

    # ── configuration ──

    def _configure(self) -> tuple[Settings, Snapshot]:
        configuration = read(self._config, self._overrides)
        settings = configuration.settings
        channels = channel_settings.resolve(settings, os.environ, configuration.source.where)
        for channel in channels:
            self._redactor.register(*(credential.secret for credential in channel.credentials))
        return settings, world.snapshot(settings, Catalog(channels), USER_AGENT)

    def _reload(self, relay: Relay, context: LaneContext, keys: KeyDirectory) -> None:
        """Take the new configuration up as a whole, or keep the old one and say why."""
        try:
            settings, snapshot = self._configure()
        except ConfigurationError as error:
            logger.error("the configuration was not reloaded, the old one stays in force: %s", error)  # noqa: TRY400
            return
        if self._settings.channels and not settings.channels:
            logger.error("%s has no channels any more and was not taken up; restart if that is meant", self._config)
            return
        relay.snapshot = snapshot
        if (settings.server, settings.log) != (self._settings.server, self._settings.log):
            logger.warning("[server] and [log] settings take effect at the next start")
        self._settings = replace(settings, server=self._settings.server, log=self._settings.log)
        keys.set_defaults(settings.key_defaults)
        context.settings = self._lane(relay)
        logger.info("configuration reloaded: %d channels", len(settings.channels))

    def _lane(self, relay: Relay) -> LaneSettings:
        settings = self._settings
        return LaneSettings(
            relay,
            {path: surface.name for path, surface in registry.BY_PATH.items()},
            settings.bounds,
            settings.cors,
            settings.server.forwarded_networks,
        )

    # ── the process ──

    async def _serve(self, ready: Callable[[str], None]) -> None:
        secrets = server_secrets.load_or_create(self.data)
        if secrets.created:
            logger.warning("made %s; back it up together with the database", secrets.path)
        loop, clock = asyncio.get_running_loop(), SystemClock()
        records = self._records(clock)
        with (
            closing(
                KeyDirectory(
                    SqliteKeySource(self.data / folder.DATABASE), secrets.fingerprint_key, self._settings.key_defaults
                )
            ) as keys,
            closing(CurlUpstream(loop)) as upstream,
        ):
            adapters = World(upstream, keys, MemoryLimits(clock), MemoryLedger(), records, clock, loop, Entropy())
            relay = Relay(adapters, self._snapshot)
            context = LaneContext(self._lane(relay))
            self._server = server = http_server.build(self._settings.server, context, self._application(relay, context))
            address = self._bind(server)
            chores = [every(KEY_REFRESH_SECONDS, keys.refresh_if_changed), *self._watching(relay, context, keys)]
            if isinstance(records, RecordLog):
                chores.append(records.run())
            loop.add_signal_handler(signal.SIGHUP, self._reload, relay, context, keys)
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self.stop)
            async with _running(chores):
                loop.call_soon(_settle_heap)
                loop.call_soon(ready, address)
                await server.serve()

    def _records(self, clock: SystemClock) -> RecordLog | NoRecords:
        log = self._settings.log
        if not log.exchanges:
            return NoRecords()
        return RecordLog(Lines(self._redactor, as_json=logs.use_json(log, sys.stderr)), writer(sys.stderr), clock)

    def _application(self, relay: Relay, context: LaneContext) -> Application:
        def unready() -> tuple[str, ...]:
            if context.draining:
                return ("shutting down",)
            return () if relay.snapshot.catalog.channels else ("no channels are configured",)

        instance = Instance(polyrelay.__version__, time.monotonic(), lambda: len(relay.snapshot.catalog.channels))
        return Application(ModelDirectory(relay), unready, control.on_first_use(instance))

    def _bind(self, server: http_server.Server) -> str:
        wanted = self._settings.server
        try:
            port = server.bind()
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {wanted.host} port {wanted.port}: {error.strerror}. Choose another with --port."
            ) from error
        scheme = "https" if wanted.tls_certificate else "http"
        return f"{scheme}://{wanted.host}:{port}"

    def _watching(self, relay: Relay, context: LaneContext, keys: KeyDirectory) -> list[Coroutine[None, None, None]]:
        if self._config is None:
            return []
        watch = FileWatch(self._config)

        def look() -> None:
            if watch.changed():
                self._reload(relay, context, keys)

        return [every(FILE_WATCH_SECONDS, look)]


@asynccontextmanager
async def _running(chores: list[Coroutine[None, None, None]]) -> AsyncIterator[None]:
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
