"""Observes a stream of images: previews, the images themselves, and what was used for each."""

from collections import Counter

import msgspec

from polyrelay.exchange.usage import ImageCount, Usage
from polyrelay.kernel import bounds
from polyrelay.wire.openai_images import usage
from polyrelay.wire.openai_images.usage import PREVIEW_TOKENS, Asked
from polyrelay.wire.spoken import Price
from polyrelay.wire.typed_events import Event, TypedTap

_PREVIEW = ".partial_image"
_COMPLETED = ".completed"
_SUCCEEDED = ".partial_succeeded"
"""One image of several, from vendors whose `completed` event has but the usage of all of them."""

_MOST_KINDS = 3
"""Sizes and qualities that one stream may name, as they are written into the books. Vendors keep to one."""


class ImageTap(TypedTap):
    """`usage` is what would be charged if the client left now; several images add up.

    An image of which only previews came counts as one: they may be as good as the image itself, and its vendor goes on
    to make it. Its tokens are what the vendor counts for previews. When it is the upstream that breaks off, only whole
    images count as images.
    """

    def __init__(self, asked: Asked, price: Price | None) -> None:
        super().__init__(price, bounds.IMAGE_FRAME_BYTES)
        self._asked = asked
        self._tokens: Usage | None = None
        self._made: Counter[ImageCount] = Counter()
        self._previews = 0
        self._separate = False

    def is_last(self, event: Event) -> bool:
        """A `completed` event."""
        return event.type.endswith(_COMPLETED)

    def note(self, event: Event) -> None:
        """Count what it brings."""
        succeeded = event.type.endswith(_SUCCEEDED)
        self._separate = self._separate or succeeded
        if event.type.endswith(_PREVIEW):
            self._previews += 1
        elif succeeded or (self.is_last(event) and not self._separate):
            self._previews = 0
            kind = self._asked.one(event.size, event.quality)
            self._made[kind if kind in self._made or len(self._made) < _MOST_KINDS else self._asked.one()] += 1
        stated = usage.tokens(event.usage)
        if stated is not None:
            self._tokens = stated if self._tokens is None else usage.plus(self._tokens, stated)
        self.usage = self._sum(begun=1)

    def cut(self) -> Usage:
        """See `spoken.Tap`."""
        return self._sum(begun=0) or self._asked.nothing

    def _sum(self, *, begun: int) -> Usage | None:
        """What came; an image of which there are previews is `begun` images."""
        made = self._made.copy()
        known = self._tokens or Usage()
        if self._previews:
            made[self._asked.one()] += begun
            prompt = self._asked.prompt_tokens if self._tokens is None else 0
            known = usage.plus(known, Usage(input_text=prompt, output_image=PREVIEW_TOKENS * self._previews))
        if not made and self._tokens is None:
            return None
        return msgspec.structs.replace(known, images=self._asked.made(made), estimated=self._previews > 0)
