"""`GET /v1/webhooks/secret`: what a key's holder checks calls with, asked for with that key.

Anybody with the key can have it, and make calls that look like the relay's; but whoever has the key can do worse.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from polyrelay.kernel import errors
from polyrelay.service import admit
from polyrelay.service.bank import BankAway
from polyrelay.service.billing import Answered
from polyrelay.service.ports import HeaderList
from polyrelay.service.relay import Relay
from polyrelay.service.treasury import books_away
from polyrelay.service.webhooks import signature
from polyrelay.service.webhooks.ports import KeySecrets
from polyrelay.settings.webhooks import WebhookSettings
from polyrelay.wire import openai_errors as wire_errors

PATH = "/v1/webhooks/secret"

_JSON = (b"content-type", b"application/json")
_PRIVATE = (b"cache-control", b"no-store")


class WebhookPage:
    """Implements the HTTP side's port `Billing` for this one route."""

    def __init__(self, relay: Relay, secrets: KeySecrets, settings: Callable[[], WebhookSettings]) -> None:
        self._relay = relay
        self._secrets = secrets
        self._settings = settings

    def serves(self, path: str) -> bool:
        """Whether `path` is ours."""
        return path == PATH

    async def answer(self, path: str, query: bytes, headers: HeaderList, peer: str) -> Answered:
        """The whole answer to a GET, or a refusal."""
        del path, query
        world = self._relay.world
        try:
            holder = admit.principal(dict(headers), peer, keys=world.keys, now=world.clock.wall())
            secret = await self._secrets.of(holder.key_id)
        except errors.Refusal as refusal:
            return _refused(refusal)
        except BankAway:
            return _refused(books_away())
        if secret is None:
            return _refused(errors.Unauthenticated("This API key was revoked."))
        return 200, [_JSON, _PRIVATE], msgspec.json.encode(document(secret, enabled=self._settings().enabled))


def document(secret: bytes, *, enabled: bool) -> dict[str, Any]:
    """The secret as it is shown, and what goes with it. `replay_seconds` is how old a call may be."""
    return {
        "object": "webhook_secret",
        "secret": signature.written(secret),
        "signature": "v1",
        "replay_seconds": signature.REPLAY_SECONDS,
        "enabled": enabled,
    }


def _refused(refusal: errors.Refusal) -> Answered:
    status, headers, body = wire_errors.render(refusal)
    return status, list(headers), body
