"""A key's holder asks for its secret, with that key."""

import asyncio
import base64
import json
from typing import Any

from polyrelay.service.bank import BankAway
from polyrelay.service.webhooks.page import PATH, WebhookPage
from polyrelay.settings.webhooks import WebhookSettings
from support.stage import HOLDER, TOKEN, Stage


class Secrets:
    def __init__(self) -> None:
        self.away = False
        self.revoked = False

    async def of(self, key: str) -> bytes | None:
        if self.away:
            raise BankAway("gone")
        return None if self.revoked else key.encode().ljust(32, b".")


def ask(secrets: Secrets, token: str = TOKEN) -> tuple[int, dict[bytes, bytes], Any]:
    stage = Stage()
    page = WebhookPage(stage.relay, secrets, lambda: WebhookSettings(enabled=True))
    assert page.serves(PATH)
    assert not page.serves("/v1/webhooks")
    headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
    status, found, body = asyncio.run(page.answer(PATH, b"", headers, "127.0.0.1"))
    return status, dict(found), json.loads(body)


def test_the_secret_of_the_key_that_asks() -> None:
    status, headers, body = ask(Secrets())
    assert status == 200
    assert headers[b"cache-control"] == b"no-store"
    secret = base64.b64encode(HOLDER.key_id.encode().ljust(32, b".")).decode()
    assert body == {
        "object": "webhook_secret",
        "secret": f"whsec_{secret}",
        "signature": "v1",
        "replay_seconds": 300,
        "enabled": True,
    }


def test_nobody_else_is_told() -> None:
    assert ask(Secrets(), "pr-other")[0] == 401
    status, _, body = ask(Secrets(), "")
    assert (status, body["error"]["code"]) == (401, "missing_api_key")


def test_while_the_database_is_away() -> None:
    secrets = Secrets()
    secrets.away = True
    assert ask(secrets)[0] == 503
    secrets.away, secrets.revoked = False, True
    assert ask(secrets)[0] == 401
