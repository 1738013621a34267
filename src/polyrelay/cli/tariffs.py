"""`polyrelay tariffs`: what models cost."""

import json
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from polyrelay.cli import options, output
from polyrelay.config import tariffs as sources
from polyrelay.config.tariffs import Served
from polyrelay.kernel.errors import ConfigurationError, PolyrelayError
from polyrelay.metering import ratios, write
from polyrelay.metering.sheet import BadTariff

tariffs = typer.Typer(no_args_is_help=True, help="Look at list prices, and carry price tables over.")


class NoTariffError(PolyrelayError):
    """No shipped list prices the model; the message says where was looked."""


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
    model: Annotated[str, typer.Argument(help="The model as the vendor names it.")],
    *,
    provider: Annotated[str, typer.Option(help="Whose list to look in first.")] = "openai",
    as_json: options.Json = False,
) -> None:
    """Show the list price of a model: rates per million tokens in USD, with tiers, dates and times of day."""
    found = sources.seeds([Served(model, provider, model)])
    if not found:
        raise NoTariffError(f"no shipped list prices {model!r}; see: polyrelay tariffs providers")
    if as_json:
        output.document([write.tariff(tariff) for tariff in found])
        return
    rows = [
        (str(document.get("from", "always")), tier, bucket, price)
        for document in map(write.tariff, found)
        for tier, bucket, price in _prices(cast("dict[str, Any]", document["sell"]))
    ]
    output.table(("from", "size", "bucket", "USD per million tokens, or per unit"), rows)


@tariffs.command("import")
def import_(
    tables: Annotated[Path, typer.Argument(help="JSON of new-api's or one-api's ratio tables.")],
    *,
    as_json: options.Json = False,
) -> None:
    """Convert ratio tables (500 000 quota are 1 USD) into tariffs, and report what could not be carried over."""
    try:
        document = json.loads(tables.read_text(encoding="utf-8"), parse_float=str)
        imported = ratios.convert(document)
    except (OSError, ValueError, BadTariff) as error:
        raise ConfigurationError(f"{tables}: {error}") from error
    if as_json:
        output.document(
            {
                "tariffs": [write.tariff(tariff) for tariff in imported.tariffs],
                "groups": {name: write.factor(factor) for name, factor in imported.groups.items()},
                "left": [{"table": left.table, "entry": left.entry, "reason": left.reason} for left in imported.left],
            }
        )
        return
    output.line(f"{len(imported.tariffs)} tariffs and {len(imported.groups)} groups carried over.")
    output.table(("left behind", "table", "why"), [(left.entry, left.table, left.reason) for left in imported.left])


def _prices(sell: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Tier, bucket or unit, price."""
    found = []
    for tier in sell.get("tiers", [sell]):
        size = f"up to {tier['up_to']} input tokens" if "up_to" in tier else "any size"
        found += [(size, name, price) for name, price in tier.items() if isinstance(price, str)]
    return found
