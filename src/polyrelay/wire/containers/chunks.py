"""Files of chunks that follow each other, each with a name, a length and content, as RIFF's relatives have them."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from polyrelay.wire.containers.media import Media


class Layout(NamedTuple):
    """`name` and `size` are how many bytes a chunk's head has for them, `order` that of the second. `inclusive`: the
    length counts the head as well. Chunks begin at multiples of `align` bytes. `sound` is the name of the one that
    holds it, and goes on to the file's end where its length is 0 or absurd: who writes to a pipe does not know it.
    """

    name: int
    size: int
    order: Literal["big", "little"]
    inclusive: bool
    align: int
    sound: bytes


class Chunk(NamedTuple):
    """Where its content begins, and how much of that is in the file."""

    name: bytes
    start: int
    size: int


def walk(media: Media, at: int, layout: Layout) -> Iterator[Chunk]:
    """The chunks from `at` on. Ends where there are no more, or what is there is none."""
    head_bytes = layout.name + layout.size
    while len(head := media.read(head_bytes, at)) == head_bytes:
        name = head[: layout.name]
        size = int.from_bytes(head[layout.name :], layout.order) - (head_bytes if layout.inclusive else 0)
        at += head_bytes
        rest = max(media.size - at, 0)
        if name == layout.sound and not 0 < size <= rest:
            size = rest
        if size < 0:
            return
        yield Chunk(name, at, min(size, rest))
        at += size + -size % layout.align
