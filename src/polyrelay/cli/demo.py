"""`polyrelay demo`: sandbox vendor and relay in one command, one answer through both, and its bill."""

import json
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from polyrelay.access import key as client_key
from polyrelay.cli import demo_client, demo_money, keys, options, output
from polyrelay.kernel.ids import AccountId
from polyrelay.settings.channels import ChannelSettings, CredentialSettings, ModelSettings
from polyrelay.settings.root import AnswerSettings, LogSettings, ServerSettings, Settings
from polyrelay.storage.access.keys import KeyStore
from polyrelay.storage.access.records import KeyTerms, StoredKey
from polyrelay.wiring import listening
from polyrelay.wiring.node import Node
from polyrelay.wiring.overrides import Overrides

ACCOUNT = "demo"
MODEL = "gpt-4o-mini"
PREFERRED_PORT = 8080


def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="End after the first answer.")] = False,
    data: Annotated[Path, typer.Option(help="Where database and secrets go.")] = Path("polyrelay-demo"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="The relay's port; 0 picks a free one.")] = PREFERRED_PORT,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")] = False,
) -> None:
    """Start a sandbox vendor and the relay, make a key, stream one chat completion with its bill, and stay up."""
    where = options.Store("", data)
    guest = _guest(where)
    with _vendor(data / "sandbox") as vendor:
        settings = _settings(data, listening.free_port("127.0.0.1", port), vendor)
        node = Node(None, Overrides(settings=settings))
        failures: list[BaseException] = []

        def ready(url: str) -> None:
            visit = {"once": once, "as_json": as_json}
            threading.Thread(
                target=_visit, args=(node, f"{url}/v1", guest, failures), kwargs=visit, daemon=True
            ).start()

        node.run(ready)
    if failures:
        raise failures[0]


@dataclass(frozen=True, slots=True)
class Guest:
    """Who asks: a key, and the account that pays."""

    where: options.Store
    account: AccountId
    token: str


@contextmanager
def _vendor(folder: Path) -> Iterator[dict[str, str]]:
    """A sandbox process of its own, for as long as the block lasts; its address and the CA to trust."""
    command = [sys.executable, "-m", "polyrelay.sandbox.run", "--tls", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own module, no shell
        try:
            if process.stdout is None or not (line := process.stdout.readline()):
                raise demo_client.DemoError("the sandbox vendor did not start; see its message above")
            yield json.loads(line)
        finally:
            process.terminate()


def _settings(data: Path, port: int, vendor: dict[str, str]) -> Settings:
    channel = ChannelSettings(
        name="sandbox",
        provider="sandbox",
        base_url=vendor["base_url"],
        credentials=(CredentialSettings(value="sandbox"),),
        models=(ModelSettings(MODEL), ModelSettings("gpt-4o")),
        ca_file=vendor["ca"],
    )
    return Settings(
        server=ServerSettings(port=port, data=str(data), drain_seconds=5.0),
        answers=AnswerSettings(reveal_channel=True),
        log=LogSettings(level="warning", exchanges=False),
        channels=(channel,),
    )


def _guest(where: options.Store) -> Guest:
    token = client_key.token(secrets.token_bytes(client_key.ENTROPY_BYTES))

    async def make(store: KeyStore) -> StoredKey:
        return await store.create_key((await store.ensure_account(ACCOUNT)).id, token, KeyTerms(name=ACCOUNT))

    return Guest(where, keys.within(where, make).account_id, token)


def _visit(
    node: Node, base_url: str, guest: Guest, failures: list[BaseException], *, once: bool, as_json: bool
) -> None:
    try:
        _ask(base_url, guest, as_json=as_json)
        if not (once or as_json):
            _invite(base_url, guest.token)
    except BaseException as error:  # noqa: BLE001 - border of the thread: the main one raises it again
        failures.append(error)
        node.stop()
    if once:
        node.stop()


def _ask(base_url: str, guest: Guest, *, as_json: bool) -> None:
    before = demo_money.fund(guest.where, guest.account)
    text: list[str] = []
    told = demo_client.ask(base_url, guest.token, MODEL, text.append if as_json else _show)
    if not as_json:
        _report(told)
    bill = demo_money.settled(guest.where, guest.account, told.request_id, before)
    if not as_json:
        bill.tell()
        return
    output.document(
        {
            "base_url": base_url,
            "key": guest.token,
            "text": "".join(text),
            "usage": told.usage,
            "request_id": told.request_id,
            "channel": told.channel,
            "first_token_seconds": round(told.first_token, 4),
            "total_seconds": round(told.total, 4),
            **bill.document(),
        }
    )


def _show(piece: str) -> None:
    sys.stdout.write(piece)
    sys.stdout.flush()


def _report(told: demo_client.Told) -> None:
    usage = told.usage or {}
    output.block("\n")
    output.line(f"usage       {usage.get('prompt_tokens')} tokens in, {usage.get('completion_tokens')} out")
    output.line(f"request id  {told.request_id}")
    output.line(f"channel     {told.channel}")
    output.line(f"timing      first token {told.first_token * 1000:.1f} ms, whole answer {told.total * 1000:.1f} ms")


def _invite(base_url: str, token: str) -> None:
    output.block(f"""
The relay is at {base_url}. Try it (^C ends it):

  curl {base_url}/chat/completions -H "Authorization: Bearer {token}" \\
    -H "Content-Type: application/json" \\
    -d '{{"model": "{MODEL}", "messages": [{{"role": "user", "content": "Hello"}}]}}'

  python -c "from openai import OpenAI; print(OpenAI(base_url='{base_url}', api_key='{token}')\\
    .chat.completions.create(model='{MODEL}', messages=[{{'role': 'user', 'content': 'Hello'}}]))"

  export OPENAI_BASE_URL={base_url}
  export OPENAI_API_KEY={token}""")
