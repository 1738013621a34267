"""Counts the images that a JSON request makes the vendor look at."""

import re
from collections.abc import Collection, Iterable, Mapping

from polyrelay.exchange.call import NO_REFERENCES, References
from polyrelay.wire.members import Span
from polyrelay.wire.openai_images.schema import Reference
from polyrelay.wire.outline import Marked

_BASE64 = ";base64,"
_LONGEST_TYPE = 256
"""Characters of a data URL before its base64. Media types with parameters stay under 100."""

_HINTS = ((b":", b"://"), (b":", b'"data:'), (b"\\", b":\\/"))
"""How an image looks that a vendor's own member refers to: by URL, by data URL, by URL as PHP writes it. Before each, a
byte that is seldom in what vendors add, and fast to look for."""

_ESCAPED_ASCII = re.compile(rb"\\u00[2-7]")
"""A character that no encoder escapes in this way; it may hide any of them."""


def references(
    text: bytes,
    spans: Mapping[str, Span],
    unknown: Collection[str],
    given: Iterable[Reference],
    marked: Marked | None,
) -> References:
    """The images `given`, and those that members of `text` may name which the contract does not know.

    `marked` is what `given` was decoded from if the body is outlined.
    """
    images = inline = 0
    for reference in given:
        images += 1
        inline += _inline(reference.image_url, marked)
    for name in unknown:
        _, start, end = spans[name]
        images += sum(text.count(hint, start, end) for byte, hint in _HINTS if text.find(byte, start, end) >= 0)
        if text.find(b"\\u", start, end) >= 0:
            images += len(_ESCAPED_ASCII.findall(text, start, end))
    return References(images=images, inline_bytes=inline) if images else NO_REFERENCES


def _inline(url: str | None, marked: Marked | None) -> int:
    """Bytes of base64 in `url`; never more than its string has in the body."""
    start = url.find(_BASE64, 0, _LONGEST_TYPE) if url and url.isascii() else -1
    if url is None or start < 0:
        return 0
    return len(url) - start - len(_BASE64) + (marked.hidden(url) if marked else 0)
