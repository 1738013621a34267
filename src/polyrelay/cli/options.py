"""Options that several commands share, and the settings they lead to."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from polyrelay.config import environment
from polyrelay.settings.root import Settings
from polyrelay.wiring import overrides
from polyrelay.wiring.overrides import Overrides

DEFAULT_FILE = Path("polyrelay.toml")

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Configuration file (default: $POLYRELAY_CONFIG, else ./polyrelay.toml)."),
]
Data = Annotated[Path | None, typer.Option("--data", help="Data folder, instead of the configuration's.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


def config_file(given: Path | None) -> Path | None:
    """The configuration file in force: named, from the environment, or the default one if it exists."""
    if given is not None:
        return given
    if os.environ.get(environment.CONFIG_FILE):
        return Path(os.environ[environment.CONFIG_FILE])
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def settings(config: Path | None) -> Settings:
    """Settings from file and environment. Raises `errors.ConfigurationError`."""
    return overrides.read(config_file(config), Overrides()).settings


@dataclass(frozen=True, slots=True)
class Store:
    """Where a command finds keys and money: the data folder, and the `url` of the database unless it lies there."""

    url: str
    data: Path


def store(config: Path | None, data: Path | None) -> Store:
    """The store of a command; `data` only stands in for the folder. Raises `errors.ConfigurationError`."""
    found = settings(config)
    return Store(found.database.url, data if data is not None else Path(found.server.data))


def data_folder(config: Path | None, data: Path | None) -> Path:
    """The data folder of a command. Raises `errors.ConfigurationError`."""
    return data if data is not None else Path(settings(config).server.data)
