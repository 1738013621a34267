"""The request that goes to a vendor, complete but for being sent."""

from dataclasses import dataclass

from polyrelay.routing.channel import Channel, Credential


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    """One POST. `headers` are whole header lines (`name: value`) without host, length, expect and accept-encoding,
    which the transport sets; `fixed_headers` are those that never change for this channel and credential.
    """

    channel: Channel
    credential: Credential
    url: str
    fixed_headers: tuple[str, ...]
    headers: tuple[str, ...]
    body: bytes
