"""Converts the vendors' list prices of the package genai-prices (MIT) into `src/polyrelay/config/prices/*.json`.

    uv run --with genai-prices tools/convert_prices.py [--out FOLDER] [--date YYYY-MM-DD]

Prints what was left out and why. What cannot be said exactly is left out rather than guessed:

* a name that is only a pattern (contains, ends with, a regular expression); a prefix counts as a name, and the seed's
  reader strips a snapshot date from the name it looks for;
* a price for what the relay does not count (web searches, pages, ...), and variants of a price (batch, priority);
* a model whose prices are all zero: only an operator gives a model away.
"""

import argparse
import datetime as dt
import importlib.metadata
import json
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from genai_prices import data, types

PACKAGE = "genai-prices"
OUT = Path(__file__).parent.parent / "src" / "polyrelay" / "config" / "prices"

BUCKETS = {
    "input_mtok": "input_text",
    "cache_read_mtok": "cached_read",
    "cache_write_mtok": "cache_write_5m",
    "cache_write_5m_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "input_audio",
    "input_image_mtok": "input_image",
    "input_video_mtok": "input_video",
    "output_mtok": "output_text",
    "output_reasoning_mtok": "reasoning",
    "output_audio_mtok": "output_audio",
    "output_image_mtok": "output_image",
}
"""Their price key, our bucket. Both are per million tokens; a later key wins over an earlier one of the same bucket."""

UNITS = {
    "requests_kcount": ("per_request", 1000),
    "audio_hours": ("per_second", 3600),
    "input_audio_hours": ("per_second", 3600),
    "input_mchars": ("per_character", 1_000_000),
}
"""Their price key, our key, and how many of our units theirs is."""

TOKEN_DIGITS = 12
UNIT_DIGITS = 18
SKIPPED_PROVIDERS = re.compile(r"huggingface_.*|github-copilot|cursor|typesafe|openai-decisions")
"""Brokers that pass on another listed provider's price, and subscriptions, whose token prices nobody pays."""

NAME = re.compile(r"[A-Za-z0-9@][A-Za-z0-9._:/@+-]*")


class Report:
    """Counts what was left out, by reason."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()

    def leave(self, reason: str) -> None:
        """One thing was left out."""
        self.reasons[reason] += 1


def names(match: Any, report: Report) -> Iterator[str]:
    """The exact names in a match clause, prefixes included."""
    if isinstance(match, types.ClauseEquals):
        yield match.equals
    elif isinstance(match, types.ClauseStartsWith):
        yield match.starts_with.rstrip("-@.:")
    elif isinstance(match, types.ClauseOr):
        for each in match.or_:
            yield from names(each, report)
    else:
        report.leave(f"name pattern {type(match).__name__}")


def text(value: Decimal | Fraction, places: int) -> str:
    """A price as a decimal string; one with more than `places` digits after the point is rounded half to even."""
    scaled = round(Fraction(value) * 10**places)
    digits = str(scaled).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}".rstrip("0").rstrip(".")


def at(price: Any, tokens: int) -> Decimal:
    """The rate for a call of `tokens` input tokens: a tier begins above its start."""
    if not isinstance(price, types.TieredPrices):
        return Decimal(price)
    rate: Decimal = price.base
    for tier in price.tiers:
        if tokens > tier.start:
            rate = tier.price
    return rate


def sheet(prices: Any, report: Report) -> dict[str, Any] | None:
    """Our price sheet; None when nothing of it can be used."""
    stated = {key: value for key, value in vars(prices).items() if value is not None}
    for key in stated:
        if key not in BUCKETS and key not in UNITS:
            report.leave(f"price key {key}")
    rates = {BUCKETS[key]: stated[key] for key in BUCKETS if key in stated}
    if rates and "input_text" not in rates:
        report.leave("token prices without one for input")
        rates = {}
    starts = sorted(
        {tier.start for rate in rates.values() if isinstance(rate, types.TieredPrices) for tier in rate.tiers}
    )
    edges: list[int | None] = [*starts, None]
    tiers = [_tier(rates, edge, (starts[-1] + 1) if edge is None and starts else edge or 0) for edge in edges if rates]
    found: dict[str, Any] = tiers[0] if len(tiers) == 1 else {"tiers": tiers} if tiers else {}
    for key, (ours, units) in UNITS.items():
        if key in stated and not isinstance(stated[key], types.TieredPrices):
            found[ours] = text(Fraction(stated[key]) / units, UNIT_DIGITS)
    return found if _costs_something(found) else None


def _tier(rates: dict[str, Any], edge: int | None, tokens: int) -> dict[str, Any]:
    tier = {bucket: text(at(rate, tokens), TOKEN_DIGITS) for bucket, rate in rates.items()}
    return tier if edge is None else {"up_to": edge, **tier}


def _costs_something(found: dict[str, Any]) -> bool:
    tiers = found.get("tiers", [found])
    return any(price != "0" for tier in tiers for key, price in tier.items() if key not in ("up_to", "tiers"))


def periods(model: Any, report: Report) -> list[dict[str, Any]]:
    """The model's prices by period. Theirs is a list of conditions of which the last that is met counts."""
    prices = model.prices if isinstance(model.prices, list) else [types.ConditionalPrice(prices=model.prices)]
    days = [each.constraint.start_date for each in prices if isinstance(each.constraint, types.StartDateConstraint)]
    begins: list[dt.date | None] = [None, *sorted(set(days))]
    found: list[dict[str, Any]] = []
    for begin, end in zip(begins, [*begins[1:], None], strict=True):
        made = _period(prices, begin, report)
        if made is None:
            report.leave("a model's period without a usable price")
            continue
        dates = {"from": begin and begin.isoformat(), "to": end and end.isoformat()}
        found.append({**{key: day for key, day in dates.items() if day}, **made})
    return found


