"""What every protocol of the fast lane gives the service: a request that was read, and how its answer is to be taken.

A surface reads a request once; each attempt asks the request what to send to its upstream, and gets with it the `Reply`
that understands the answer of that upstream. Reply and tap hold no socket and no clock.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

import msgspec

from polyrelay.exchange.call import Call
from polyrelay.exchange.operation import Operation
from polyrelay.exchange.upload import Stream, Upload
from polyrelay.exchange.usage import Usage
from polyrelay.kernel import bounds
from polyrelay.kernel.errors import Refusal
from polyrelay.wire.multipart.form import Form

Price = Callable[[Usage], bytes]
"""What a usage is charged, as a JSON number."""

HeaderPairs = tuple[tuple[bytes, bytes], ...]

JSON = b"application/json"
EVENTS = b"text/event-stream"

MEASURED_BYTES = 64 * 1024
"""Of the beginning and the end of an answer that passes: the heads of media containers, and what closes them."""


class Incoming(Protocol):
    """What a surface reads: a request whose body is complete."""

    @property
    def body(self) -> bytes:
        """All of it."""
        ...

    @property
    def query(self) -> bytes:
        """What follows the question mark, as it came."""
        ...

    @property
    def form(self) -> Form | None:
        """The parts of a multipart body, whose bytes are in `upload`."""
        ...

    @property
    def upload(self) -> Upload | None:
        """The bytes of a multipart body, which then are not in `body`."""
        ...


class Upstream(Protocol):
    """What a request must know of the upstream it is written for."""

    @property
    def takes_stream_options(self) -> bool:
        """Whether `stream_options.include_usage` may be asked of it."""
        ...

    @property
    def cap_field(self) -> str:
        """Under which name it is told an output cap that the client did not set."""
        ...

    @property
    def only_cap_field(self) -> bool:
        """Whether it overlooks caps of the other name."""
        ...

    @property
    def scripts(self) -> frozenset[str]:
        """Always-on scripts of a Stable Diffusion server that clients may use, in lower case."""
        ...


class Seen(msgspec.Struct, frozen=True, gc=False):
    """What a whole answer says.

    `error`: it is an error in spite of its status. `garbled`: it is not what the protocol says. `empty`: there is no
    body, or nothing in it that anybody asked for. `content_bytes`: UTF-8 bytes of generated text.
    """

    usage: Usage | None = None
    finish: str | None = None
    content_bytes: int = 0
    error: bool = False
    empty: bool = False
    garbled: bool = False


class Tap(Protocol):
    """Takes the chunks of an event stream, gives the bytes to forward, and remembers what went by.

    `meaningful`: a frame was seen that commits the answer. `error`: payload of the first error frame. `garbled`: a
    frame was not JSON. `terminator`: the frame that ends the stream, kept back because the books are written before it
    leaves; whatever follows it is dropped.
    """

    @property
    def usage(self) -> Usage | None: ...  # noqa: D102 - the last usage stated
    @property
    def finish(self) -> str | None: ...  # noqa: D102 - the last finish reason
    @property
    def content_bytes(self) -> int: ...  # noqa: D102 - UTF-8 bytes of generated text
    @property
    def meaningful(self) -> bool: ...  # noqa: D102 - see above
    @property
    def error(self) -> bytes | None: ...  # noqa: D102
    @property
    def garbled(self) -> bool: ...  # noqa: D102
    @property
    def terminator(self) -> bytes | None: ...  # noqa: D102

    @property
    def held_bytes(self) -> int:
        """Of frames that are not complete, or kept back."""
        ...

    @property
    def final(self) -> bool:
        """Whether an event was seen after which none is due, though the stream has not been closed yet."""
        ...

    def cut(self) -> Usage | None:
        """What is charged when the upstream breaks off here; None: what the request says of the content bytes."""
        ...

    def feed(self, chunk: bytes) -> bytes:
        """The bytes to forward now. Raises `sse.FrameTooLongError`."""
        ...

    def close(self) -> bytes:
        """The bytes of a frame the upstream left incomplete, empty when it ended cleanly; may find the terminator."""
        ...


class Reply:
    """How the answer to one attempt is taken; one of the three below.

    `media` are the media types it may have, whole or as a family (`audio/`), empty for any; an answer that names none
    gets the benefit of the doubt. `rejections` are statuses that blame the request, besides those of every protocol.
    `passed` are headers of a whole answer that the client gets as well, by lower-case name.
    """

    media: frozenset[bytes] = frozenset()
    rejections: frozenset[int] = frozenset()
    passed: frozenset[bytes] = frozenset()

    def blames(self, status: int, body: bytes) -> bool:
        """Whether a rejection with this body does blame the request, and not the channel. Never raises."""
        del status, body
        return True

    def words(self, body: bytes) -> str | None:
        """What a rejection with this body says, where the upstream's protocol is not the client's. Never raises."""
        del body
        return None


class WholeReply(Reply, ABC):
    """One body, to be judged before any of it leaves; passed on as it comes when it is larger than the bound, which is
    `bounds.unary_bytes`, or `kept_bytes` if that is more. One that is `rewritten` is never passed on: what is larger
    is a fault.
    """

    kept_bytes: int = 0
    rewritten: bool = False

    @abstractmethod
    def observe(self, body: bytes) -> Seen:
        """What it says. Never raises."""

    def observe_tail(self, tail: bytes) -> Usage | None:
        """The usage in the last bytes of a body that was passed on; None when unsure. Never raises."""
        del tail
        return None

    def cut(self) -> Usage | None:
        """What is charged for a body that was passed on and broke off; None: what the request says of so many bytes."""
        return None

    def rendered(self, body: bytes, cost: bytes | None) -> bytes:
        """The body for the client, which wants to be told `cost`, a JSON number, when that is set."""
        del cost
        return body

    def media_type(self, stated: bytes) -> bytes:
        """The media type for the client, `stated` by the upstream (empty: not at all)."""
        return stated or JSON

    def headers(self) -> HeaderPairs:
        """Headers of the protocol's own, besides the media type."""
        return ()


