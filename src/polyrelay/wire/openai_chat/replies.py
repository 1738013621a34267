"""How the answer to a chat completion is taken: whole, or as a stream."""

from polyrelay.exchange.usage import Usage
from polyrelay.wire import charge
from polyrelay.wire.openai_chat import answer
from polyrelay.wire.openai_chat.tap import StreamTap
from polyrelay.wire.spoken import JSON, EventReply, Price, Seen, WholeReply


class Whole(WholeReply):
    """One JSON body."""

    media = frozenset({JSON})

    def observe(self, body: bytes) -> Seen:
        """See `answer.observe`."""
        return answer.observe(body)

    def observe_tail(self, tail: bytes) -> Usage | None:
        """See `answer.tail_usage`."""
        return answer.tail_usage(tail)

    def rendered(self, body: bytes, cost: bytes | None) -> bytes:
        """The vendor's own bytes, with the charge when it is asked for."""
        return body if cost is None else charge.with_cost(body, cost)

    def media_type(self, stated: bytes) -> bytes:
        """JSON, however the vendor called it."""
        del stated
        return JSON


class Stream(EventReply):
    """Chunks as events. `strip_usage` withholds usage that the client did not ask for."""

    def __init__(self, *, strip_usage: bool) -> None:
        self._strip_usage = strip_usage

    def tap(self, price: Price | None) -> StreamTap:
        """A tap for one answer."""
        return StreamTap(strip_usage=self._strip_usage, price=price)


WHOLE = Whole()
STREAM = Stream(strip_usage=False)
STRIPPED_STREAM = Stream(strip_usage=True)
