"""What a relay offers, made ready: channels, tariffs and groups of the file and of the database together."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import polyrelay
from polyrelay.config import channels as channel_settings
from polyrelay.config import checks, documents, tariffs
from polyrelay.config.load import Configuration
from polyrelay.config.tariffs import Served
from polyrelay.kernel.errors import ConfigurationError
from polyrelay.metering import read, sheet
from polyrelay.metering.book import TariffBook
from polyrelay.metering.sheet import BadTariff
from polyrelay.metering.tariff import Source, Tariff
from polyrelay.providers.registry import PROFILES
from polyrelay.routing.catalog import Catalog
from polyrelay.routing.channel import Channel
from polyrelay.service import world
from polyrelay.service.world import Snapshot
from polyrelay.settings.root import Settings
from polyrelay.storage.administration import reading
from polyrelay.storage.administration.opening import RingSecrets
from polyrelay.storage.administration.reading import Kept
from polyrelay.storage.sql.transaction import Database
from polyrelay.telemetry.redact import Redactor

logger = logging.getLogger(__name__)

USER_AGENT = f"polyrelay/{polyrelay.__version__}"

NOTHING_KEPT = Kept(0, (), {}, ())


@dataclass(frozen=True, slots=True)
class Offer:
    """`file_book` has what the file and the shipped lists say alone: the control plane shows it as theirs."""

    settings: Settings
    snapshot: Snapshot
    book: TariffBook
    file_book: TariffBook
    kept: Kept


def make(configuration: Configuration, kept: Kept, redactor: Redactor) -> Offer:
    """Everything made ready once. The file's channels and groups win over those of the same name in the database.

    Raises `ConfigurationError`. Secrets are made known to `redactor`.
    """
    settings = configuration.settings
    channels = list(channel_settings.resolve(settings, os.environ, configuration.source.where))
    channels += _kept_channels(kept, {channel.name for channel in channels})
    for channel in channels:
        redactor.register(*(credential.secret for credential in channel.credentials))
    operator = configuration.operator
    seeds = tariffs.seeds(_served(channels))
    groups = operator.groups or {}
    try:
        file_book = TariffBook((*operator.tariffs, *seeds), groups)
        kept_groups = {name: sheet.factor(text) for name, text in kept.groups.items()}
        book = TariffBook((*file_book.tariffs, *_kept_tariffs(kept, file_book)), {**kept_groups, **groups})
    except BadTariff as error:
        raise ConfigurationError(f"{configuration.source.file or 'configuration'}: {error}") from error
    return Offer(settings, world.snapshot(settings, Catalog(tuple(channels)), USER_AGENT), book, file_book, kept)


async def fetch(database: Database, data: Path) -> Kept:
    """What the database keeps now. Raises `DatabaseAway`, or `VaultError` when a credential cannot be opened."""
    opener = RingSecrets(data)
    return await database.read(lambda tx: reading.kept(tx, opener.open))


async def changed(database: Database, kept: Kept) -> bool:
    """Whether the database keeps something else by now. Raises `DatabaseAway`."""
    return await database.read(reading.change) != kept.change


def _kept_tariffs(kept: Kept, file_book: TariffBook) -> list[Tariff]:
    """The database's tariffs, but for models that the file prices, and for what contradicts another one."""
    owned = {name for tariff in file_book.tariffs if tariff.source is Source.FILE for name in tariff.names}
    found: list[Tariff] = []
    for document in kept.tariffs:
        tariff = read.tariff(document, source=Source.API, zones=tariffs.zone)
        if owned.isdisjoint(tariff.names):
            found.append(tariff)
        else:
            logger.warning("tariff %r of the database is not used: the file prices its model", tariff.id)
    return found if _fits(file_book, found) else _fitting(file_book, found)


def _fitting(file_book: TariffBook, candidates: list[Tariff]) -> list[Tariff]:
    found: list[Tariff] = []
    for tariff in candidates:
        if _fits(file_book, [*found, tariff]):
            found.append(tariff)
        else:
            logger.warning("tariff %r (%s) of the database contradicts another one", tariff.id, tariff.version)
    return found


def _fits(file_book: TariffBook, added: list[Tariff]) -> bool:
    try:
        TariffBook((*file_book.tariffs, *added))
    except BadTariff:
        return False
    return True


def _kept_channels(kept: Kept, taken: set[str]) -> list[Channel]:
    found = []
    for channel in kept.channels:
        if channel.name in taken:
            logger.warning("channel %r of the database is not used: the file has one of that name", channel.name)
        elif not channel.credentials and not checks.is_keyless(channel.document.get("provider")):
            logger.warning("channel %r has no credential and is not used; add one", channel.name)
        else:
            pairs = [(each.name, each.secret) for each in channel.credentials]
            found.append(documents.channel({**channel.document, "name": channel.name}, pairs, PROFILES))
    return found


def _served(channels: list[Channel]) -> list[Served]:
    return [
        Served(name, channel.provider, upstream) for channel in channels for name, upstream in channel.models.items()
    ]
