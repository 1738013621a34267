"""What the database keeps is offered beside the file, and never stops a relay that the file alone would serve."""

import json
from pathlib import Path

import pytest

from polyrelay.config import load
from polyrelay.storage.administration.reading import Kept, KeptChannel
from polyrelay.telemetry.redact import Redactor
from polyrelay.wiring import offer

FILE = """
[[channels]]
name = "main"
provider = "sandbox"
base_url = "http://127.0.0.1:9/v1"
credentials = [{ value = "secret" }]
models = ["priced", "other"]

[[tariffs]]
model = "priced"
sell = { per_request = "0.01" }
"""


def tariff(model: str, price: str, version: str = "1") -> dict[str, object]:
    return {"model": model, "version": version, "sell": {"per_request": price}}


def made(
    folder: Path,
    *tariffs: dict[str, object],
    groups: dict[str, str] | None = None,
    channels: tuple[KeptChannel, ...] = (),
) -> offer.Offer:
    (folder / "polyrelay.toml").write_text(FILE)
    kept = Kept(1, tuple(json.loads(json.dumps(each)) for each in tariffs), groups or {}, channels)
    return offer.make(load.read(folder / "polyrelay.toml", {}), kept, Redactor())


def test_the_database_prices_what_the_file_does_not(tmp_path: Path) -> None:
    found = made(tmp_path, tariff("other", "0.02"), groups={"vip": "0.5"})
    assert set(found.book.models) == {"priced", "other"}
    assert found.book.quote("other", 0, "vip").multiplier != found.book.quote("other", 0).multiplier
    assert found.file_book.models == ("priced",)


@pytest.mark.parametrize(
    "kept",
    [
        [tariff("priced", "5")],
        [tariff("priced", "5", "2")],
        [tariff("other", "0.02"), tariff("other", "5", "2")],
    ],
)
def test_what_contradicts_is_left_out_and_the_rest_is_in_force(tmp_path: Path, kept: list[dict[str, object]]) -> None:
    found = made(tmp_path, *kept, tariff("third", "0.03"))
    assert found.book.find("priced", 0) == found.file_book.find("priced", 0)
    assert "third" in found.book.models


def test_a_kept_channel_serves_without_a_credential_where_its_vendor_needs_none(tmp_path: Path) -> None:
    terms = {"base_url": "http://127.0.0.1:9", "models": ["m"]}
    kept = tuple(KeptChannel(name, {"provider": name, **terms}, ()) for name in ("sdwebui", "openai", "nobody"))
    found = made(tmp_path, channels=kept)
    assert [channel.name for channel in found.snapshot.catalog.channels] == ["main", "sdwebui"]