def _period(prices: list[Any], begin: dt.date | None, report: Report) -> dict[str, Any] | None:
    usual, windows = None, []
    for each in prices:
        limit = each.constraint
        if isinstance(limit, types.TimeOfDateConstraint):
            windows.append(each)
        elif limit is None or (begin is not None and limit.start_date <= begin):
            usual, windows = each, []
    sell = usual and sheet(usual.prices, report)
    if not sell:
        return None
    made: dict[str, Any] = {"sell": sell}
    if windows:
        made["windows"] = [
            {"start": f"{_utc(each.constraint.start_time)}", "end": _utc(each.constraint.end_time), "sell": own}
            for each in windows
            if (own := sheet(each.prices, report))
        ]
    return made


def _utc(clock: dt.time) -> str:
    if clock.utcoffset() not in (None, dt.timedelta(0)):
        raise SystemExit(f"a window in another zone than UTC: {clock}")
    return clock.strftime("%H:%M")


def provider(entry: Any, report: Report) -> list[dict[str, Any]]:
    """The provider's models. A name that several claim belongs to the first, as theirs are matched in order."""
    taken: set[str] = set()
    models: list[dict[str, Any]] = []
    for model in entry.models:
        claimed = [model.id, *names(model.match, report)]
        own = [name for name in dict.fromkeys(claimed) if NAME.fullmatch(name) and name not in taken]
        prices = periods(model, report)
        if own and prices:
            taken.update(own)
            context = {"context": model.context_window} if model.context_window else {}
            models.append({"names": own, **context, "prices": prices})
    return models


def main() -> None:
    """Write one file per provider and print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--date", default=dt.datetime.now(dt.UTC).date().isoformat())
    arguments = parser.parse_args()
    report = Report()
    arguments.out.mkdir(parents=True, exist_ok=True)
    version = importlib.metadata.version(PACKAGE)
    source = {"package": PACKAGE, "version": version, "licence": "MIT", "converted": arguments.date, "currency": "USD"}
    for entry in data.providers:
        models = [] if SKIPPED_PROVIDERS.fullmatch(entry.id) else provider(entry, report)
        if not models:
            report.leave("a provider that is skipped or empty")
            continue
        lines = ",\n".join(json.dumps(model, ensure_ascii=True, separators=(",", ":")) for model in models)
        head = json.dumps({"source": source, "provider": entry.id})[:-1]
        (arguments.out / f"{entry.id}.json").write_text(f'{head}, "models": [\n{lines}\n]}}\n', encoding="utf-8")
        print(f"{entry.id}: {len(models)} of {len(entry.models)} models")
    for reason, count in report.reasons.most_common():
        print(f"left out: {count} x {reason}")


if __name__ == "__main__":
    main()
