"""What the commands about tariffs share: the prices in force, as a relay of the same configuration has them."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from polyrelay.cli import office, options
from polyrelay.config import tariffs
from polyrelay.config.load import Configuration
from polyrelay.config.tariffs import Served
from polyrelay.kernel.errors import PolyrelayError
from polyrelay.metering import write
from polyrelay.metering.book import TariffBook
from polyrelay.service.administration import groups
from polyrelay.service.administration import tariffs as use_cases
from polyrelay.service.administration.desk import Desk, Made, shown
from polyrelay.service.administration.owned import Owned
from polyrelay.service.administration.ports import Kind
from polyrelay.settings.channels import CredentialSettings
from polyrelay.storage import folder
from polyrelay.storage.administration import reading
from polyrelay.storage.administration.reading import Kept
from polyrelay.storage.sql.database import Database
from polyrelay.telemetry.redact import Redactor
from polyrelay.wiring import offer, overrides
from polyrelay.wiring.offer import Offer
from polyrelay.wiring.overrides import Overrides

UNREAD = (CredentialSettings(value="unread"),)
"""In the place of every channel's credentials: prices do not depend on them, and a shell need not have them."""


class NoTariffError(PolyrelayError):
    """Neither the relay nor a shipped list prices the model; the message says where was looked."""


@dataclass(frozen=True, slots=True)
class Found:
    """The tariffs of a model. `serves` is false when the relay has none, and they are those of a shipped list."""

    book: TariffBook
    serves: bool


def found(model: str, provider: str, config: Path | None, data: Path | None) -> Found:
    """The prices of `model` in the relay, else in the shipped lists, `provider`'s first. Raises `NoTariffError`."""
    book = _offer(config, data).book
    if book.history(model):
        return Found(book, serves=True)
    listed = tariffs.seeds([Served(model, provider, model)])
    if not listed:
        raise NoTariffError(f"nothing prices {model!r}; see: polyrelay tariffs providers")
    return Found(TariffBook(listed, book.groups), serves=False)


def change(
    config: Path | None, data: Path | None, work: Callable[[Desk, Owned], Coroutine[Any, Any, list[Any]]]
) -> list[Any]:
    """Do all of `work` or nothing of it, with what the file owns; the documents of what came of it."""
    file_book = _offer(config, data).file_book
    file = str(options.config_file(config) or "the configuration")
    owned = Owned(file, {}, file_book.tariffs, {name: write.factor(each) for name, each in file_book.groups.items()})

    async def turn(at: Desk) -> Made:
        return shown(await work(at, owned))

    made: list[Any] = office.perform(options.store(config, data), turn)
    return made


async def store_tariff(at: Desk, document: dict[str, Any], owned: Owned) -> Any:
    """Add a version of a tariff; its document. Raises `Refused`."""
    return (await use_cases.create(at, document, tariffs.zone, owned)).document


async def retire_tariff(at: Desk, tariff: str, version: str, owned: Owned) -> Any:
    """End a stored version; its document. Raises `Refused`."""
    return (await use_cases.retire(at, tariff, version, owned)).document


async def store_group(at: Desk, name: str, multiplier: str, owned: Owned) -> Any:
    """Give a customer group its multiplier; its document, None when it has it already. Raises `Refused`."""
    if owned.groups.get(name) == multiplier:
        return None
    if await at.session.get(Kind.GROUPS, name) is None:
        return (await groups.create(at, {"name": name, "multiplier": multiplier}, owned)).document
    return (await groups.change(at, name, {"multiplier": multiplier}, owned)).document


def _offer(config: Path | None, data: Path | None) -> Offer:
    configuration = overrides.read(options.config_file(config), Overrides())
    return offer.make(_without_secrets(configuration), _kept(options.store(config, data)), Redactor())


def _kept(where: options.Store) -> Kept:
    """What the API has stored; nothing where no relay has been yet, and then no database is made."""
    if not where.url and not (where.data / folder.DATABASE).exists():
        return offer.NOTHING_KEPT

    async def ask(database: Database) -> Kept:
        return await database.read(lambda tx: reading.kept(tx, lambda *_: "unread"))

    return office.within(where, ask)


def _without_secrets(configuration: Configuration) -> Configuration:
    settings = configuration.settings
    channels = tuple(replace(channel, credentials=UNREAD) for channel in settings.channels)
    return replace(configuration, settings=replace(settings, channels=channels))
