"""The request that goes to a vendor, complete but for being sent."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from polyrelay.exchange.operation import Operation
from polyrelay.exchange.upload import Stream
from polyrelay.providers import registry
from polyrelay.providers.profile import Auth, Profile
from polyrelay.routing.channel import Candidate, Channel, Credential
from polyrelay.wire.dialect import Message
from polyrelay.wire.spoken import Sent

PASSED_HEADERS = (b"openai-beta", b"traceparent", b"tracestate", b"idempotency-key")
"""Client headers a vendor may see. An allowlist: what is not named here stays with us, credentials above all."""


RANGE_HEADERS = (b"range", b"if-range")
"""Those that ask for a part of a thing which an upstream keeps."""


class OutboundRequest(msgspec.Struct, frozen=True, gc=False):
    """One request. `headers` are whole header lines (`name: value`) without host, length, expect and accept-encoding,
    which the transport sets; `fixed_headers` are those that never change for this channel and credential. A stream's
    upload is held by the transport from the sending to the end. GET and DELETE have no body.
    """

    channel: Channel
    credential: Credential
    url: str
    fixed_headers: tuple[str, ...]
    headers: tuple[str, ...]
    body: bytes | Stream
    method: str = "POST"

    def __repr__(self) -> str:
        """Without headers and body, which hold secrets."""
        return f"OutboundRequest({self.channel.name}, {self.credential.name}, {self.url})"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how a candidate is called; the same for every request, so it is made once per configuration.

    `urls` has what can be asked of it. Implements `spoken.Upstream`.
    """

    candidate: Candidate
    base: str
    urls: Mapping[Operation, str]
    json_headers: tuple[str, ...] = field(repr=False)
    other_headers: tuple[str, ...] = field(repr=False)
    """As `json_headers`, without the content type."""
    takes_stream_options: bool
    cap_field: str
    only_cap_field: bool
    scripts: frozenset[str] = frozenset()

    def serving(self, operations: tuple[Operation, ...]) -> Operation | None:
        """The first of `operations` that can be asked of it."""
        for operation in operations:
            if operation in self.urls:
                return operation
        return None

    def request(self, sent: Sent, headers: tuple[str, ...]) -> OutboundRequest:
        """`sent` with the client's passed `headers` added."""
        candidate, url = self.candidate, self.urls[sent.operation]
        if sent.query:
            url = f"{url}?{sent.query}"
        fixed = self.json_headers
        if sent.content_type is not None:
            fixed, headers = self.other_headers, (f"content-type: {sent.content_type}", *headers)
        return OutboundRequest(candidate.channel, candidate.credential, url, fixed, headers, sent.body)

    def get(self, path: str) -> OutboundRequest:
        """A GET of `path`, which begins with a slash and may have a query, below the channel's base URL."""
        candidate = self.candidate
        headers = self.other_headers
        return OutboundRequest(candidate.channel, candidate.credential, self.base + path, headers, (), b"", "GET")


def endpoint(candidate: Candidate, user_agent: str) -> Endpoint:
    """The endpoint of `candidate`. Raises KeyError for a provider the registry does not name."""
    channel = candidate.channel
    profile = registry.PROFILES[channel.provider]
    base = channel.base_url.rstrip("/")
    shared = (f"user-agent: {user_agent}", *_authorization(profile.auth, candidate.credential.secret))
    return Endpoint(
        candidate,
        base,
        {operation: base + path for operation, path in _paths(profile)},
        ("content-type: application/json", *shared),
        shared,
        profile.takes_stream_options,
        profile.cap_field,
        profile.only_cap_field,
        channel.scripts,
    )


def errand(candidate: Candidate, user_agent: str, message: Message) -> OutboundRequest:
    """The request that `message` of a dialect becomes for `candidate`."""
    channel, secret = candidate.channel, candidate.credential.secret
    lines = [f"user-agent: {user_agent}", *_authorization(registry.PROFILES[channel.provider].auth, secret)]
    if message.body:
        lines.append(f"content-type: {message.content_type}")
    url = channel.base_url.rstrip("/") + message.path
    return OutboundRequest(channel, candidate.credential, url, tuple(lines), (), message.body, message.method)


def _paths(profile: Profile) -> Iterable[tuple[Operation, str]]:
    yield from profile.paths.items()
    if profile.dialect is not None:
        yield Operation.JOB, ""


def _authorization(auth: Auth, secret: str) -> tuple[str, ...]:
    if auth == "none" or not secret:
        return ()
    if auth == "basic" and ":" in secret:
        return (f"authorization: Basic {b64encode(secret.encode()).decode('ascii')}",)
    return (f"authorization: Bearer {secret}",)


def passed(head: Mapping[bytes, bytes]) -> tuple[str, ...]:
    """The header lines of a client, whose headers are `head` by lower-case name, that travel on to the vendor.

    None of them has a use for anything but ASCII (RFC 9110 section 5.5), and libcurl's binding takes nothing else.
    """
    return _lines(PASSED_HEADERS, head)


def ranged(head: Mapping[bytes, bytes]) -> tuple[str, ...]:
    """The header lines of a client that wants a part of a thing. Without a range, a condition on one says nothing."""
    return _lines(RANGE_HEADERS, head) if b"range" in head else ()


def _lines(names: Iterable[bytes], head: Mapping[bytes, bytes]) -> tuple[str, ...]:
    found = [(name, head[name]) for name in names if name in head]
    return tuple([f"{name.decode('ascii')}: {value.decode('ascii')}" for name, value in found if value.isascii()])
