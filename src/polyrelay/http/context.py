"""What all connections of one server share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from polyrelay.http.peers import Forwarding
from polyrelay.http.ports import Relay
from polyrelay.http.watch import Watch
from polyrelay.settings.bounds import Bounds
from polyrelay.settings.root import CorsSettings
from polyrelay.wire.registry import Surface


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """One configuration of the fast lane; a reload makes a new one and a request keeps the one it began with."""

    relay: Relay
    routes: Mapping[str, Surface]
    """Relay surfaces by the path they are posted to."""
    bounds: Bounds = Bounds()
    cors: CorsSettings = CorsSettings()
    forwarded_networks: tuple[str, ...] = ()
    plain_surface: str = "openai_chat"
    """The surface whose error shape answers requests that belong to none, such as unparsable ones."""
    surfaces: Mapping[bytes, Surface] = field(init=False)
    """`routes` by path as on the wire."""
    forwarding: Forwarding = field(init=False)
    """`forwarded_networks`, parsed; making it raises ValueError for what is no CIDR."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "surfaces", {path.encode(): each for path, each in self.routes.items()})
        object.__setattr__(self, "forwarding", Forwarding(self.forwarded_networks))


class Closable(Protocol):
    """An open exchange's answer, at shutdown."""

    def shut(self) -> None:
        """The drain deadline has passed: end honestly, now."""
        ...


class LaneContext:
    """The settings in force and the gauges of one event loop."""

    def __init__(self, settings: LaneSettings, spool: Path | None = None) -> None:
        """`spool` is the folder where large forms wait, without a name; None for the system's temporary one."""
        self.settings = settings
        """Assign to reload: requests whose head has come keep the old value."""
        self.spool = spool
        self.bytes_in_flight = 0
        """Request body bytes held in memory by all connections: being read, waiting their turn or being answered."""
        self.bytes_spooled = 0
        """The same on disk."""
        self.exchanges: set[Closable] = set()
        """Answers of open exchanges: the drain list."""
        self.draining = False
        """No connection is kept alive any more."""
        self.watch = Watch(lambda: self.settings.bounds)
        self._fixed: tuple[list[tuple[bytes, bytes]], bytes] | None = None

    def fixed_lines(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """Header lines of `headers`, which uvicorn replaces by a new list every second for the date."""
        if self._fixed is None or self._fixed[0] is not headers:
            self._fixed = (headers, b"".join([b"%b: %b\r\n" % header for header in headers]))
        return self._fixed[1]

    def shut_exchanges(self) -> None:
        """Tell every open exchange that the drain deadline has passed."""
        for answer in tuple(self.exchanges):
            answer.shut()
