"""What the product promised itself, and whether this run shows it."""

from collections.abc import Iterator
from dataclasses import dataclass

from record import START, Record

US = "polyrelay"
UNARY_CASES = ("unary-c1", "unary-c32", "unary-c256")
STREAM_CASES = ("sse-50x20", "sse-200x20", "sse-500x50", "sse-500x20", "speech-200x20")
PROMISED_STREAMS = ("sse-200x20", "sse-500x50", "speech-200x20")
NAGLE_MS = (35.0, 50.0)
"""A delayed acknowledgement takes 40 ms on Linux: an added time in this band is Nagle's algorithm, not work."""


@dataclass(frozen=True, slots=True)
class Goal:
    """One promise: the figure found (None: not measured in this run), and the bound it must keep."""

    promise: str
    found: float | None
    bound: float
    at_least: bool = False
    unit: str = ""

    @property
    def verdict(self) -> str:
        """`reached`, `missed` with the distance, or `not measured`."""
        if self.found is None:
            return "not measured"
        reached = self.found >= self.bound if self.at_least else self.found <= self.bound
        if reached:
            return "reached"
        if not self.bound:
            return "**missed**"
        return f"**missed** by {abs(self.found / self.bound - 1):.0%}"


def goals(record: Record) -> Iterator[Goal]:
    """Every promise with what this run found."""
    yield from _costs(record)
    yield from _streams(record)
    cliffs = None if record.median(US, UNARY_CASES[0], "p99_ms") is None else len(cliffs_of(record, US))
    yield Goal("no 40 ms cliff (cases with one)", cliffs, 0)
    first = record.median(US, START, "first_answer_seconds")
    yield Goal("ready to relay within 1 s", first, 1.0, unit=" s")
    yield Goal("RSS idle before the control plane", record.median(US, START, "rss_idle_mb"), 80, unit=" MB")
    yield Goal("RSS idle after it", record.median(US, START, "rss_idle_after_mb"), 120, unit=" MB")


def _costs(record: Record) -> Iterator[Goal]:
    for case in UNARY_CASES:
        title = record.cases.get(case, case)
        yield Goal(f"CPU per request <= 4 x nginx ({title})", record.ratio(US, "nginx", case, "cpu_us"), 4, unit=" x")
        yield Goal(
            f"CPU per request <= 1/2 of TensorZero's ({title})",
            record.ratio(US, "tensorzero", case, "cpu_us"),
            0.5,
            unit=" x",
        )
        yield Goal(
            f"requests per second >= 50 x LiteLLM's ({title})",
            record.ratio(US, "litellm", case, "rps"),
            50,
            at_least=True,
            unit=" x",
        )


def _streams(record: Record) -> Iterator[Goal]:
    for case in STREAM_CASES[:3]:
        title = record.cases.get(case, case)
        ratio = record.ratio(US, "nginx", case, "cpu_us")
        yield Goal(f"CPU per SSE event <= 2.5 x nginx ({title})", ratio, 2.5, unit=" x")
    for case in PROMISED_STREAMS:
        title = record.cases.get(case, case)
        yield Goal(f"no dropped frame ({title}, worst round)", record.worst(US, case, "dropped"), 0)
        yield Goal(f"added p99 gap <= 5 ms ({title})", record.added(US, case, "stretch_p99_ms"), 5, unit=" ms")
        yield Goal(
            f"added p99 delay of an event <= 5 ms ({title})", record.added(US, case, "transit_p99_ms"), 5, unit=" ms"
        )


def cliffs_of(record: Record, contender: str) -> list[str]:
    """The lightly loaded cases in which the contender's added time lies in Nagle's band."""
    seen = []
    for case, figure in (
        ("unary-c1", "p50_ms"),
        ("unary-c1", "p99_ms"),
        ("sse-50x20", "first_p50_ms"),
        ("sse-50x20", "first_p99_ms"),
        ("sse-50x20", "transit_p99_ms"),
    ):
        added = record.added(contender, case, figure)
        if added is not None and NAGLE_MS[0] <= added <= NAGLE_MS[1]:
            seen.append(f"{case} {figure} {added:.1f}")
    return seen
