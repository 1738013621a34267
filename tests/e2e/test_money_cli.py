"""The commands about money as an operator meets them, beside a relay that runs."""

import csv
import io
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.commands import Done, command, document
from support.processes import RelayProcess, Vendor, channel, relay, until

ACCOUNT = "test"
TARIFF = """
[[tariffs]]
model = "m"
sell = { input_text = "1", output_text = "2" }
cost = { input_text = "0.5", output_text = "1" }
maxima = { context = 1000, output = 100 }
"""


@contextmanager
def trading(sandbox: Vendor, folder: Path, times: int) -> Iterator[RelayProcess]:
    """A relay that has answered so many times; its exchanges are in the books."""
    sandbox.clear()
    with relay(folder, channel("main", sandbox.base_url, '"m"') + TARIFF) as process:
        for _ in range(times):
            assert process.ask().status_code == 200
        until(lambda: len(tell(process, "charges", "list")["data"]) == times, 30)
        yield process


@pytest.fixture(scope="module")
def served(sandbox: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    """Nobody changes its books."""
    with trading(sandbox, tmp_path_factory.mktemp("money"), 3) as process:
        yield process


@pytest.fixture
def changing(sandbox: Vendor, tmp_path: Path) -> Iterator[RelayProcess]:
    """For one test, which may change its books."""
    with trading(sandbox, tmp_path, 1) as process:
        yield process


def tell(process: RelayProcess, *words: str) -> Any:
    return document(*words, "--config", str(process.config))


def ask(process: RelayProcess, *words: str) -> Done:
    return command(*words, "--config", str(process.config))


def test_the_books_are_right_while_the_relay_runs(served: RelayProcess) -> None:
    found = tell(served, "ledger", "audit")
    assert (found["clean"], found["offences"]) == (True, [])
    assert (found["checked"]["exchanges"], found["checked"]["journals"]) == (3, 1)
    assert len(found["unposted"]) == 1
    plain = ask(served, "ledger", "audit")
    assert (plain.code, "The books are right" in plain.out) == (0, True)


def test_a_charge_is_explained(served: RelayProcess) -> None:
    newest, *_ = tell(served, "charges", "list", "--limit", "1", "--account", ACCOUNT, "--model", "m")["data"]
    explained = tell(served, "charges", "explain", newest["id"])
    assert explained == newest
    assert {line["bucket"] for line in explained["lines"]} == {"input_text", "output_text"}
    table = ask(served, "charges", "explain", newest["id"]).out
    assert all(word in table for word in (newest["id"], "input_text", "multiplier", newest["amount"], "half to even"))
    missing = ask(served, "charges", "explain", "px_none")
    assert (missing.code, missing.out) == (1, "")


def test_pages_of_charges_join(served: RelayProcess) -> None:
    seen, after = [], None
    for _ in range(3):
        page = tell(served, "charges", "list", "--limit", "1", *(("--after", after) if after else ()))
        seen += [each["id"] for each in page["data"]]
        after = page["next"]
    assert after is None
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 3


def test_usage_deductions_and_statement_agree(served: RelayProcess) -> None:
    charged = sum(_nanos(each["amount"]) for each in tell(served, "charges", "list")["data"])
    (total,) = tell(served, "usage", "--by", "account", "--account", ACCOUNT)["data"]
    assert (_nanos(total["amount"]), total["requests"]) == (charged, 3)
    assert sum(_nanos(each["amount"]) for each in tell(served, "charges", "deductions", ACCOUNT)["data"]) == charged
    statement = tell(served, "ledger", "statement", ACCOUNT)
    assert -_nanos(statement["totals"]["charge"]) == charged
    assert _nanos(statement["closing"]) == 1000 * 10**9 - charged + _nanos(statement["opening"])
    rows = list(csv.DictReader(io.StringIO(ask(served, "ledger", "statement", ACCOUNT, "--csv").out)))
    assert (rows[0]["kind"], rows[-1]["kind"], rows[-1]["balance"]) == ("opening", "closing", statement["closing"])
    by_day = list(csv.DictReader(io.StringIO(ask(served, "usage", "--by", "day", "--csv").out)))
    assert [(row["requests"], row["amount"]) for row in by_day] == [("3", total["amount"])]


def test_a_refund_is_given_once(changing: RelayProcess) -> None:
    charge = tell(changing, "charges", "list", "--limit", "1")["data"][0]
    words = ("ledger", "refund", charge["id"], "0.000001", "--reason", "sorry", "--idempotency-key", "one")
    first, again = tell(changing, *words), tell(changing, *words)
    assert first["transfer"]["id"] == again["transfer"]["id"]
    too_much = ask(changing, "ledger", "refund", charge["id"], charge["amount"], "--reason", "again")
    assert (too_much.code, "given" in too_much.err) == (1, True)
    assert tell(changing, "ledger", "audit")["clean"]


def test_an_exhausted_budget_is_refused_at_the_next_request(changing: RelayProcess) -> None:
    """The relay learns of it by the generation number, before it looks at the next request."""
    made = tell(changing, "accounts", "budget", ACCOUNT, "--period", "day", "--amount", "0")
    assert made["amount"] == "0.000000000"
    refused = changing.ask()
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "insufficient_quota")
    assert tell(changing, "accounts", "budget", ACCOUNT, "--period", "day", "--remove") == {"removed": True}
    assert changing.ask().status_code == 200


