"""Signatures as the Standard Webhooks specification has them, version 1 (standardwebhooks.com).

    webhook-id          the delivery's, the same in every attempt: who has seen it need not look again
    webhook-timestamp   Unix seconds of the attempt: who gets an old one is being played a record
    webhook-signature   `v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`, keyed by the secret

Its libraries take the secret as `whsec_` and base64, and refuse a timestamp that is more than five minutes away.
"""

import base64
import hashlib
import hmac

REPLAY_SECONDS = 300
"""How old a call may be for receivers, by the libraries' default."""

_SECRET_PREFIX = "whsec_"  # noqa: S105 - the same for everybody


def written(secret: bytes) -> str:
    """A secret as receivers configure it."""
    return _SECRET_PREFIX + base64.b64encode(secret).decode()


def lines(secret: bytes, message_id: str, timestamp: int, body: bytes) -> tuple[str, str, str]:
    """The three header lines."""
    signed = hmac.digest(secret, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return (
        f"webhook-id: {message_id}",
        f"webhook-timestamp: {timestamp}",
        f"webhook-signature: v1,{base64.b64encode(signed).decode()}",
    )
