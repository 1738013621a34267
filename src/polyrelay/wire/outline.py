"""A large JSON body without its long base64 runs, so that 20 MB of image cost one memchr instead of a parse.

Why cutting is sound. A cut begins right after one of the markers and holds neither a quote nor a backslash.
Each marker ends inside a JSON string, or the text is not JSON with or without the cut: `;base64,` can only stand in a
string, and the three quotes of `"data":"` either open, close and open one (with the first quote escaped: stay, close
and open) or leave a bare `data` or `:` outside of any; likewise the quote of `"iVBORw0KGgo` opens one, is escaped, or
leaves a bare word. Bytes without quote and backslash never leave a string, so the outline is in the same lexical state
before and after a cut, and both texts have the same members.
The cut bytes themselves are not looked at: base64 is the vendor's to judge.
"""

import hashlib
from bisect import bisect_left
from itertools import accumulate, pairwise

import msgspec

OUTLINE_FROM = 256 * 1024
"""Bytes from which an outline is made. Below it the plain parse takes well under a millisecond."""

SHORTEST_CUT = 64 * 1024
"""Bytes a run must have to be cut. Shorter ones cost more to remember than to parse."""

MARKERS = (b";base64,", b'"data":"', b'"data": "')
"""Data URLs (images, files, video) and the `data` member of `input_audio`, compact and spaced."""

BARE_IMAGES = (b";base64,", b'"iVBORw0KGgo', b'"/9j/', b'"UklGR')
"""Data URLs, and strings that are a PNG, JPEG or WebP in base64 from their first character on."""

MOST_MISSES = 4096
"""Markers without a long run after them before cutting is given up: such a body is parsed sooner than outlined."""

_OVERLAP = max(map(len, MARKERS + BARE_IMAGES)) - 1


class Outline(msgspec.Struct, frozen=True, gc=False):
    """`text` is the body without its cuts, `positions` where they were in `text`, `removed` running sums of bytes."""

    text: bytes
    positions: tuple[int, ...] = ()
    removed: tuple[int, ...] = ()

    def locate(self, offset: int) -> int:
        """The body offset of a token boundary in `text`. No boundary lies inside a string, so none lies on a cut."""
        before = bisect_left(self.positions, offset)
        return offset + self.removed[before - 1] if before else offset

    def marked(self) -> "Marked":
        """The outline with a mark at every cut, so that decoded strings tell what was cut from them."""
        mark = hashlib.blake2b(self.text, digest_size=8).hexdigest()
        places = [0, *self.positions, len(self.text)]
        kept = [self.text[start:end] for start, end in pairwise(places)]
        for cut in range(len(self.positions)):
            kept[cut] += f"{mark}{cut}.".encode()
        sums = (0, *self.removed)
        return Marked(b"".join(kept), mark, tuple([after - before for before, after in pairwise(sums)]))


class Marked(msgspec.Struct, frozen=True, gc=False):
    """An outline's `text` where `mark`, the cut's number and a dot stand for every cut. `cuts` are lengths in bytes.

    The mark is a hash of the outline, so nobody can write a body that holds its own mark.
    """

    text: bytes
    mark: str
    cuts: tuple[int, ...]

    def hidden(self, string: str) -> int:
        """How many bytes longer `string`, decoded from `text`, is in the body than here, its marks taken off."""
        hidden = 0
        for piece in string.split(self.mark)[1:]:
            number, dot, _ = piece.partition(".")
            hidden += self.cuts[int(number)] - len(self.mark) - len(number) - len(dot)
        return hidden


def make(body: bytes, markers: tuple[bytes, ...] = MARKERS) -> Outline:
    """The outline of `body`; the body itself when it is small or has nothing to cut. Linear in the body's length."""
    if len(body) < OUTLINE_FROM:
        return Outline(body)
    cuts = _cuts(body, markers)
    if not cuts:
        return Outline(body)
    view = memoryview(body)
    kept = [view[end:start] for (_, end), (start, _) in zip([(0, 0), *cuts], [*cuts, (len(body), 0)], strict=True)]
    return Outline(
        b"".join(kept),
        tuple(accumulate(map(len, kept[:-1]))),
        tuple(accumulate(end - start for start, end in cuts)),
    )


def _cuts(body: bytes, markers: tuple[bytes, ...]) -> list[tuple[int, int]]:
    """Start and end of every run to cut, in order.

    Works in windows no longer than a cut, so that a marker is never searched for inside a long run; the next quote and
    backslash are remembered, so that no input makes it scan the same bytes twice.
    """
    cuts: list[tuple[int, int]] = []
    size = len(body)
    window = quote = backslash = -1
    resume = misses = 0
    while resume < size and misses < MOST_MISSES:
        window, resume = resume, resume + SHORTEST_CUT
        for start in _marks(body, markers, window, resume + _OVERLAP):
            if quote < start:
                quote = _find(body, b'"', start)
            if backslash < start:
                backslash = _find(body, b"\\", start)
            end = min(quote, backslash)
            if end - start >= SHORTEST_CUT:
                cuts.append((start, end))
                resume = end
                break
            misses += 1
    return cuts


def _marks(body: bytes, markers: tuple[bytes, ...], start: int, stop: int) -> list[int]:
    """Where the markers within `start:stop` end, in order."""
    found: list[int] = []
    for marker in markers:
        at = body.find(marker, start, stop)
        while at >= 0:
            found.append(at + len(marker))
            at = body.find(marker, at + len(marker), stop)
    found.sort()
    return found


def _find(body: bytes, byte: bytes, start: int) -> int:
    at = body.find(byte, start)
    return len(body) if at < 0 else at
