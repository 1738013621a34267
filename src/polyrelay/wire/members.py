"""The top-level members of a JSON object with their exact byte spans, found without building its values.

msgspec decodes the text into `dict[str, Raw]`, one scan in C that also proves it to be JSON. The dict keeps the first
place and the last value of a repeated key, so the members laid out in order give back the text exactly when no key
repeats: compact text by arithmetic alone (a repetition or a space can only make it longer than the sum of its
distinct parts), any other text by walking it and comparing. Repeated keys are refused because upstreams disagree
on which one wins, and that is a way past the meter.
"""

import re
from collections.abc import Collection, Mapping

import msgspec

from polyrelay.wire import echo

Span = tuple[int, int, int]
"""Byte offsets: start of the key token, start of the value, end of the value."""

Edit = tuple[int, int, bytes]
"""Replace the bytes from start to end."""

MOST_MEMBERS = 1_000
"""Top-level members of one object. The contract names about 40 and vendors add a few dozen; each costs a step here."""

MOST_KEYS = 400_000
"""Keys a text may have at all levels, so that decoding it stays under 0.3 s (0.7 µs a key, measured).

No chat comes near: it is four keys for each of 100,000 messages, and as pasted JSON more than any context window.
"""

_DECODER = msgspec.json.Decoder(dict[str, msgspec.Raw])
_MEMBER = re.compile(rb'\s*[{,]\s*("[^"\\]*(?:\\.[^"\\]*)*")\s*:\s*', re.DOTALL)
_END = re.compile(rb"\s*\}")
_KEY_COLONS = (b'":', b" :", b"\t:", b"\n:", b"\r:")
"""What the colon after a key looks like. Strings may hold them too: their count is never less than that of the keys."""

_BOM = b"\xef\xbb\xbf"


class UnreadableError(Exception):
    """The text is not one JSON object with distinct keys.

    `code` is `invalid_json`, `nested_too_deep`, `too_many_members` or `duplicate_member`; `key` the repeated key, cut
    to the length of an echo, None otherwise.
    """

    def __init__(self, message: str, code: str, key: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.key = key


def scan(text: bytes) -> dict[str, Span]:
    """Members of the object `text` in order of appearance. Raises `UnreadableError`."""
    values = _decode(text)
    spans = _compact(text, values)
    return _walk(text, values) if spans is None else spans


def without(spans: Mapping[str, Span], names: Collection[str]) -> list[Edit]:
    """The edits that take `names` out of the object, each with one comma. Ascending and apart from each other."""
    edits: list[Edit] = []
    kept_end = cut_end = cut_start = -1
    for name, (key, _, end) in spans.items():
        if name in names:
            cut_start = (kept_end if kept_end >= 0 else key) if cut_start < 0 else cut_start
            cut_end = end
            continue
        if cut_start >= 0:
            edits.append((cut_start, key if kept_end < 0 else cut_end, b""))
            cut_start = -1
        kept_end = end
    if cut_start >= 0:
        edits.append((cut_start, cut_end, b""))
    return edits


def splice(body: bytes, edits: Collection[Edit]) -> bytes:
    """`body` with ascending, disjoint `edits`: one copy, every other byte untouched."""
    view = memoryview(body)
    pieces: list[bytes | memoryview] = []
    position = 0
    for start, end, new in edits:
        pieces += (view[position:start], new)
        position = end
    pieces.append(view[position:])
    return b"".join(pieces)


def _decode(text: bytes) -> dict[str, msgspec.Raw]:
    if text.count(b":") > MOST_KEYS and sum(map(text.count, _KEY_COLONS)) > MOST_KEYS:
        raise UnreadableError(f"it has more than {MOST_KEYS} keys", "too_many_members")
    try:
        values = _DECODER.decode(text)
        if not text.isascii():
            text.decode()  # msgspec skips over values without looking at their encoding
    except msgspec.ValidationError:
        raise UnreadableError("expected a JSON object", "invalid_json") from None
    except UnicodeDecodeError:
        raise UnreadableError("it is not valid UTF-8", "invalid_json") from None
    except msgspec.DecodeError as error:
        raise UnreadableError(_why(text, error), "invalid_json") from None
    except RecursionError:
        raise UnreadableError("it is nested too deep", "nested_too_deep") from None
    if len(values) > MOST_MEMBERS:
        raise UnreadableError(f"it has more than {MOST_MEMBERS} top-level members", "too_many_members")
    return values


def _why(text: bytes, error: msgspec.DecodeError) -> str:
    if not text.strip():
        return "it is empty"
    if text.startswith(_BOM):
        return "it starts with a byte order mark"
    return str(error)


def _compact(text: bytes, values: dict[str, msgspec.Raw]) -> dict[str, Span] | None:
    """Spans when `text` has no whitespace, escaped key, non-ASCII key or repetition; None when it may have."""
    spans = {}
    position = 1
    for key, raw in values.items():
        start = position + len(key) + 3
        end = start + len(raw)
        spans[key] = (position, start, end)
        position = end + 1
    return spans if position == len(text) else None


def _walk(text: bytes, values: dict[str, msgspec.Raw]) -> dict[str, Span]:
    """Spans in any valid text. Each step consumes exactly one member or loses its footing, and there must be none left:
    a repeated key leaves one over, or a value that differs from what the dict kept.
    """
    spans: dict[str, Span] = {}
    position = 0
    for key, raw in values.items():
        token = _MEMBER.match(text, position)
        start = token.end() if token else 0
        if token is None or not text.startswith(memoryview(raw), start):
            raise _repeated(key)
        position = start + len(raw)
        spans[key] = (token.start(1), start, position)
    if spans and _END.match(text, position) is None:
        extra = _MEMBER.match(text, position)
        raise _repeated(msgspec.json.decode(extra[1], type=str) if extra else next(reversed(spans)))
    return spans


def _repeated(key: str) -> UnreadableError:
    key = echo.cut(key)
    return UnreadableError(f"the key {key!r} appears more than once", "duplicate_member", key)
