"""What a command line says over the configuration, and the address it leads to."""

import os
import socket
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from polyrelay.config import load
from polyrelay.config.load import Configuration, Source
from polyrelay.http import server as http_server
from polyrelay.kernel.errors import ConfigurationError
from polyrelay.providers.registry import PROFILES
from polyrelay.settings.root import ServerSettings, Settings


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a command line changes: `settings` stands in for a file altogether, the rest are single values."""

    settings: Settings | None = None
    host: str | None = None
    port: int | None = None
    data: Path | None = None
    workers: int | None = None

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
                workers=self.workers if self.workers is not None else server.workers,
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


def listen(wanted: ServerSettings) -> tuple[socket.socket, str]:
    """A socket bound to the configured address, and its base address. Raises `ConfigurationError`."""
    try:
        bound = http_server.listener(wanted.host, wanted.port)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {wanted.host} port {wanted.port}: {error.strerror}. Choose another with --port."
        ) from error
    scheme = "https" if wanted.tls_certificate else "http"
    return bound, f"{scheme}://{wanted.host}:{bound.getsockname()[1]}"
