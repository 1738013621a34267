"""`polyrelay tariffs` as a process: list prices, and ratio tables carried over."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.processes import polyrelay

FILE = """
[[channels]]
name = "main"
provider = "openai_compatible"
base_url = "https://api.example.com/v1"
credentials = [{ env = "NOT_SET_IN_THIS_SHELL" }]
models = ["fast", "gpt-4o"]

[[tariffs]]
model = "fast"
sell = { input_text = "0.15", output_text = "0.60" }

[groups]
vip = "0.8"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a configuration whose data lies beside it."""
    (tmp_path / "polyrelay.toml").write_text(FILE)
    return tmp_path


def refused(folder: Path, *words: str) -> str:
    """What a command that fails with 1 says."""
    done = subprocess.run(
        [sys.executable, "-m", "polyrelay", *words], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (1, ""), done
    return done.stderr


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


def test_the_api_wins_over_the_list_until_it_is_retired_and_never_over_the_file(folder: Path) -> None:
    def sources(model: str) -> list[tuple[str, bool]]:
        return [(each["source"], each["in_force"]) for each in polyrelay("tariffs", "show", model, cwd=folder)]

    assert sources("gpt-4o") == [("seed", True)]
    assert not (folder / "polyrelay-data").exists()
    dated = ("--input", "3", "--output", "11", "--from", "2026-01-01", "--max-output", "1000")
    (made,) = polyrelay("tariffs", "set", "gpt-4o", *dated, cwd=folder)
    assert (made["owner"], made["version"], made["document"]["sell"]["output_text"]) == ("api", "2026-01-01", "11")
    assert sources("gpt-4o") == [("api", True), ("seed", False)]
    assert "in force at the same time" in refused(folder, "tariffs", "set", "gpt-4o", "--input", "4", "--version", "2")
    polyrelay("tariffs", "retire", "gpt-4o", "2026-01-01", cwd=folder)
    assert sources("gpt-4o") == [("seed", True)]
    assert "owned by polyrelay.toml" in refused(folder, "tariffs", "set", "fast", "--input", "3")
    assert sources("fast") == [("file", True)]


def test_a_tariff_is_set_from_json_and_from_a_file(folder: Path) -> None:
    written = folder / "more.toml"
    written.write_text('[[tariffs]]\nmodel = "a"\nsell = { per_request = "0.01" }\n')
    for tariff in (str(written), '{"model": "b", "sell": {"input_text": "1", "output_text": "2"}}'):
        (made,) = polyrelay("tariffs", "set", tariff, cwd=folder)
        (shown,) = polyrelay("tariffs", "show", made["model"], cwd=folder)
        assert (shown["source"], shown["sell"]) == ("api", made["document"]["sell"])


def test_imported_tables_are_stored_altogether_or_not_at_all(folder: Path) -> None:
    tables = folder / "ratios.json"
    groups = {"default": 1, "vip": 0.8, "bulk": 0.5}
    tables.write_text(json.dumps({"ModelPrice": {"m": 0.1}, "GroupRatio": groups}))
    assert polyrelay("tariffs", "import", str(tables), cwd=folder)["stored"] is False
    assert not (folder / "polyrelay-data").exists()
    assert polyrelay("tariffs", "import", str(tables), "--store", cwd=folder)["stored"] is True
    (shown,) = polyrelay("tariffs", "show", "m", cwd=folder)
    assert (shown["source"], shown["groups"]) == ("api", {"default": "1", "vip": "0.8", "bulk": "0.5"})
    tables.write_text(json.dumps({"ModelPrice": {"n": 0.1}, "GroupRatio": {"bulk": 0.4, "vip": 0.7}}))
    assert "'vip' is owned by" in refused(folder, "tariffs", "import", str(tables), "--store")
    refused(folder, "tariffs", "show", "n")
    assert polyrelay("tariffs", "show", "m", cwd=folder)[0]["groups"]["bulk"] == "0.5"


def test_a_call_is_worked_out_with_its_hold(folder: Path) -> None:
    call = ("--input-tokens", "1001", "--output-tokens", "500", "--group", "vip", "--at", "2026-05-01")
    found = polyrelay("tariffs", "explain", "fast", *call, cwd=folder)
    assert [(line["bucket"], line["quantity"], line["amount"]) for line in found["lines"]] == [
        ("input_text", 1001, "0.00012012"),
        ("output_text", 500, "0.00024"),
    ]
    assert (found["multiplier"], found["exact"], found["amount"]) == ("0.8", "0.00036012", "0.000360120")
    assert (found["tariff"], found["version"], found["source"]) == ("fast", "1", "file")
    # (4 x 1001 bytes + 128 of overhead) x 0.15 and 500 x 0.60 per million, times 0.8.
    assert (found["hold"]["amount"], found["hold"]["max_output"]) == ("0.000735840", 500)
    assert "no multiplier" in refused(folder, "tariffs", "explain", "fast", "--group", "none")


def test_a_call_that_is_counted_in_images_is_worked_out_too(folder: Path) -> None:
    polyrelay("tariffs", "set", '{"model": "sd", "sell": {"per_megapixel_step": "0.0002"}}', cwd=folder)
    found = polyrelay(
        "tariffs", "explain", "sd", "--images", "2", "--size", "512x512", "--megapixel-steps", "11", cwd=folder
    )
    assert [(line["bucket"], line["quantity"]) for line in found["lines"]] == [("megapixel_steps", 11)]
    assert (found["amount"], found["hold"]["amount"]) == ("0.002200000", "0.002200000")


def test_a_key_is_made_in_a_project_that_exists_with_tags(folder: Path) -> None:
    polyrelay("accounts", "create", "acme", cwd=folder)
    in_project = ("keys", "create", "--account", "acme", "--project", "web")
    assert "polyrelay projects create acme web" in refused(folder, *in_project)
    polyrelay("projects", "create", "acme", "web", cwd=folder)
    polyrelay(*in_project, "--tag", "a", "--tag", "b", cwd=folder)
    (key,) = polyrelay("keys", "list", cwd=folder)
    assert (key["account"], key["project"], key["tags"]) == ("acme", "web", ["a", "b"])


def test_an_accounts_id_never_becomes_a_name(folder: Path) -> None:
    account = polyrelay("accounts", "create", "acme", cwd=folder)["id"]
    assert polyrelay("keys", "create", "--account", account, cwd=folder)["account"] == "acme"
    assert "no account 'acc_0'" in refused(folder, "keys", "create", "--account", "acc_0")
    assert len(polyrelay("accounts", "list", cwd=folder)["data"]) == 1
