"""What of an upstream's words a client may see: names are the relay's own, and nothing tells of the operator's account.

Members that the relay knows are rendered by name. This is for all others, which pass as they came unless they hold a
name: one that the relay knows is replaced, any other is left out. URLs of media pass as they are.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET

SHORTEST_INNER = 8
"""Characters from which a known name is replaced inside longer text too. A shorter one would hit words by chance."""

MOST_REASON = 500
"""Characters of a failure's reason: more is a page or a trace, and none of a client's business."""

_ACCOUNT = frozenset(
    {
        "account",
        "account_id",
        "avatar_image_url",
        "avatar_url",
        "channel",
        "channel_id",
        "cookie",
        "display_name",
        "email",
        "group",
        "handle",
        "is_handle_updated",
        "owner",
        "owner_id",
        "platform",
        "profile",
        "project",
        "quota",
        "session",
        "token",
        "user",
        "user_avatar_image_url",
        "user_display_name",
        "user_handle",
        "user_id",
        "user_image_url",
        "user_name",
        "username",
        "workspace",
    }
)
"""Members that tell who the upstream's customer is. That is the operator, not the client."""

_OUTWARD = ("hook", "callback", "notify")
"""In names of members that hold an address of the operator's."""

_HYPHENATED = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
_HEXADECIMAL = r"(?<![0-9a-zA-Z])[0-9a-fA-F]{24,}(?![0-9a-zA-Z])"
_PREFIXED = r"(?<![0-9a-zA-Z])(?:[A-Za-z]{2,16}[_-](?=[A-Za-z]*[0-9])[0-9A-Za-z]{16,}|sk-[0-9A-Za-z_-]{16,})"
_ID_SHAPED = re.compile(f"{_HYPHENATED}|{_HEXADECIMAL}|{_PREFIXED}")
"""UUIDs, object ids and hashes, and ids or keys with a prefix, as vendors make them."""

_INSIDE = re.compile(
    r"\b[a-z][a-z0-9+.-]*://\S+"
    rf"|{_ID_SHAPED.pattern}"
    r"|[\w.+-]+@[\w-]+\.[\w.-]+"
    r"|\b(?:\d{1,3}\.){3}\d{1,3}\b(?::\d+)?"
    r"|\[[0-9a-fA-F:]{3,}\](?::\d+)?"
    r"|\b(?:[a-z0-9-]+\.)+[a-z]{2,}\b(?::\d+)?"
    r"|\b(?:[A-Za-z0-9-]+\.){2,}[A-Za-z]{2,}\b(?::\d+)?"
)
"""URLs, ids, mail addresses, network addresses and host names."""


def reason(text: str) -> str:
    """`text` without ids, keys and addresses, at most `MOST_REASON` characters."""
    return _INSIDE.sub("…", text[: 4 * MOST_REASON])[:MOST_REASON].strip()


class Disclosure(msgspec.Struct, frozen=True, gc=False):
    """Shows an upstream's words under the relay's names. `names` are the upstream's names with the relay's, `inner`
    those of them that are looked for inside text: the longest first, since one may be the beginning of another.
    """

    names: Mapping[str, str]
    inner: tuple[str, ...]

    def text(self, text: str) -> str:
        """`text` with every known name replaced."""
        for name in self.inner:
            if name in text:
                text = text.replace(name, self.names[name])
        return text

    def reason(self, text: str) -> str:
        """`text`, said of a failure, with no name but the relay's."""
        return reason(self._without(text))

    def members(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """`given` without what may not be seen."""
        shown: dict[str, Any] = {}
        for key, value in given.items():
            if key in _ACCOUNT or any(word in key.casefold() for word in _OUTWARD) or self._tells(key):
                continue
            seen = self._value(key, value)
            if seen is not UNSET:
                shown[self.names.get(key) or self.text(key)] = seen
        return shown

    def _value(self, key: str, value: Any) -> Any:
        """What of `value`, named `key`, may be seen; UNSET when nothing may."""
        if isinstance(value, dict):
            return self.members(value)
        if isinstance(value, list):
            return [seen for seen in [self._value(key, item) for item in value] if seen is not UNSET]
        if isinstance(value, str):
            return self._string(key, value)
        if _names(key) and isinstance(value, int | float) and not isinstance(value, bool):
            return self.names.get(str(value), UNSET)
        return value

    def _string(self, key: str, value: str) -> Any:
        if not value or (_names(key) and value in self.names):
            return self.names.get(value, value)
        if key.casefold().endswith(("url", "urls")) and value.startswith(("https://", "http://")):
            return value
        shown = self.text(value)
        if self._tells(value) or (_names(key) and shown == value):
            return UNSET
        return shown

    def _tells(self, text: str) -> bool:
        """Whether `text` holds a name that the relay does not know."""
        return _ID_SHAPED.search(self._without(text)) is not None

    def _without(self, text: str) -> str:
        for name in self.inner:
            text = text.replace(name, "…")
        return text


def of(names: Mapping[str, str]) -> Disclosure:
    """A disclosure of `names`: the upstream's, with the relay's."""
    inner = [name for name in names if len(name) >= SHORTEST_INNER]
    return Disclosure(names, tuple(sorted(inner, key=len, reverse=True)))


def _names(key: str) -> bool:
    """Whether a member called `key` holds names."""
    return key in {"id", "ids", "uuid"} or key.endswith(("_id", "_ids", "Id", "Ids", "ID", "_uuid"))