# ── without a relay ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def data(tmp_path: Path) -> tuple[str, str]:
    return ("--data", str(tmp_path / "data"))


def test_an_account_from_its_beginning(data: tuple[str, str]) -> None:
    made = document("accounts", "create", "acme", "--zone", "Asia/Shanghai", "--overdraft", "1", "--rpm", "60", *data)
    assert (made["zone"], made["limits"]["requests_per_minute"]) == ("Asia/Shanghai", 60)
    paid = document("topup", "acme", "12.5", "--reason", "invoice", "--idempotency-key", "a", *data)
    assert paid == document("topup", "acme", "12.5", "--reason", "invoice", "--idempotency-key", "a", *data)
    assert command("topup", "acme", "13", "--idempotency-key", "a", *data).code == 1
    given = document("topup", made["id"], "5", "--promotion", "--expires", "2999-12-31", *data)
    assert given["balance"]["promotions"] == [{"left": "5.000000000", "expires_at": "2999-12-31T16:00:00.000Z"}]
    assert document("ledger", "adjust", "acme", "-0.5", "--reason", "wrong", *data)["balance"]["own"] == "17.000000000"

    changed = document("accounts", "set", "acme", "--name", "Acme", "--hold-policy", "strict", "--disable", *data)
    assert (changed["name"], changed["hold_policy"], changed["disabled"]) == ("Acme", "strict", True)
    assert changed["limits"]["requests_per_minute"] == 60
    project = document("projects", "create", "Acme", "web", *data)
    assert document("projects", "set", project["id"], "--tpm", "9", *data)["limits"]["tokens_per_minute"] == 9
    assert [each["id"] for each in document("projects", "list", "Acme", *data)["data"]] == [project["id"]]
    for amount in ("50", "40"):
        document("accounts", "budget", project["id"], "--period", "month", "--amount", amount, *data)
    shown = document("accounts", "show", "Acme", *data)
    assert shown["balance"]["available"] == "18.000000000"
    (state,) = shown["budgets"]
    assert (state["budget"]["scope"], state["remaining"]) == ("project", "40.000000000")
    assert [each["name"] for each in document("accounts", "list", *data)["data"]] == ["Acme"]
    found = document("ledger", "statement", "Acme", *data)
    assert [(line["kind"], line["amount"]) for line in found["lines"]] == [
        ("topup", "12.500000000"), ("promotion", "5.000000000"), ("adjustment", "-0.500000000"),
    ]  # fmt: skip
    assert document("ledger", "audit", *data)["clean"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("topup", "nobody", "1"), 1, "no account 'nobody'"),
        (("topup", "nobody", "1.0000000001"), 2, "digits after the point"),
        (("topup", "nobody", "1", "--promotion"), 2, "--promotion and --expires"),
        (("accounts", "create", "x", "--zone", "Nowhere/City"), 2, "is not a time zone"),
        (("accounts", "create", "x", "--group", "gold"), 1, "Invalid|customer group 'gold'"),
        (("accounts", "set", "x"), 2, "say what to change"),
        (("accounts", "budget", "x", "--period", "day"), 2, "--amount and --remove"),
        (("accounts", "budget", "key_1", "--period", "day", "--amount", "1"), 1, "no key 'key_1'"),
        (("ledger", "statement", "x", "--csv", "--json"), 2, "--csv and --json"),
        (("charges", "list", "--since", "yesterday"), 2, "neither a day nor an instant"),
    ],
)
def test_what_cannot_be_done(tmp_path: Path, words: tuple[str, ...], code: int, says: str) -> None:
    done = command(*words, "--data", str(tmp_path / "data"))
    assert (done.code, done.out) == (code, "")
    assert any(word in " ".join(done.err.replace("│", " ").split()) for word in says.split("|")), done.err


def _nanos(amount: str) -> int:
    whole, _, fraction = amount.lstrip("-").partition(".")
    return int(whole + fraction.ljust(9, "0")) * (-1 if amount.startswith("-") else 1)


def test_corrupted_books_end_with_exit_code_one(tmp_path: Path, data: tuple[str, str]) -> None:
    document("accounts", "create", "acme", *data)
    document("topup", "acme", "1", *data)
    with sqlite3.connect(tmp_path / "data" / "polyrelay.db") as vandal:
        vandal.execute("UPDATE pots SET granted = granted + 1, ceiling = ceiling + 1")
    vandal.close()
    plain = command("ledger", "audit", *data)
    assert (plain.code, "NOT right" in plain.out) == (1, True)
    started = [sys.executable, "-m", "polyrelay", "ledger", "audit", "--json", *data]
    said = subprocess.run(started, capture_output=True, text=True, timeout=60, check=False)
    (offence,) = json.loads(said.stdout)["offences"]
    assert (said.returncode, offence["rule"]) == (1, "pot")
