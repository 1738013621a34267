"""`polyrelay tariffs`: what models cost."""

import json
import time
import tomllib
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from polyrelay.cli import explaining, options, output, prices
from polyrelay.cli.charges import LINE_COLUMNS, instant
from polyrelay.cli.office import cells
from polyrelay.config import tariffs as sources
from polyrelay.exchange.usage import ImageCount, Usage
from polyrelay.kernel.errors import ConfigurationError
from polyrelay.metering import ratios, write
from polyrelay.metering.book import DEFAULT_GROUP
from polyrelay.metering.ratios import Imported
from polyrelay.metering.sheet import BadTariff
from polyrelay.service.administration.desk import Desk
from polyrelay.service.administration.owned import Owned

tariffs = typer.Typer(no_args_is_help=True, help="Show, set and explain prices, and carry price tables over.")

LIST = "list"
"""The source of a price that no relay of this configuration asks; the others are those of `metering.tariff.Source`."""

Model = Annotated[str, typer.Argument(help="The model as clients name it, or as its vendor does.")]
Provider = Annotated[str, typer.Option(help="Whose list to look in first, for a model that the relay does not serve.")]


@tariffs.command()
def providers(*, as_json: options.Json = False) -> None:
    """List the vendors whose public prices are shipped, with how many models each has."""
    rows = [{"provider": name, "models": len(sources.listed(name))} for name in sources.providers()]
    if as_json:
        output.document(rows)
    else:
        output.table(("provider", "models"), [[str(cell) for cell in row.values()] for row in rows])


