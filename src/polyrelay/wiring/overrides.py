"""What a command line says over the configuration."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from polyrelay.config import load
from polyrelay.config.load import Configuration, Source
from polyrelay.providers.registry import PROFILES
from polyrelay.settings.root import Settings


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
