"""Where a client wants to be told of a job's end, and under which of two names it said so."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from polyrelay.kernel.errors import InvalidRequest

Address = Annotated[str, Meta(max_length=2_048)]
"""As a member of a contract: what browsers and proxies are known to take."""


_NAME = re.compile(r"(?:(?:web)?hook|callback|notif(?:y|ication))(?:hook|url|uri|endpoint|address|config|secret)?")


def without(given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` without the members, at any depth, that some vendor takes for an address to call. They never pass: the
    relay calls, or nobody does, and an upstream's own call would tell its names and addresses.
    """
    return {name: _within(value) for name, value in given.items() if not _names_one(name)}


def _names_one(member: str) -> bool:
    return _NAME.fullmatch(member.casefold().replace("_", "").replace("-", "")) is not None


def _within(value: Any) -> Any:
    if isinstance(value, dict):
        return without(value)
    return [_within(item) for item in value] if isinstance(value, list) else value


class Hook(msgspec.Struct, frozen=True, gc=False):
    """`param` is the name of the member that `url` came in."""

    url: str
    param: str


def asked(notify_hook: str | None, webhook_url: str | None) -> Hook | None:
    """The hook in either member; None without one.

    Raises `errors.InvalidRequest` naming the member, when they differ or it is no URL.
    """
    given = {name: url for name, url in (("notify_hook", notify_hook), ("webhook_url", webhook_url)) if url}
    if len(set(given.values())) > 1:
        message = "'notify_hook' and 'webhook_url' are the same thing and differ: give one of them."
        raise InvalidRequest(message, code="invalid_value", param="webhook_url")
    if not given:
        return None
    name, url = next(iter(given.items()))
    if not url.startswith(("https://", "http://")):
        raise InvalidRequest(f"Invalid '{name}': expected an http or https URL.", code="invalid_url", param=name)
    return Hook(url, name)