@tariffs.command()
def show(
    model: Model,
    *,
    provider: Provider = "openai",
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Show what a model costs: the API's tariffs over the file's over the shipped list, and what groups pay of them.

    Rates are per million tokens, with tiers, dates and times of day. A model that the relay has no tariff for is looked
    up in the shipped lists.
    """
    found = prices.found(model, provider, config, data)
    now = time.time()
    groups = {name: write.factor(factor) for name, factor in found.book.groups.items()}
    documents = [
        {
            **write.tariff(tariff),
            "source": tariff.source.name.lower() if found.serves else LIST,
            "in_force": found.serves and tariff is found.book.find(model, now),
            "groups": groups,
        }
        for tariff in found.book.history(model)
    ]
    if as_json:
        output.document(documents)
        return
    rows = [
        (_state(document), str(document["id"]), str(document["version"]), str(document.get("from", "always")), *price)
        for document in documents
        for price in _prices(document)
    ]
    columns = ("state", "tariff", "version", "from", "window", "size", "bucket", "per million tokens, or per unit")
    output.table(columns, rows)
    output.table(("group", "multiplier"), list(groups.items()))


@tariffs.command("set")
def set_(
    tariff: Annotated[
        str, typer.Argument(help="A model with the options below, or a tariff: a file (TOML, JSON), or JSON itself.")
    ],
    *,
    input_: Annotated[str | None, typer.Option("--input", help="Price of a million input tokens.")] = None,
    output_: Annotated[str | None, typer.Option("--output", help="Price of a million output tokens.")] = None,
    cached: Annotated[str | None, typer.Option("--cached", help="Price of a million cached input tokens.")] = None,
    per_request: Annotated[str | None, typer.Option(help="Price of each request.")] = None,
    context: Annotated[int | None, typer.Option(min=1, help="Largest prompt in tokens; holds stay within it.")] = None,
    max_output: Annotated[
        int | None, typer.Option(min=1, help="Largest answer in tokens, held for by default.")
    ] = None,
    begins: Annotated[str | None, typer.Option("--from", help="In force from this day (midnight UTC) on.")] = None,
    ends: Annotated[str | None, typer.Option("--to", help="In force until before this day.")] = None,
    version: Annotated[str | None, typer.Option(help="Its name among the tariff's versions (default: --from).")] = None,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Store a tariff as the control plane does. A version never changes: end it with --to, or retire it."""
    sell = {"input_text": input_, "output_text": output_, "cached_read": cached, "per_request": per_request}
    maxima = _given({"context": context, "output": max_output})
    terms = _given({"from": begins, "to": ends, "version": version, "maxima": maxima or None})
    prices_given = _given(sell)
    if terms and not prices_given:
        raise typer.BadParameter("name prices too; what a file or JSON says is not changed by options")
    documents = [{"model": tariff, "sell": prices_given, **terms}] if prices_given else _documents(tariff)

    async def work(at: Desk, owned: Owned) -> list[Any]:
        return [await prices.store_tariff(at, document, owned) for document in documents]

    made = prices.change(config, data, work)
    if as_json:
        output.document(made)
        return
    for each in made:
        output.line(f"Tariff {each['id']} version {each['version']} of model {each['model']} is stored.")


@tariffs.command()
def retire(
    tariff: Annotated[str, typer.Argument(help="The id that `tariffs show` shows.")],
    version: Annotated[str, typer.Argument(help="Its version.")],
    *,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """End a stored tariff now. Charges that were made with it stay explained."""

    async def work(at: Desk, owned: Owned) -> list[Any]:
        return [await prices.retire_tariff(at, tariff, version, owned)]

    (made,) = prices.change(config, data, work)
    if as_json:
        output.document(made)
    else:
        output.line(f"Tariff {tariff} version {version} is retired.")


@tariffs.command("import")
def import_(
    tables: Annotated[Path, typer.Argument(help="JSON of new-api's or one-api's ratio tables.")],
    *,
    store: Annotated[bool, typer.Option("--store", help="Store what was carried over: all of it, or nothing.")] = False,
    version: Annotated[str, typer.Option(help="What to call this version of the tariffs.")] = "imported",
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Convert ratio tables (500 000 quota are 1 USD) into tariffs, and report what could not be carried over."""
    try:
        document = json.loads(tables.read_text(encoding="utf-8"), parse_float=str)
        imported = ratios.convert(document, version=version)
    except (OSError, ValueError, BadTariff) as error:
        raise ConfigurationError(f"{tables}: {error}") from error
    if store:
        _store(imported, config, data)
    if as_json:
        output.document(
            {
                "tariffs": [write.tariff(tariff) for tariff in imported.tariffs],
                "groups": {name: write.factor(factor) for name, factor in imported.groups.items()},
                "left": [{"table": left.table, "entry": left.entry, "reason": left.reason} for left in imported.left],
                "stored": store,
            }
        )
        return
    output.line(f"{len(imported.tariffs)} tariffs and {len(imported.groups)} groups carried over.")
    output.line("They are stored." if store else "Nothing is stored yet; to store them, add --store.")
    output.table(("left behind", "table", "why"), [(left.entry, left.table, left.reason) for left in imported.left])


@tariffs.command()
def explain(
    model: Model,
    *,
    input_tokens: Annotated[
        int | None, typer.Option(min=0, max=explaining.MOST, help="Tokens of the prompt (default: 1000).")
    ] = None,
    output_tokens: Annotated[
        int | None, typer.Option(min=0, max=explaining.MOST, help="Tokens of the answer (default: 500).")
    ] = None,
    images: Annotated[int, typer.Option(min=0, max=explaining.MOST, help="Images made.")] = 0,
    size: Annotated[str | None, typer.Option(help="Their size, such as 1024x1024.")] = None,
    quality: Annotated[str | None, typer.Option(help="Their quality, such as hd.")] = None,
    seconds: Annotated[int, typer.Option(min=0, max=explaining.MOST, help="Seconds of audio or video.")] = 0,
    characters: Annotated[int, typer.Option(min=0, max=explaining.MOST, help="Characters of speech text.")] = 0,
    tasks: Annotated[int, typer.Option(min=0, max=explaining.MOST, help="Songs, videos and the like.")] = 0,
    megapixel_steps: Annotated[
        int, typer.Option(min=0, max=explaining.MOST, help="Images x steps x megapixels of a diffusion model.")
    ] = 0,
    group: Annotated[str, typer.Option(help="Customer group of the account.")] = DEFAULT_GROUP,
    at: Annotated[str | None, typer.Option(help="When the call begins (default: now), 2026-11-22T09:00+08:00.")] = None,
    provider: Provider = "openai",
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Work out what a call would cost: its lines, the multiplier, the rounding, and what is held before it.

    A call that is counted in other units has no tokens unless they are named.
    """
    found = prices.found(model, provider, config, data)
    moment = instant(at)
    made = (ImageCount(size, quality, images),) if images else ()
    units = Usage(seconds=seconds, characters=characters, images=made, tasks=tasks, megapixel_steps=megapixel_steps)
    usage = explaining.used(units, input_tokens, output_tokens)
    asked = explaining.Asked(model, usage, group, time.time() if moment is None else moment)
    document = explaining.worked(found.book, asked)
    if not found.serves:
        document["source"] = LIST
    if as_json:
        output.document(document)
        return
    output.table(LINE_COLUMNS, [cells(line, LINE_COLUMNS) for line in document["lines"]])
    output.table(("model", model), explaining.summary(document))


def _store(imported: Imported, config: Path | None, data: Path | None) -> None:
    async def work(at: Desk, owned: Owned) -> list[Any]:
        made = [await prices.store_tariff(at, write.tariff(tariff), owned) for tariff in imported.tariffs]
        return made + [
            await prices.store_group(at, name, write.factor(factor), owned) for name, factor in imported.groups.items()
        ]

    prices.change(config, data, work)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _documents(text: str) -> list[dict[str, Any]]:
    """The tariffs of an argument: JSON, or the path of a file with JSON or `[[tariffs]]`. Raises `BadParameter`."""
    file = None if text.lstrip().startswith(("{", "[")) else Path(text)
    if file is not None and not file.is_file():
        raise typer.BadParameter(f"{text!r} is no file; for a model, name prices: --input 2.5 --output 10")
    try:
        written = text if file is None else file.read_text(encoding="utf-8")
        toml = file is not None and file.suffix == ".toml"
        found = tomllib.loads(written).get("tariffs", []) if toml else json.loads(written)
    except ValueError as error:
        raise typer.BadParameter(f"{file or 'the tariff'}: {error}") from error
    documents = found if isinstance(found, list) else [found]
    if not documents or not all(isinstance(each, dict) for each in documents):
        raise typer.BadParameter(f"{file or 'the argument'} has no tariff")
    return cast("list[dict[str, Any]]", documents)


def _state(document: dict[str, Any]) -> str:
    if document["source"] == LIST:
        return "list price, not served"
    return f"{document['source']}, in force" if document["in_force"] else f"{document['source']}, not in force"


def _prices(document: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Window, tier, bucket or unit, price."""
    found = []
    for sheet in (document, *document.get("windows", ())):
        window = sheet.get("name", "")
        for tier in sheet["sell"].get("tiers", [sheet["sell"]]):
            size = f"up to {tier['up_to']} input tokens" if "up_to" in tier else "any size"
            found += [(window, size, name, price) for name, price in tier.items() if isinstance(price, str)]
    return found
