"""`polyrelay tariffs` as a process: list prices, and ratio tables carried over."""

import json
import subprocess
import sys
from pathlib import Path

from support.processes import polyrelay


def test_a_models_list_price_is_shown_with_its_buckets() -> None:
    (tariff,) = polyrelay("tariffs", "show", "gpt-4o")
    assert tariff["model"] == "gpt-4o"
    assert {"input_text", "output_text", "cached_read"} <= set(tariff["sell"])
    assert all(isinstance(price, str) for price in tariff["sell"].values())


def test_providers_are_listed_with_how_many_models_they_have() -> None:
    found = {row["provider"]: row["models"] for row in polyrelay("tariffs", "providers")}
    assert found["openai"] > 10
    assert found["anthropic"] > 10


def test_an_unlisted_model_is_an_error_that_says_where_to_look() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "polyrelay", "tariffs", "show", "no-such-model"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "polyrelay tariffs providers" in done.stderr


def test_ratio_tables_become_tariffs_and_the_rest_is_reported(tmp_path: Path) -> None:
    tables = tmp_path / "ratios.json"
    tables.write_text(
        json.dumps(
            {"ModelRatio": {"m": 1.25}, "CompletionRatio": {"m": 4}, "GroupRatio": {"vip": 0.8}, "Unknown": {"x": 1}}
        )
    )
    found = polyrelay("tariffs", "import", str(tables))
    (tariff,) = found["tariffs"]
    # 1.25 x 2 USD per million in (500 000 quota are 1 USD), four times that out.
    assert (tariff["sell"]["input_text"], tariff["sell"]["output_text"]) == ("2.5", "10")
    assert found["groups"] == {"vip": "0.8"}
    assert [left["table"] for left in found["left"]] == ["Unknown"]


def test_a_file_that_is_no_table_is_a_wrong_configuration(tmp_path: Path) -> None:
    tables = tmp_path / "ratios.json"
    tables.write_text("{")
    done = subprocess.run(
        [sys.executable, "-m", "polyrelay", "tariffs", "import", str(tables)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 3
    assert "ratios.json" in done.stderr
