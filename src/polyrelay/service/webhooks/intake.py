"""What becomes of a webhook that a request names."""

import msgspec

from polyrelay.access import destinations, policy
from polyrelay.access.destinations import BadDestination, Rules
from polyrelay.kernel import errors
from polyrelay.settings.webhooks import WebhookSettings
from polyrelay.wire.hooks import Hook

DISABLED = (b"x-polyrelay-webhook", b"disabled")
"""Header of an answer to a request whose webhook is passed over."""


class Noted(msgspec.Struct, frozen=True):
    """`url` goes into `Job.notify`; `headers` into the answer."""

    url: str | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()


def note(hook: Hook | None, settings: WebhookSettings) -> Noted:
    """What becomes of the `hook` of a request.

    Raises `errors.InvalidRequest` for one that is never going to be called, naming the member that it came in.
    """
    if hook is None:
        return Noted()
    if not settings.enabled:
        return Noted(None, (DISABLED,))
    try:
        return Noted(destinations.parse(hook.url, rules(settings)).url)
    except BadDestination as error:
        raise errors.InvalidRequest(f"`{hook.param}` {error}.", code="invalid_webhook_url", param=hook.param) from error


def rules(settings: WebhookSettings) -> Rules:
    """Where webhooks may lead."""
    networks = policy.parse_networks(settings.allowed_networks)
    return Rules(settings.allow_http, settings.allowed_ports, networks)
