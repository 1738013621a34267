"""The command line: results on standard output, errors on standard error, exit codes as documented."""

import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from polyrelay.cli import init
from polyrelay.config import load
from polyrelay.storage.journaling.journal import Journal
from support.processes import Vendor, channel, http, make_key, polyrelay, running

COMMAND = [sys.executable, "-m", "polyrelay"]
TIMEOUT_SECONDS = 60


def command(cwd: Path, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def test_labels_that_could_forge_a_line_are_wrong_usage(tmp_path: Path) -> None:
    for option in ("--name", "--tag"):
        done = command(tmp_path, "keys", "create", "--account", "me", option, "a\nb")
        assert done.returncode == 2
        assert "printable" in done.stderr


# ── init and keys ────────────────────────────────────────────────────────────────────────────────────────────────


def test_init_makes_what_serve_finds(sandbox: Vendor, tmp_path: Path) -> None:
    """From another folder than the configuration's: its paths count from where it lies."""
    made = command(tmp_path, "init", "x")
    assert (made.returncode, made.stderr) == (0, "")
    config, data = tmp_path / "x/polyrelay.toml", tmp_path / "x/polyrelay-data"
    assert data.stat().st_mode & 0o777 == 0o700
    assert "Wrote x/polyrelay.toml" in made.stdout
    text = config.read_text().replace("https://api.openai.com/v1", sandbox.base_url)
    config.write_text(text.replace("port = 8080", "port = 0").replace('{ env = "MAIN_API_KEY" }', '{ file = "v.key" }'))
    (tmp_path / "x/v.key").write_text("sandbox-key\n")

    again = json.loads(command(tmp_path, "init", "x", "--json").stdout)
    assert (again["written"], again["secrets_created"]) == (False, False)
    assert sandbox.base_url in config.read_text()

    key = polyrelay("keys", "create", "--account", "me", "--config", "x/polyrelay.toml", cwd=tmp_path)["key"]
    polyrelay("topup", "me", "10", "--config", "x/polyrelay.toml", cwd=tmp_path)
    with running(tmp_path / "relay.log", "serve", "--config", str(config)) as process:
        assert process.said["data"] == str(data)
        answer = http.post(
            f"{process.said['url']}/v1/chat/completions",
            json={"model": "fast", "messages": [{"role": "user", "content": "hi"}]},
            headers={"authorization": f"Bearer {key}"},
        )
        assert answer.status_code == 200
    assert not (tmp_path / "polyrelay-data").exists()


def test_what_init_leaves_switched_off_is_right_too(tmp_path: Path) -> None:
    template = init.TEMPLATE
    assert template.count("\n#[") == 4
    switched_on = re.sub(r"^#(?! )", "", template, flags=re.MULTILINE)
    assert tomllib.loads(switched_on).keys() > tomllib.loads(template).keys()
    (tmp_path / "polyrelay.toml").write_text(switched_on)
    assert load.read(tmp_path / "polyrelay.toml", {}).operator.tariffs[0].model == "fast"


def test_keys_are_made_listed_and_revoked(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    terms = ("--name", "laptop", "--model", "gpt-*", "--network", "10.0.0.0/8", "--days", "1", "--rpm", "5")
    made = command(tmp_path, "keys", "create", "--account", "[bold]ann", *terms, *data)
    token = made.stdout.strip()
    assert re.fullmatch(r"pr-[\w-]{43}", token)
    assert made.stderr.startswith(f"Made {tmp_path}/data/secrets.toml. Back it up")
    assert made.stderr.count("\n") == 3
    assert "cannot be shown again" in made.stderr
    assert "has no money yet. To give it some: polyrelay topup '[bold]ann' 10\n" in made.stderr
    assert "[bold]ann" in made.stderr
    assert token not in made.stderr

    (listed,) = polyrelay("keys", "list", *data)
    assert (listed["account"], listed["name"], listed["status"]) == ("[bold]ann", "laptop", "active")
    assert (listed["models"], listed["networks"]) == (["gpt-*"], ["10.0.0.0/8"])
    limits = {"requests_per_minute": 5, "requests_per_day": None, "tokens_per_minute": None, "concurrency": None}
    assert listed["limits"] == limits
    assert listed["expires"] > listed["created"]

    shown = command(tmp_path, "keys", "list", *data).stdout
    assert listed["id"] in shown
    assert "[bold]ann" in shown
    assert token not in shown + json.dumps(listed)

    ended = command(tmp_path, "keys", "revoke", listed["id"], *data)
    assert ended.stdout == f"Key {listed['id']} of account [bold]ann is revoked.\n"
    assert polyrelay("keys", "list", *data)[0]["status"] == "revoked"


def test_keys_are_suspended_and_rotated(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    first = polyrelay("keys", "create", "--account", "ann", "--rpm", "5", *data)
    assert command(tmp_path, "keys", "disable", first["id"], *data).stdout.endswith("of account ann is disabled.\n")
    assert polyrelay("keys", "enable", first["id"], *data)["status"] == "active"
    polyrelay("topup", "ann", "1", *data)
    turned = command(tmp_path, "keys", "rotate", first["id"], "--overlap", "2", *data)
    assert re.fullmatch(r"pr-[\w-]{43}\n", turned.stdout)
    assert "no money" not in turned.stderr
    old, new = polyrelay("keys", "list", *data)
    assert (old["status"], new["status"], new["limits"]) == ("active", "active", first["limits"])
    left = datetime.fromisoformat(old["expires"]) - datetime.now(UTC)
    assert timedelta(hours=1, minutes=58) < left <= timedelta(hours=2)
    again = command(tmp_path, "keys", "rotate", first["id"], *data)
    assert (again.returncode, again.stdout) == (1, "")
    assert f"was replaced by {new['id']} already" in again.stderr


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────────────────────────

WRONG: dict[str, tuple[tuple[str, ...], int, str]] = {
    "unknown command": (("sevre",), 2, "No such command"),
    "unknown option": (("serve", "--prot", "1"), 2, "No such option"),
    "port out of range": (("serve", "--port", "70000"), 2, "65535"),
    "no days": (("keys", "create", "--account", "a", "--days", "nan"), 2, "--days"),
    "no file": (("serve", "--config", "missing.toml"), 3, "missing.toml: No such file"),
    "wrong file": (("serve", "--config", "wrong.toml"), 3, "wrong.toml:2: server.prot: unknown key; allowed: did you"),
    "wrong value": (
        ("keys", "list", "--config", "value.toml"),
        3,
        "value.toml:1: server.port: found 70000; allowed: 0",
    ),
    "no folder": (("init", "wrong.toml/x"), 3, "wrong.toml/x: Not a directory"),
    "no data folder": (("keys", "list", "--data", "wrong.toml/x"), 3, "wrong.toml/x"),
    "unknown key to disable": (("keys", "disable", "key_0", "--data", "data"), 1, "no key has the id 'key_0'"),
    "negative overlap": (("keys", "rotate", "key_0", "--overlap", "-1", "--data", "data"), 2, "--overlap"),
    "unknown key": (("keys", "revoke", "key_0", "--data", "data"), 1, "no key has the id 'key_0'"),
    "no network": (("keys", "create", "--account", "a", "--network", "home", "--data", "data"), 2, "not a network"),
    "no account": (("keys", "create", "--account", " ", "--data", "data"), 2, "--account"),
    "no model": (("keys", "create", "--account", "a", "--model", "", "--data", "data"), 2, "--model"),
    "negative limit": (("keys", "create", "--account", "a", "--rpm", "-1", "--data", "data"), 2, "--rpm"),
    "limit too large": (("keys", "create", "--account", "a", "--tpm", "9" * 23, "--data", "data"), 2, "--tpm"),
    "no certificate": (
        ("serve", "--config", "tls.toml"),
        3,
        "tls.toml:2: server.tls_certificate: file ",
    ),
    "no authorities": (
        ("serve", "--config", "authorities.toml"),
        3,
        "authorities.toml:5: channels[0].ca_file: file ",
    ),
    "no credential": (
        ("serve", "--config", "credential.toml"),
        3,
        "credential.toml:5: channels[0].credentials[0].file: file ",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_go_to_standard_error_with_their_code(name: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text("[server]\nprot = 1\n")
    (tmp_path / "value.toml").write_text("server.port = 70000\n")
    (tmp_path / "tls.toml").write_text('[server]\ntls_certificate = "c.pem"\ntls_key = "k.pem"\n')
    block = '[[channels]]\nname = "m"\nprovider = "openai"\nbase_url = "http://127.0.0.1:1/v1"\n'
    rest = 'models = ["m"]\ncredentials = [{ value = "v" }]\n'
    (tmp_path / "authorities.toml").write_text(f'{block}ca_file = "missing.pem"\n{rest}')
    (tmp_path / "credential.toml").write_text(f'{block}credentials = [{{ file = "missing" }}]\nmodels = ["m"]\n')
    arguments, code, message = WRONG[name]
    done = command(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_told(sandbox: Vendor, tmp_path: Path) -> None:
    port = sandbox.process.said["port"]
    done = command(tmp_path, "serve", "--port", str(port))
    assert done.returncode == 3
    assert f"cannot listen on 127.0.0.1 port {port}: " in done.stderr
    assert "--port" in done.stderr


@pytest.mark.parametrize("words", ["", "serve", "keys", "keys create", "tariffs", "tariffs show"])
def test_help_names_the_exit_codes(words: str, tmp_path: Path) -> None:
    assert "Exit codes: 0 done" in " ".join(command(tmp_path, *words.split(), "--help").stdout.split())


def test_help_tells_where_the_configuration_is_looked_for(tmp_path: Path) -> None:
    shown = command(tmp_path, "serve", "--help", env={"COLUMNS": "200"}).stdout
    assert "Configuration file (default: $POLYRELAY_CONFIG, else ./polyrelay.toml)." in shown


# ── doctor ───────────────────────────────────────────────────────────────────────────────────────────────────────


def doctor(folder: Path, config: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Exit code and findings by check."""
    (folder / "polyrelay.toml").write_text("[server]\nport = 0\n" + config)
    done = command(folder, "doctor", "--json")
    assert done.stderr == ""
    return done.returncode, {finding["check"]: finding for finding in json.loads(done.stdout)}


def test_doctor_finds_a_sound_relay_sound(sandbox: Vendor, tmp_path: Path) -> None:
    config = channel("main", sandbox.base_url, '"gpt-4o", "gift"') + gift()
    code, _ = doctor(tmp_path, config)
    make_key(tmp_path / "polyrelay.toml")
    code, found = doctor(tmp_path, config)
    assert {finding["state"] for finding in found.values()} == {"ok"}, found
    assert code == 0
    assert found["upstream main #1"]["detail"].startswith("answers 200 in ")
    assert found["prices"]["detail"] == "2 models priced"
    assert found["free models"]["detail"] == "priced at zero: gift"
    text = command(tmp_path, "doctor").stdout
    assert "1 channels, 2 models" in text


def gift(model: str = "gift", sell: str = "free = true") -> str:
    return f'[[tariffs]]\nmodel = "{model}"\nsell = {{ {sell} }}\n'


def test_doctor_finds_what_would_be_refused_for_its_price(sandbox: Vendor, tmp_path: Path) -> None:
    code, found = doctor(tmp_path, channel("main", sandbox.base_url, '"gpt-4o", "own", "gift"') + gift())
    assert (code, found["prices"]["state"]) == (1, "problem")
    assert found["prices"]["detail"] == "no price: own"
    assert "[[tariffs]]" in found["prices"]["remedy"]

    zero = gift("own", 'input_text = "0", output_text = "0"')
    code, found = doctor(tmp_path, channel("main", sandbox.base_url, '"gpt-4o", "own", "gift"') + gift() + zero)
    assert (code, found["prices"]["state"]) == (0, "ok")
    assert found["free models"]["detail"] == "priced at zero: gift, own"


def test_doctor_looks_at_accounts_limits_and_journals(sandbox: Vendor, tmp_path: Path) -> None:
    config = channel("main", sandbox.base_url, '"gpt-4o"') + "[key_defaults]\nconcurrency = 3\n"
    file, data = ("--config", "polyrelay.toml"), tmp_path / "polyrelay-data"
    doctor(tmp_path, config)
    key = polyrelay("keys", "create", "--account", "poor", "--rpm", "2", *file, cwd=tmp_path)["id"]
    vip = f'{config}[groups]\nvip = "0.8"\n'
    doctor(tmp_path, vip)
    polyrelay("accounts", "create", "gone", "--group", "vip", *file, cwd=tmp_path)
    polyrelay("topup", "gone", "1", *file, cwd=tmp_path)
    (data / "journals").mkdir(mode=0o700)
    journal = Journal.create(data / "journals" / "wk_0.0000", sync="off")

    assert "journals" not in doctor(tmp_path, vip)[1]
    journal.append(b"not an entry")
    journal.close()
    Journal.create(data / "journals" / "wk_1.0000", sync="off").close()

    code, found = doctor(tmp_path, config.replace("[[channels]]", "workers = 4\n[[channels]]", 1))
    assert code == 1
    assert found["customer groups"]["detail"].endswith(": vip")
    assert found["money"]["detail"] == "accounts with nothing to spend: poor"
    assert found["limits"]["detail"].endswith(f": key_defaults.concurrency, requests_per_minute of {key}")
    assert found["journals"]["detail"] == "left behind by wk_1"
    assert found["journal wk_0"]["state"] == "problem"
    for name in ("wk_0.0000", "wk_1.0000"):
        (data / "journals" / name).unlink()
    code, found = doctor(tmp_path, vip)
    assert code == 0
    assert not {"customer groups", "limits", "journals"} & found.keys()


def test_doctor_warns_where_nothing_is_there_yet(tmp_path: Path) -> None:
    code, found = doctor(tmp_path, "")
    assert code == 0
    assert found["configuration"]["state"] == "warning"
    assert "no channels" in found["configuration"]["detail"]
    assert found["data folder"]["state"] == "warning"


def test_doctor_names_problems_and_remedies(sandbox: Vendor, tmp_path: Path) -> None:
    dead = channel("dead", "http://127.0.0.1:1/v1", '"m"')
    code, found = doctor(tmp_path, channel("main", sandbox.base_url, '"m"') + dead + gift("m"))
    assert code == 1
    assert found["upstream main #1"]["state"] == "ok"
    assert found["upstream dead #1"]["state"] == "problem"
    assert found["upstream dead #1"]["remedy"]
    assert "sandbox-secret" not in json.dumps(found)
    code, found = doctor(tmp_path, dead.replace('"sandbox"', '"sandbax"'))
    assert (code, list(found)) == (1, ["configuration"])
    assert "did you mean sandbox?" in found["configuration"]["detail"]


# ── demo ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_demo_once_shows_an_answer_and_what_it_took(tmp_path: Path) -> None:
    done = command(tmp_path, "demo", "--once", "--port", "0")
    made = "Made polyrelay-demo/secrets.toml. Back it up together with the database.\n"
    assert (done.returncode, done.stderr) == (0, made)
    text, _, facts = done.stdout.partition("\n\n")
    assert "sandbox" in text
    assert re.search(r"usage +\d+ tokens in, \d+ out\n", facts)
    assert re.search(r"request id +px_\w+\n", facts)
    assert re.search(r"channel +sandbox\n", facts)
    assert re.search(r"timing +first token [\d.]+ ms, whole answer [\d.]+ ms\n", facts)
    lines = re.findall(r"│ (\w+_text) +│ +(\d+) +│ ([\d.]+) +│ ([\d.]+) +│\n", facts)
    assert [line[0] for line in lines] == ["input_text", "output_text"]
    for _, quantity, unit_price, amount in lines:
        assert int(quantity) * Decimal(unit_price) == Decimal(amount)
    charged = re.search(r"│ charged +│ +│ +│ ([\d.]+) │\n", facts)
    balance = re.search(r"balance +([\d.]+) before, ([\d.]+) after\n", facts)
    assert charged is not None
    assert balance is not None
    assert Decimal(charged[1]) == sum(Decimal(line[3]) for line in lines)
    assert (balance[1], Decimal(balance[2])) == ("5.000000000", 5 - Decimal(charged[1]))
    assert "openai/gpt-4o-mini" in facts


def test_the_demo_as_a_document(tmp_path: Path) -> None:
    told = polyrelay("demo", "--once", "--port", "0", cwd=tmp_path)
    assert told["usage"]["total_tokens"] > 0
    assert told["channel"] == "sandbox"
    assert 0 < told["first_token_seconds"] <= told["total_seconds"]
    assert told["charge"]["id"] == told["request_id"]
    left = Decimal(told["balance"]["before"]) - Decimal(told["charge"]["amount"])
    assert Decimal(told["balance"]["after"]) == left < 5

    again = polyrelay("demo", "--once", "--port", "0", cwd=tmp_path)
    assert again["balance"]["before"] == told["balance"]["after"]
    shown = polyrelay("charges", "explain", again["request_id"], "--data", "polyrelay-demo", cwd=tmp_path)
    assert shown == again["charge"]


def invitation(demo: "subprocess.Popen[str]") -> str:
    """What a demo says, up to its last line."""
    said = ""
    assert demo.stdout is not None
    for line in demo.stdout:
        said += line
        if "OPENAI_API_KEY" in line:
            break
    return said


@contextmanager
def demonstrating(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A demo that stays up, and what it said."""
    arguments = [*COMMAND, "demo", "--port", "0"]
    with subprocess.Popen(arguments, cwd=folder, stdout=subprocess.PIPE, text=True, start_new_session=True) as demo:
        try:
            yield demo, invitation(demo)
        finally:
            if demo.poll() is None:
                demo.terminate()


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_stays_up_its_lines_work_and_it_ends_whole(number: signal.Signals, tmp_path: Path) -> None:
    with demonstrating(tmp_path) as (demo, said):
        curl, python, exports = said.partition("ends it):\n")[2].strip().split("\n\n")
        assert exports.count("export ") == 2
        environment_script = (
            f"{exports}\n{sys.executable} -c 'from openai import OpenAI; print(OpenAI().models.list())'"
        )
        for script, expected in (
            (curl.replace("curl ", "curl -sS --fail-with-body "), '"chat.completion"'),
            (python.replace("python ", f"{sys.executable} "), "ChatCompletion("),
            (environment_script, "gpt-4o-mini"),
        ):
            done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=30, check=False)
            assert done.returncode == 0, done.stderr
            assert expected in done.stdout
        vendors = children(demo.pid)
        assert len(vendors) == 1
        demo.send_signal(number)
        assert demo.wait(15) == 0
        assert not Path(f"/proc/{vendors[0]}").exists()
