"""What is measured: the cases, and how long each takes."""

from dataclasses import dataclass, replace

from load import bodies

KB = 1000
MB = 1000 * KB


@dataclass(frozen=True, slots=True)
class Unary:
    """Closed loop: `connections` clients send a body of `body_bytes` again and again for `seconds`."""

    name: str
    title: str
    connections: int
    body_bytes: int = KB
    seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Streams:
    """Open loop: `streams` in flight, `waves` times over; each of `events` deltas, one each `pace_ms`.

    `memory`: also what a stream holds; only the first case of a fresh process can tell. `spoken`: chunks of speech
    instead of deltas, as bytes that mean nothing to a gateway.
    """

    name: str
    title: str
    streams: int
    pace_ms: int
    waves: int
    events: int = 64
    memory: bool = False
    spoken: bool = False

    @property
    def model(self) -> str:
        """The model whose name is this script."""
        return bodies.paced(self.pace_ms, self.events)


@dataclass(frozen=True, slots=True)
class Stall:
    """One quick stream, and while it runs `times` large bodies: how long does its longest gap get?"""

    name: str
    title: str
    body_bytes: int = 20 * MB
    times: int = 3
    pace_ms: int = 5
    events: int = 600

    @property
    def model(self) -> str:
        """The model of the stream."""
        return bodies.paced(self.pace_ms, self.events)


Case = Unary | Streams | Stall

# In the order they run: memory first, what may leave a backlog behind last.
CASES: tuple[Case, ...] = (
    Streams("sse-200x20", "200 streams, 20 ms", 200, 20, 4, memory=True),
    Streams("sse-50x20", "50 streams, 20 ms", 50, 20, 4),
    Unary("unary-c1", "1 KB, concurrency 1", 1),
    Unary("unary-c32", "1 KB, concurrency 32", 32),
    Unary("unary-c256", "1 KB, concurrency 256", 256),
    Unary("body-100k", "100 KB body, concurrency 8", 8, 100 * KB),
    Unary("body-5m", "5 MB body, concurrency 2", 2, 5 * MB),
    Streams("sse-500x50", "500 streams, 50 ms", 500, 50, 3),
    Streams("speech-200x20", "200 streams of speech, 20 ms", 200, 20, 4, spoken=True),
    Streams("sse-500x20", "500 streams, 20 ms", 500, 20, 4),
    Stall("stall-20m", "20 MB body beside a 5 ms stream"),
)

WARM_UP_SECONDS = 2.0
WARM_UP = Streams("warm-up", "", 10, 20, 1)


def streamed_models(cases: tuple[Case, ...]) -> tuple[str, ...]:
    """The models the streaming upstream must be known by, each once."""
    return tuple(dict.fromkeys(case.model for case in (WARM_UP, *cases) if not isinstance(case, Unary)))


def quick(case: Case) -> Case:
    """The same case, short: a smoke run."""
    match case:
        case Unary():
            return replace(case, seconds=1.0)
        case Streams():
            return replace(case, waves=2)
        case Stall():
            return replace(case, times=1, events=300)
