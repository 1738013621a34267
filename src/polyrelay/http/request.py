"""One request as it comes in: its head, and its body in pieces."""

from collections.abc import Mapping

from polyrelay.http.context import LaneSettings
from polyrelay.http.spool import Arrival
from polyrelay.kernel.errors import Refusal

Head = Mapping[bytes, bytes]
"""Headers by lower-case name; of repeated ones the last."""

SMALL_PIECE = 4096
"""Bytes. Smaller pieces of a body are gathered, so that a trickle of tiny ones cannot cost a bytes object each."""

GATHERED = 64 * 1024
"""Bytes of small pieces gathered before they count as one large piece."""


class Request:
    """A request from its head on.

    `arrived` is monotonic seconds at the first byte; `surface` the relay surface of the path, None for everything that
    the ASGI application answers; `refusal` why it will not be served; `announced` the content-length, 0 without one;
    `received` body bytes that came, `held` those that are kept; `boundary` the one of a body that is a form, and then
    `arrival` what has come of it.
    """

    surface: str | None = None
    refusal: Refusal | None = None
    keep_alive = False
    legacy = False
    """HTTP/1.0: no chunked answers, and `connection: keep-alive` must be said."""
    lingers = False
    """The client may still be sending what nobody will read: tell it before closing."""
    expecting = False
    """Waits for `100 Continue`."""
    origin_lines = b""
    """CORS header lines for the answer."""
    boundary: str | None = None
    arrival: Arrival | None = None
    announced = 0
    received = 0
    held = 0

    def __init__(
        self,
        settings: LaneSettings,
        method: bytes = b"",
        url: bytes = b"",
        headers: list[tuple[bytes, bytes]] | None = None,
        head: Head | None = None,
        arrived: float = 0.0,
    ) -> None:
        self.settings = settings
        self.method = method
        self.path, _, self.query = url.partition(b"?")
        self.headers: list[tuple[bytes, bytes]] = [] if headers is None else headers
        self.head: Head = {} if head is None else head
        self.arrived = arrived
        if b"content-length" in self.head:
            self.announced = int(self.head[b"content-length"])
        self._large: list[bytes] = []
        self._small = bytearray()

    def add(self, piece: bytes) -> None:
        """Keep the next bytes of the body."""
        self.held += len(piece)
        if len(piece) < SMALL_PIECE and self._large:
            self._small += piece
            if len(self._small) < GATHERED:
                return
            piece = b""
        if self._small:
            self._large.append(bytes(self._small))
            self._small.clear()
        if piece:
            self._large.append(piece)

    def take_body(self) -> bytes:
        """The whole body, joined once; the pieces are let go, and `held` still counts them. Empty for a form."""
        large = self._large
        if self._small:
            large.append(bytes(self._small))
        self._large = []
        self._small = bytearray()
        return large[0] if len(large) == 1 else b"".join(large)

    def let_go(self) -> int:
        """Forget the body; returns how many bytes were held. A form counts itself."""
        self._large = []
        self._small = bytearray()
        arrival, self.arrival = self.arrival, None
        if arrival is not None:
            arrival.drop()
        held, self.held = self.held, 0
        return held
