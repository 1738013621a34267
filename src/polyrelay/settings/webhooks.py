"""Calls to customers' own addresses when their jobs end."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Off by default: with it, customers have the relay call addresses of their choice. Those are judged before every
    call, and only what is on the internet is called; see docs/jobs-delivery.md.
    """

    enabled: bool = False
    """Off: a `notify_hook` or `webhook_url` in a request is passed over, and the answer says so in
    `x-polyrelay-webhook: disabled`. Many clients send one out of habit."""
    allow_http: bool = False
    """Call `http://` addresses too. Whoever is on the way can then read what was made, and hold the call back."""
    allowed_ports: tuple[int, ...] = ()
    """Ports beside 443 (and 80 with `allow_http`)."""
    allowed_networks: tuple[str, ...] = ()
    """Networks inside, such as `10.1.2.0/24`, that may be called although they are not on the internet. For customers
    of your own intranet: whoever has a key can then reach the services of those networks."""
    attempts: int = 10
    """How often a call is tried until it is given up: with the delays below, for about a day."""
    first_delay_seconds: float = 30.0
    """Before the second attempt. Each further delay is three times the one before, up to the longest, give or take a
    fifth."""
    longest_delay_seconds: float = 28800.0
    """Eight hours: a receiver that comes back is called soon enough."""
    timeout_seconds: float = 15.0
    """For one attempt, from resolving the name to the head of the answer. Receivers are to answer first and work then.
    """
    concurrency: int = 32
    """Calls under way at once in one process, of which one account gets an eighth at most."""
    retention_days: int = 30
    """Delete what is kept of a delivery so long after its end. 0 keeps all."""
