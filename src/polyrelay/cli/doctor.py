"""`polyrelay doctor`: checks what a relay needs, and says what to do about what is missing."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

from polyrelay.cli import doctor_money, options, output
from polyrelay.cli.doctor_money import Stock
from polyrelay.cli.findings import Finding
from polyrelay.config import channels as channel_settings
from polyrelay.config.load import Configuration
from polyrelay.kernel.errors import ConfigurationError
from polyrelay.providers import outbound, registry
from polyrelay.routing.channel import Candidate, Channel
from polyrelay.settings.root import ServerSettings, Settings
from polyrelay.storage.secrecy import custody
from polyrelay.storage.secrecy import secrets as server_secrets
from polyrelay.storage.secrecy.secrets import NOTHING
from polyrelay.storage.sql import revision
from polyrelay.storage.sql.database import DatabaseAway, look, opened
from polyrelay.upstream.probe import Probe, probe
from polyrelay.wiring import offer, overrides
from polyrelay.wiring.overrides import Overrides

_REFUSED = frozenset({401, 403})
_BROKEN = 500


def doctor(*, config: options.Config = None, data: options.Data = None, as_json: options.Json = False) -> None:
    """Check configuration, prices, port, data folder, TLS and every upstream. Exit code 1 when there is a problem."""
    findings = list(_examine(options.config_file(config), data))
    if as_json:
        output.document([asdict(finding) for finding in findings])
    else:
        rows = [(finding.check, finding.state, finding.detail, finding.remedy) for finding in findings]
        output.table(("check", "state", "found", "what to do"), rows)
    if any(finding.state == "problem" for finding in findings):
        raise typer.Exit(output.Exit.FAILED)


def _examine(config: Path | None, data: Path | None) -> Iterator[Finding]:
    try:
        found = overrides.read(config, Overrides(data=data))
        channels = channel_settings.resolve(found.settings, os.environ, found.source.where)
    except ConfigurationError as error:
        yield Finding("configuration", "problem", str(error), "Correct it; docs/configuration.md lists every setting.")
        return
    yield _channels_configured(config, found.settings)
    yield _port(found.settings.server)
    yield from _data_folder(found)
    if found.settings.server.tls_certificate is not None:
        yield Finding("TLS", "ok", f"{found.settings.server.tls_certificate} loads")
    for channel in channels:
        for credential in channel.credentials:
            yield _upstream(channel, credential.name, _probe(Candidate(channel, credential)))


def _channels_configured(config: Path | None, settings: Settings) -> Finding:
    where = str(config) if config is not None else "defaults and environment"
    if not settings.channels:
        return Finding("configuration", "warning", f"{where}: no channels", "Add a [[channels]] block: polyrelay init")
    models = {model.name for channel in settings.channels for model in channel.models}
    return Finding("configuration", "ok", f"{where}: {len(settings.channels)} channels, {len(models)} models")


def _port(server: ServerSettings) -> Finding:
    place = f"{server.host} port {server.port}"
    with closing(socket.socket(socket.AF_INET6 if ":" in server.host else socket.AF_INET)) as probing:
        probing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probing.bind((server.host, server.port))
        except OSError as error:
            remedy = "A relay may be running there already. Else stop what listens, or choose another server.port."
            return Finding("port", "warning", f"{place}: {error.strerror}", remedy)
    return Finding("port", "ok", f"{place} is free")


def _data_folder(found: Configuration) -> Iterator[Finding]:
    """The folder and its database, and what needs the database to be looked at."""
    url, data = found.settings.database.url, Path(found.settings.server.data)
    if not data.exists():
        yield Finding("data folder", "warning", f"{data} does not exist", "It is made on first use: polyrelay init")
        yield from doctor_money.examine(found, Stock())
        return
    try:
        seen = asyncio.run(_look(url, data, found.settings.server.workers))
    except DatabaseAway as error:
        yield Finding("database", "problem", str(error), "Start the server, or correct [database] url.")
        return
    except ConfigurationError as error:
        yield Finding("data folder", "problem", str(error), "See the message.")
        return
    if seen.revision not in (revision.REVISION, revision.EMPTY):
        yield Finding("database", "warning", f"{seen.place}: revision {seen.revision}", "The next start upgrades it.")
    elif not seen.keys:
        yield Finding("keys", "warning", "no client key exists", "polyrelay keys create --account NAME")
    yield Finding("data folder", "ok", f"{data}: secrets and database readable, {seen.keys} keys")
    yield from doctor_money.examine(found, seen.stock)
    yield from doctor_money.left_behind(data, seen.stock)


@dataclass(frozen=True, slots=True)
class Seen:
    """Where the database is, its revision, how many living keys it has, and what of money."""

    place: str
    revision: int
    keys: int
    stock: Stock


async def _look(url: str, data: Path, workers: int) -> Seen:
    """Changes nothing in the database, and reads only one of this release."""
    place, found = await look(url, data)
    needs, stock = NOTHING, Stock()
    if found == revision.REVISION:
        async with opened(url, data) as database:
            needs = await database.read(custody.count_needs)
            stock = await database.read(lambda tx: doctor_money.take(tx, workers))
    if found in (revision.REVISION, revision.EMPTY):
        server_secrets.load_or_create(data, needs)
    return Seen(place, found, sum(needs.fingerprints.values()), stock)


def _probe(candidate: Candidate) -> Probe:
    found = outbound.endpoint(candidate, offer.USER_AGENT)
    return probe(found.get(registry.PROFILES[candidate.channel.provider].probe))


def _upstream(channel: Channel, credential: str, seen: Probe) -> Finding:
    check = f"upstream {channel.name} {credential}"
    took = f"{seen.seconds * 1000:.0f} ms"
    if seen.status is None:
        return Finding(check, "problem", seen.detail, "Check base_url, proxy, ca_file and the network.")
    if seen.status in _REFUSED:
        return Finding(check, "problem", f"credential refused ({seen.status})", "Replace the credential.")
    if seen.status >= _BROKEN:
        return Finding(check, "warning", f"answers {seen.status}", "The vendor has trouble; try again later.")
    return Finding(check, "ok", f"answers {seen.status} in {took}")
