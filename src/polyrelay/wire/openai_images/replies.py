"""How the answer to a call for images is taken: whole, or as a stream."""

from polyrelay.exchange.call import Call
from polyrelay.exchange.operation import Operation
from polyrelay.exchange.usage import Usage
from polyrelay.kernel import bounds
from polyrelay.wire import charge
from polyrelay.wire.openai_images import answer, events
from polyrelay.wire.openai_images.tap import ImageTap
from polyrelay.wire.openai_images.usage import Asked
from polyrelay.wire.spoken import EVENTS, JSON, AnyReply, EventReply, Price, Seen, WholeReply


class Whole(WholeReply):
    """One JSON body."""

    media = frozenset({JSON})

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    def observe(self, body: bytes) -> Seen:
        """See `answer.observe`."""
        return answer.observe(body, self._asked)

    def observe_tail(self, tail: bytes) -> Usage | None:
        """See `answer.tail_usage`."""
        return answer.tail_usage(tail, self._asked)

    def cut(self) -> Usage:
        """Nobody can read the images in half of an object."""
        return self._asked.nothing

    def rendered(self, body: bytes, cost: bytes | None) -> bytes:
        """The vendor's own bytes, with the charge when it is asked for."""
        return body if cost is None else charge.with_cost(body, cost)

    def media_type(self, stated: bytes) -> bytes:
        """JSON, however the vendor called it."""
        del stated
        return JSON


class Retold(Whole):
    """The same, told as events."""

    rewritten = True
    kept_bytes = bounds.IMAGE_FRAME_BYTES

    def __init__(self, asked: Asked, prefix: str) -> None:
        super().__init__(asked)
        self._prefix = prefix

    def rendered(self, body: bytes, cost: bytes | None) -> bytes:
        """See `events.of`."""
        return events.of(super().rendered(body, cost), self._prefix)

    def media_type(self, stated: bytes) -> bytes:
        """Events."""
        del stated
        return EVENTS


class Stream(EventReply):
    """Previews and images as events."""

    frame_bytes = bounds.IMAGE_FRAME_BYTES

    def __init__(self, asked: Asked, operation: Operation) -> None:
        self._asked = asked
        self.whole = Retold(asked, "image_edit" if operation is Operation.IMAGE_EDIT else "image_generation")

    def tap(self, price: Price | None) -> ImageTap:
        """A tap for one answer."""
        return ImageTap(self._asked, price)


def of(call: Call, asked: Asked, operation: Operation) -> AnyReply:
    """How the answer to `call` is taken."""
    return Stream(asked, operation) if call.stream else Whole(asked)
