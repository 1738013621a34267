"""What a run found: every figure of every round, and the medians that are reported."""

import datetime as dt
import json
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from machine import Machine

START = "start"
"""The case every start belongs to: start-up time and idle memory."""


@dataclass(slots=True)
class Entrant:
    """A contender as it took part; `trouble` says why it has no (or not all) figures."""

    title: str
    version: str
    trouble: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Record:
    """`rounds[round][contender][case][figure]`."""

    began: str
    machine: Machine
    versions: dict[str, str]
    quick: bool
    entrants: dict[str, Entrant] = field(default_factory=dict)
    cases: dict[str, str] = field(default_factory=dict)
    rounds: list[dict[str, dict[str, dict[str, float]]]] = field(default_factory=list)

    @classmethod
    def begin(cls, versions: dict[str, str], *, quick: bool) -> "Record":
        """An empty record of now and here."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        return cls(now, Machine.here(), versions, quick)

    def samples(self, contender: str, case: str, figure: str) -> Iterator[float]:
        """That figure of every round that has it."""
        for each in self.rounds:
            value = each.get(contender, {}).get(case, {}).get(figure)
            if value is not None and value == value:  # noqa: PLR0124 - not a number
                yield value

    def median(self, contender: str, case: str, figure: str) -> float | None:
        """The median over the rounds; None when no round has the figure."""
        samples = list(self.samples(contender, case, figure))
        return statistics.median(samples) if samples else None

    def worst(self, contender: str, case: str, figure: str) -> float | None:
        """The largest over the rounds: for counts that must be zero."""
        return max(self.samples(contender, case, figure), default=None)

    def foreign(self) -> float | None:
        """The median share of the gateway's core that went to neither gateway nor idling: a noisy machine."""
        shares = [
            figures["foreign"]
            for each in self.rounds
            for cases in each.values()
            for figures in cases.values()
            if "foreign" in figures
        ]
        return statistics.median(shares) if shares else None

    def added(self, contender: str, case: str, figure: str) -> float | None:
        """The median less that of no gateway at all."""
        mine, direct = self.median(contender, case, figure), self.median("direct", case, figure)
        return None if mine is None or direct is None else mine - direct

    def ratio(self, contender: str, other: str, case: str, figure: str) -> float | None:
        """The median as a multiple of another contender's."""
        mine, theirs = self.median(contender, case, figure), self.median(other, case, figure)
        return None if mine is None or not theirs else mine / theirs

    def save(self, path: Path) -> None:
        """As JSON, with the medians beside the rounds."""
        medians = {
            name: {
                case: {
                    figure: self.median(name, case, figure)
                    for each in self.rounds[:1]
                    for figure in each.get(name, {}).get(case, {})
                }
                for case in (START, *self.cases)
            }
            for name in self.entrants
        }
        path.write_text(json.dumps({**asdict(self), "medians": medians}, indent=1) + "\n")
