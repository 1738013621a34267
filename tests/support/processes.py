"""Real processes for end-to-end tests: `polyrelay serve` in front of `polyrelay sandbox`, both on free ports."""

import asyncio
import io
import json
import os
import secrets
import signal
import ssl
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx2

from polyrelay.access import key as client_key
from polyrelay.cli import keys, options
from polyrelay.cli.main import main
from polyrelay.kernel.ids import AccountId
from polyrelay.kernel.money import NANOS_PER_UNIT
from polyrelay.storage.access.keys import KeyStore
from polyrelay.storage.access.records import UNRESTRICTED, KeyTerms
from polyrelay.storage.books import transfers
from polyrelay.storage.sql.database import opened

http = httpx2.Client(verify=False, trust_env=False, timeout=20)
"""One client for plain calls: making one costs more than the calls."""


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for `condition`; fail when it takes longer."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.02)


@dataclass
class Process:
    """A command that has said it is ready; `said` is the JSON document it printed."""

    popen: subprocess.Popen[str]
    said: dict[str, Any]
    log: Path

    def stop(self, number: int = signal.SIGTERM, seconds: float = 15) -> int:
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise


def polyrelay(*arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> Any:
    """Run a command to its end and return its JSON document."""
    done = subprocess.run(
        [sys.executable, "-m", "polyrelay", *arguments, "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def told(*words: str) -> Any:
    """The JSON document of a command that succeeds, run in this process: a new one takes seconds."""
    out = io.StringIO()
    with patch.object(sys, "argv", ["polyrelay", *words, "--json"]), redirect_stdout(out), suppress(SystemExit):
        main()
    return json.loads(out.getvalue())


@contextmanager
def running(log: Path, *arguments: str) -> Iterator[Process]:
    """A long-running command, from its readiness to the end of the block."""
    with log.open("w") as sink:
        popen = subprocess.Popen(
            [sys.executable, "-m", "polyrelay", *arguments, "--json"], stdout=subprocess.PIPE, stderr=sink, text=True
        )
    assert popen.stdout is not None
    lines: list[str] = []
    for line in popen.stdout:
        lines.append(line)
        if line == "}\n":
            break
    assert lines, log.read_text()
    process = Process(popen, json.loads("".join(lines)), log)
    try:
        yield process
    finally:
        process.stop()
        popen.stdout.close()


@dataclass
class Vendor:
    """The sandbox, with its control endpoint."""

    process: Process
    client: httpx2.Client = field(repr=False)

    @property
    def base_url(self) -> str:
        return str(self.process.said["base_url"])

    def script(self, model: str, times: int | None = None, **script: Any) -> None:
        answer = self.client.post("/sandbox/script", json={"model": model, "script": script, "times": times})
        assert answer.status_code < 300, answer.text

    def clear(self) -> None:
        self.client.delete("/sandbox/script")
        self.client.delete("/sandbox/requests")

    def requests(self) -> list[dict[str, Any]]:
        found = self.client.get("/sandbox/requests").json()
        return list(found["requests"] if isinstance(found, dict) else found)

    def state(self) -> dict[str, int]:
        return dict(self.client.get("/sandbox/state").json())


def trust(ca_file: str | None) -> ssl.SSLContext | bool:
    return True if ca_file is None else ssl.create_default_context(cafile=ca_file)


@contextmanager
def vendor(folder: Path, *arguments: str) -> Iterator[Vendor]:
    with running(folder / "sandbox.log", "sandbox", *arguments) as process:
        root = process.said["base_url"].removesuffix("/v1")
        with httpx2.Client(base_url=root, trust_env=False, verify=trust(process.said["ca_file"])) as client:
            yield Vendor(process, client)


@dataclass
class RelayProcess:
    process: Process
    config: Path
    key: str

    @property
    def url(self) -> str:
        return str(self.process.said["url"])

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def ask(self, model: str = "m", *, key: str | None = None, **body: Any) -> httpx2.Response:
        """One chat completion, the body's other members as given."""
        return http.post(
            f"{self.base_url}/chat/completions",
            json={"model": model, "messages": [{"role": "user", "content": "hi"}], **body},
            headers={"authorization": f"Bearer {key or self.key}"},
        )

    def records(self) -> list[dict[str, Any]]:
        """Exchange lines of the log so far."""
        found = (json.loads(line) for line in self.process.log.read_text().splitlines() if line.startswith("{"))
        return [line for line in found if line.get("logger") == "polyrelay.exchange"]

    def record(self, request_id: str, seconds: float = 5) -> dict[str, Any]:
        """The exchange with this id or label, waited for: records are written in batches."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for line in self.records():
                if request_id in (line["exchange"], line["label"]):
                    return line
            time.sleep(0.05)
        raise AssertionError(f"no record of {request_id}")


@contextmanager
def relay(folder: Path, config: str) -> Iterator[RelayProcess]:
    """A relay with `config`, which need not name [server], and one key without limits."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "polyrelay.toml"
    server = "" if "[server]" in config else f'[server]\nport = 0\ndata = "{folder / "data"}"\ndrain_seconds = 3\n'
    file.write_text(server + config + prices(config))
    key = make_key(file)
    with running(folder / "relay.log", "serve", "--config", str(file)) as process:
        yield RelayProcess(process, file, key)


def prices(config: str) -> str:
    """A tariff for each model of `config` that has none there: 1 and 2 per million tokens."""
    document = tomllib.loads(config)
    priced = {tariff["model"] for tariff in document.get("tariffs", ())}
    models = [model for channel in document.get("channels", ()) for model in channel["models"]]
    names = {model if isinstance(model, str) else model["name"] for model in models}
    return "".join(
        f"\n[[tariffs]]\nmodel = {json.dumps(name)}\n"
        'sell = { input_text = "1", output_text = "2" }\nmaxima = { context = 131072, output = 16384 }\n'
        for name in sorted(names - priced)
    )


def make_key(
    config: Path, terms: KeyTerms = UNRESTRICTED, account: str = "test", credit: int = 1000 * NANOS_PER_UNIT
) -> str:
    """What `polyrelay keys create` and `polyrelay topup` do, without waiting for processes of their own."""
    token = client_key.token(secrets.token_bytes(client_key.ENTROPY_BYTES))
    where = options.store(config, None)

    async def make(store: KeyStore) -> AccountId:
        holder = await store.ensure_account(account)
        await store.create_key(holder.id, token, terms)
        return holder.id

    holder = keys.within(where, make)
    if credit:
        asyncio.run(top_up(where, holder, credit))
    return token


async def top_up(where: options.Store, account: AccountId, nanos: int) -> None:
    """Put money into the wallet."""
    async with opened(where.url, where.data) as database:
        note = transfers.Note("test", "")
        await database.write(lambda tx: transfers.topup(tx, account, nanos, note))


def channel(name: str, base_url: str, models: str, extra: str = "") -> str:
    return (
        f'[[channels]]\nname = "{name}"\nprovider = "sandbox"\nbase_url = "{base_url}"\n'
        f'credentials = [{{ value = "sandbox-secret-{name}" }}]\nmodels = [{models}]\n{extra}\n'
    )
