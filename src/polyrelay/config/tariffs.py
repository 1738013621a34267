"""Tariffs from where they are written down: the operator's TOML, and the price lists shipped with polyrelay.

The shipped lists (`prices/*.json`, made by `tools/convert_prices.py`) are the vendors' public prices in USD, one file
for each provider. They become seed tariffs for the models that are actually served, and are read only for those.
"""

import functools
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from polyrelay.kernel import errors
from polyrelay.metering import read
from polyrelay.metering.sheet import BadTariff, Factor
from polyrelay.metering.tariff import Source, Tariff

_PRICES = resources.files("polyrelay.config") / "prices"
_SNAPSHOT = re.compile(r"[-@](?:\d{8}|\d{4}-\d{2}-\d{2}|00\d|latest)$")
"""The dated part of a model's name: `-20250514`, `-2024-08-06`, `@20250514`, `-001`, `-latest`."""

ORIGINS = (
    "openai",
    "anthropic",
    "google",
    "deepseek",
    "mistral",
    "x-ai",
    "moonshotai",
    "zai",
    "zhipuai",
    "minimax",
    "cohere",
    "perplexity",
    "voyageai",
    "meta",
    "elevenlabs",
)
"""Whose list is asked for a model of a provider without one (a reseller that speaks OpenAI's protocol)."""


@dataclass(frozen=True, slots=True)
class Served:
    """A model that some channel serves: `model` as clients say it, `upstream` as the `provider` says it."""

    model: str
    provider: str
    upstream: str


@dataclass(frozen=True, slots=True)
class Operator:
    """What the operator's file states: tariffs, and multipliers by customer group."""

    tariffs: tuple[Tariff, ...] = ()
    groups: Mapping[str, Factor] | None = None


# ── the operator's file ──────────────────────────────────────────────────────────────────────────────────────────


def load(path: Path) -> Operator:
    """The `[[tariffs]]` and `[groups]` of a TOML file. Raises `errors.ConfigurationError` naming file and key."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise errors.ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise errors.ConfigurationError(f"{path}: is not TOML: {error}") from error
    return operator(document, str(path))


def operator(document: Mapping[str, object], file: str) -> Operator:
    """The tariffs and groups in a parsed `file`; other keys are not looked at. Raises `errors.ConfigurationError`."""
    tables = document.get("tariffs", [])
    if not isinstance(tables, list):
        raise errors.ConfigurationError(f"{file}: tariffs: must be a list; write [[tariffs]] above each")
    try:
        tariffs = tuple(
            read.tariff(table, source=Source.FILE, zones=zone, path=f"tariffs[{position}]")
            for position, table in enumerate(tables)
        )
        return Operator(tariffs, read.factors(document.get("groups", {}), "groups"))
    except BadTariff as error:
        raise errors.ConfigurationError(f"{file}: {error}") from error


def zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name, from the machine's database. Raises `LookupError` or `ValueError`."""
    try:
        return ZoneInfo(name)
    except OSError as error:
        raise LookupError(name) from error


# ── the shipped price lists ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Entry:
    """One model of a price list. `prices` are documents of `read.tariff` without model, cost and maxima."""

    provider: str
    name: str
    version: str
    context: int | None
    prices: tuple[dict[str, Any], ...]


def seeds(served: Iterable[Served]) -> tuple[Tariff, ...]:
    """List prices for the served models that have any: sold at the price of the first channel that has a list, each
    provider's latest price as its cost. A model in no list gets no tariff.
    """
    found: dict[str, list[tuple[Served, _Entry]]] = {}
    for each in served:
        entry = _find(each)
        if entry is not None:
            found.setdefault(each.model, []).append((each, entry))
    return tuple(tariff for model, entries in found.items() for tariff in _seed(model, entries))


def listed(provider: str) -> tuple[str, ...]:
    """The model names in one provider's list, sorted; empty when there is none."""
    return tuple(sorted(_list(provider)))


def providers() -> tuple[str, ...]:
    """Whose lists are shipped, sorted."""
    return tuple(sorted(each.name.removesuffix(".json") for each in _PRICES.iterdir() if each.name.endswith(".json")))


def _seed(model: str, entries: list[tuple[Served, _Entry]]) -> Iterator[Tariff]:
    _, first = entries[0]
    costs = {
        each.provider: entry.prices[-1]["sell"]
        for each, entry in reversed(entries)
        if entry.provider == each.provider and entry is not first
    }
    for prices in first.prices:
        begins = prices.get("from")
        windows = [{**window, "costs": {first.provider: window["sell"]}} for window in prices.get("windows", ())]
        document = {
            **prices,
            "windows": windows,
            "model": model,
            "id": f"seed:{model}",
            "version": f"{first.provider}/{first.name}@{first.version}" + (f"+{begins}" if begins else ""),
            "costs": {first.provider: prices["sell"], **costs},
            "maxima": {"context": first.context},
        }
        yield read.tariff(document, source=Source.SEED, zones=zone, path=f"seed {model}")


def _find(served: Served) -> _Entry | None:
    own = _list(served.provider)
    lists = (own,) if own else map(_list, ORIGINS)
    name = served.upstream.lower()
    undated = _SNAPSHOT.sub("", name)
    return next((found for entries in lists if (found := entries.get(name) or entries.get(undated))), None)


@functools.cache
def _list(provider: str) -> dict[str, _Entry]:
    """One provider's entries by name in lower case; empty when no list is shipped for it."""
    file = _PRICES / f"{provider}.json"
    if not re.fullmatch(r"[a-z0-9_-]+", provider) or not file.is_file():
        return {}
    document = msgspec.json.decode(file.read_bytes())
    version = str(document["source"]["version"])
    entries: dict[str, _Entry] = {}
    for model in document["models"]:
        entry = _Entry(provider, model["names"][0], version, model.get("context"), tuple(model["prices"]))
        entries.update({name.lower(): entry for name in model["names"]})
    return entries