class EventReply(Reply, ABC):
    """A stream of events, observed frame by frame.

    `whole` is how one body is taken that comes instead, from an upstream that overlooks that a stream was asked for:
    `rewritten` as events. None where that is a garbled answer. `frame_bytes` is how long a frame may be.
    """

    media = frozenset({EVENTS})
    whole: WholeReply | None = None
    frame_bytes: int = bounds.SSE_FRAME_BYTES

    @abstractmethod
    def tap(self, price: Price | None) -> Tap:
        """A tap for one answer. `price` is set when the client asked for its charge."""


class BytesReply(Reply, ABC):
    """A body that leaves as it comes, from its first byte on."""

    @abstractmethod
    def measure(self, head: bytes, tail: bytes, size: int) -> Usage:
        """What is charged for `size` bytes, of which these are the first and last `MEASURED_BYTES`. Never raises."""

    def cut(self, head: bytes, tail: bytes, size: int) -> Usage:
        """The same when the upstream broke off there: never more than for all of it."""
        return self.measure(head, tail, size)


AnyReply = WholeReply | EventReply | BytesReply


class Sent(msgspec.Struct, frozen=True, gc=False):
    """What goes to the upstream: `operation` says under which path, `query` is added to it.

    `content_type` is None for JSON.
    """

    operation: Operation
    body: bytes | Stream
    reply: AnyReply
    content_type: str | None = None
    query: str = ""


class Request(Protocol):
    """A client's request, read and checked."""

    @property
    def call(self) -> Call:
        """What admission, routing and estimation know of it."""
        ...

    @property
    def operations(self) -> tuple[Operation, ...]:
        """By which operations an upstream can serve it, best first."""
        ...

    def outbound(self, operation: Operation, upstream: Upstream, model: str, cap: int | None) -> Sent:
        """What to send to an upstream that offers `operation` and knows the model as `model`; `cap` is the output in
        tokens per choice that the hold covers, None when it need not be told.

        Raises `errors.Refusal` when the upstream cannot be asked for this.
        """
        ...

    def unstated(self, delivered: int, cap: int | None) -> Usage:
        """What is charged when the upstream states no usage and `delivered` content bytes have left."""
        ...


class Tongue(Protocol):
    """How one protocol says no."""

    def render(self, refusal: Refusal) -> tuple[int, HeaderPairs, bytes]:
        """Status, headers and body of a refusal."""
        ...

    def frame(self, refusal: Refusal) -> bytes:
        """A refusal inside a stream that has begun."""
        ...

    def is_native(self, body: bytes) -> bool:
        """Whether an upstream's error body is in the protocol's own shape."""
        ...
