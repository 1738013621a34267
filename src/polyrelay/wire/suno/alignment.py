"""When each word of a clip is sung, as the studio API and gcui tell it: the same list, inside an object or bare."""

from collections.abc import Sequence
from typing import Any

import msgspec

from polyrelay.exchange.music import AlignedWord
from polyrelay.wire import replies
from polyrelay.wire.dialect import Garbled

MOST_WORDS = 10_000
"""Words read of one clip: hours of singing."""

MOST_CHARACTERS = 1_000
"""Of one word, which has the line breaks and section names around it too."""


def read(listed: Any) -> tuple[AlignedWord, ...]:
    """The words in the list `listed`; those without a time are left out. Raises `Garbled` when it is none."""
    if not isinstance(listed, list):
        raise Garbled("aligned words that are no list")
    found = [_word(item) for item in replies.objects(listed)[:MOST_WORDS]]
    return tuple([word for word in found if word is not None])


def written(words: Sequence[AlignedWord]) -> list[dict[str, Any]]:
    """`words` as both dialects list them."""
    return [msgspec.structs.asdict(word) for word in words]


def _word(given: dict[str, Any]) -> AlignedWord | None:
    start, end = replies.number(given.get("start_s")), replies.number(given.get("end_s"))
    if start is None or end is None:
        return None
    return AlignedWord(
        word=replies.text(given.get("word"))[:MOST_CHARACTERS],
        start_s=start,
        end_s=end,
        success=given.get("success") is not False,
        p_align=replies.number(given.get("p_align")),
    )
