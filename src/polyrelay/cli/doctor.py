"""`polyrelay doctor`: checks what a relay needs, and says what to do about what is missing."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

from polyrelay import wiring
from polyrelay.cli import options, output
from polyrelay.config import channels as channel_settings
from polyrelay.kernel.errors import ConfigurationError
from polyrelay.routing.channel import Channel
from polyrelay.settings.root import ServerSettings, Settings
from polyrelay.storage import folder
from polyrelay.storage import secrets as server_secrets
from polyrelay.storage.directory import KeyDirectory, SqliteKeySource
from polyrelay.upstream.probe import Probe, probe

_REFUSED = frozenset({401, 403})
_BROKEN = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, how it is (`ok`, `warning`, `problem`), and what to do if it is not well."""

    check: str
    state: str
    detail: str
    remedy: str = ""


def doctor(*, config: options.Config = None, data: options.Data = None, as_json: options.Json = False) -> None:
    """Check configuration, port, data folder, TLS and every upstream. Exit code 1 when there is a problem."""
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
        found = wiring.read(config, wiring.Overrides(data=data))
        channels = channel_settings.resolve(found.settings, os.environ, found.source.where)
    except ConfigurationError as error:
        yield Finding("configuration", "problem", str(error), "Correct it; docs/configuration.md lists every setting.")
        return
    yield _channels_configured(config, found.settings)
    yield _port(found.settings.server)
    yield from _data_folder(Path(found.settings.server.data))
    if found.settings.server.tls_certificate is not None:
        yield Finding("TLS", "ok", f"{found.settings.server.tls_certificate} loads")
    for channel in channels:
        for credential in channel.credentials:
            yield _upstream(channel, credential.name, probe(channel, credential))


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


def _data_folder(data: Path) -> Iterator[Finding]:
    if not data.exists():
        yield Finding("data folder", "warning", f"{data} does not exist", "It is made on first use: polyrelay init")
        return
    try:
        secrets = server_secrets.load_or_create(data)
        with closing(KeyDirectory(SqliteKeySource(data / folder.DATABASE), secrets.fingerprint_key)) as keys:
            count = len(keys)
    except ConfigurationError as error:
        yield Finding("data folder", "problem", str(error), "See the message.")
        return
    if not count:
        yield Finding("keys", "warning", "no client key exists", "polyrelay keys create --account NAME")
    yield Finding("data folder", "ok", f"{data}: secrets and database readable, {count} keys")


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
