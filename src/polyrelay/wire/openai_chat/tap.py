"""Observes an upstream's chat stream while its bytes pass, and withholds what the client did not ask for."""

from msgspec import UNSET

from polyrelay.exchange.usage import Usage
from polyrelay.kernel import bounds
from polyrelay.wire import charge, members, sse
from polyrelay.wire.openai_chat import reply, usage
from polyrelay.wire.spoken import Price

_DONE = b"[DONE]"
_NULL_USAGE_END = b',"usage":null}'
_LINE_FRAME_BYTES = len(b"data: \n\n")


class StreamTap:
    """Takes the upstream's chunks, gives the bytes to forward, and remembers what went by.

    `meaningful`: a frame was seen that commits the answer: it carries more than a role. `error`: payload of the first
    error frame; `error_first`: it came before anything meaningful. `garbled`: a data frame was not a JSON object.
    `finish`: the last finish reason. `usage`: the last usage stated, zeros aside.
    `content_bytes`: UTF-8 bytes of generated text.
    `terminator`: the `[DONE]` frame, kept back because the books are written before it leaves; whatever follows it is
    dropped. How the bytes are split into chunks changes neither the output nor what is observed.
    """

    __slots__ = (
        "_finished",
        "_framer",
        "_price",
        "content_bytes",
        "error",
        "error_first",
        "finish",
        "garbled",
        "meaningful",
        "strip_usage",
        "terminator",
        "usage",
    )

    def __init__(self, *, strip_usage: bool, price: Price | None = None) -> None:
        """`strip_usage` withholds usage chunks and removes top-level `usage` members: the client did not ask.

        `price`, for a client that asked for its charge, gives the charge for the usage so far as a JSON number; every
        frame that states usage leaves with it as `usage.cost`, the last such frame with the charge that is booked.
        """
        self.strip_usage = strip_usage
        self._price = price
        self.meaningful = False
        self.error: bytes | None = None
        self.error_first = False
        self.garbled = False
        self.finish: str | None = None
        self.usage: Usage | None = None
        self.content_bytes = 0
        self.terminator: bytes | None = None
        self._finished: set[int] = set()
        self._framer = sse.Framer()

    @property
    def final(self) -> bool:
        """Never: a chat stream says `[DONE]`."""
        return False

    @property
    def held_bytes(self) -> int:
        """Those of a frame that is not complete."""
        return len(self._framer.pending)

    @property
    def done(self) -> bool:
        """Whether the upstream said `[DONE]`."""
        return self.terminator is not None

    @property
    def finished_choices(self) -> int:
        """How many choices have a finish reason."""
        return len(self._finished)

    def cut(self) -> Usage | None:
        """What was stated; else the text that came counts, as when a client leaves."""
        return self.usage

    def feed(self, chunk: bytes) -> bytes:
        """The bytes to forward now: whole frames, and the very chunk when it is that and nothing is withheld.

        Raises `sse.FrameTooLongError`.
        """
        if self.terminator is not None:
            return b""
        data = None if self._framer.pending or len(chunk) > bounds.SSE_FRAME_BYTES else sse.data_line(chunk)
        if data is not None:
            return self._data(chunk, data, None)
        kept = b"".join([self._frame(frame) for frame in self._framer.feed(chunk)])
        return chunk if kept == chunk else kept

    def close(self) -> bytes:
        """The bytes of a frame the upstream left incomplete, empty when it ended cleanly.

        A last `[DONE]` line is taken for the terminator though its blank line never came.
        """
        rest = bytes(self._framer.pending)
        if not rest.strip() or self.terminator is not None:
            return b""
        if (sse.fields(rest)[1] or b"").strip() == _DONE:
            self.terminator = b"data: [DONE]\n\n"
            return b""
        return rest

    def _frame(self, frame: bytes) -> bytes:
        """Observe one frame and return what of it the client gets."""
        if self.terminator is not None:
            return b""
        event, data = sse.fields(frame)
        return self._data(frame, data, event) if data else frame

    def _data(self, frame: bytes, data: bytes, event: bytes | None) -> bytes:
        seen = reply.read(data)
        if seen is None:
            return self._not_json(frame, data)
        for choice in seen.choices or ():
            if choice.delta is not None:
                self.content_bytes += reply.text_bytes(choice.delta)
            if choice.finish_reason is not None:
                self.finish = choice.finish_reason
                self._finished.add(choice.index)
        if seen.usage:
            self._note_usage(usage.normalise(seen.usage))
        failed = seen.error is not None or event == b"error"
        if failed:
            if self.error is None:
                self.error, self.error_first = data, not self.meaningful
        elif not self.meaningful:
            self.meaningful = reply.says_something(data)
        return frame if seen.usage is UNSET else self._usage_frame(frame, data, bare=seen.choices == [] and not failed)

    def _usage_frame(self, frame: bytes, data: bytes, *, bare: bool) -> bytes:
        """What the client gets of a frame with a usage member; `bare` when the frame is there for nothing else."""
        if self.strip_usage:
            return b"" if bare else _without_usage(frame, data)
        if self._price is None or self.usage is None:
            return frame
        return sse.replace_data(frame, data, charge.with_cost(data, self._price(self.usage)))

    def _note_usage(self, stated: Usage | None) -> None:
        """Zeros after a real statement are a vendor's placeholder."""
        if stated is not None and (self.usage is None or stated.input_tokens or stated.output_tokens):
            self.usage = stated

    def _not_json(self, frame: bytes, data: bytes) -> bytes:
        text = data.strip()
        if text == _DONE:
            self.terminator = frame
            return b""
        self.garbled = self.garbled or bool(text)
        return frame


def _without_usage(frame: bytes, data: bytes) -> bytes:
    """`frame` without its top-level `usage` member, otherwise byte for byte; as it is when the member is repeated."""
    if data.endswith(_NULL_USAGE_END):
        if len(frame) - len(data) == _LINE_FRAME_BYTES and frame.endswith(b"}\n\n"):
            return frame[: -len(_NULL_USAGE_END) - 2] + b"}\n\n"
        return sse.replace_data(frame, data, data[: -len(_NULL_USAGE_END)] + b"}")
    try:
        spans = members.scan(data)
    except members.UnreadableError:
        return frame
    return sse.replace_data(frame, data, members.splice(data, members.without(spans, ("usage",))))
