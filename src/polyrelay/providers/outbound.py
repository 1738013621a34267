"""The request that goes to a vendor, complete but for being sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from polyrelay.providers import registry
from polyrelay.routing.channel import Candidate, Channel, Credential
from polyrelay.wire.dialect import Message

PASSED_HEADERS = (b"openai-beta", b"traceparent", b"tracestate", b"idempotency-key")
"""Client headers a vendor may see. An allowlist: what is not named here stays with us, credentials above all."""


class OutboundRequest(msgspec.Struct, frozen=True, gc=False):
    """One request. `headers` are whole header lines (`name: value`) without host, length, expect and accept-encoding,
    which the transport sets; `fixed_headers` are those that never change for this channel and credential.
    """

    channel: Channel
    credential: Credential
    url: str
    fixed_headers: tuple[str, ...]
    headers: tuple[str, ...]
    body: bytes
    method: str = "POST"

    def __repr__(self) -> str:
        """Without headers and body, which hold secrets."""
        return f"OutboundRequest({self.channel.name}, {self.credential.name}, {self.url})"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how a candidate is called; the same for every request, so it is made once per configuration."""

    candidate: Candidate
    url: str
    fixed_headers: tuple[str, ...] = field(repr=False)
    takes_stream_options: bool
    cap_field: str
    only_cap_field: bool

    def request(self, headers: tuple[str, ...], body: bytes) -> OutboundRequest:
        """`body` with the client's passed `headers` added."""
        candidate = self.candidate
        return OutboundRequest(candidate.channel, candidate.credential, self.url, self.fixed_headers, headers, body)


def endpoint(candidate: Candidate, user_agent: str) -> Endpoint:
    """The endpoint of `candidate`. Raises KeyError for a provider the registry does not name."""
    channel = candidate.channel
    profile = registry.PROFILES[channel.provider]
    return Endpoint(
        candidate,
        channel.base_url.rstrip("/") + profile.chat_path,
        (
            "content-type: application/json",
            f"user-agent: {user_agent}",
            f"authorization: Bearer {candidate.credential.secret}",
        ),
        profile.takes_stream_options,
        profile.cap_field,
        profile.only_cap_field,
    )


def errand(candidate: Candidate, user_agent: str, message: Message) -> OutboundRequest:
    """The request that `message` of a dialect becomes for `candidate`."""
    lines = [f"user-agent: {user_agent}", f"authorization: Bearer {candidate.credential.secret}"]
    if message.body:
        lines.append(f"content-type: {message.content_type}")
    url = candidate.channel.base_url.rstrip("/") + message.path
    return OutboundRequest(candidate.channel, candidate.credential, url, tuple(lines), (), message.body, message.method)


def passed(head: Mapping[bytes, bytes]) -> tuple[str, ...]:
    """The header lines of a client, whose headers are `head` by lower-case name, that travel on to the vendor.

    None of them has a use for anything but ASCII (RFC 9110 section 5.5), and libcurl's binding takes nothing else.
    """
    found = [(name, head[name]) for name in PASSED_HEADERS if name in head]
    return tuple([f"{name.decode('ascii')}: {value.decode('ascii')}" for name, value in found if value.isascii()])
