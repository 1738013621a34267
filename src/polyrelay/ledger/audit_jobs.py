"""The proof of what jobs hold: see `audit`, whose rules these belong to. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from polyrelay.kernel import money
from polyrelay.ledger.audit import Offence


@dataclass(frozen=True, slots=True)
class JobStand:
    """A job beside its exchange. `open` is what its state says, `pays` whether that state is one that was charged.

    `held` is nanos in each of its meters, `booked` what its exchange says was held; `posted` whether there is an
    exchange, `charged` whether that charges anything, be it zero.
    """

    id: str
    state: str
    open: bool
    pays: bool
    finished_at: float | None
    held: int
    posted: bool
    charged: bool
    booked: int


def job(found: JobStand, kept_since: float) -> Iterator[Offence]:
    """What is wrong with a job; exchanges that ended before `kept_since` (Unix seconds) may have been deleted."""
    if found.open != (found.finished_at is None):
        yield Offence("job", found.id, f"is {found.state}, but its end is at {found.finished_at}")
    if found.open and found.posted:
        yield Offence("job", found.id, f"is {found.state}, but its exchange is in the books")
    if found.open or found.finished_at is None:
        return
    if not found.posted:
        if found.finished_at >= kept_since:
            yield Offence("job", found.id, f"is {found.state}, but its exchange is not in the books")
    elif found.charged != found.pays:
        yield Offence("job", found.id, f"is {found.state}, but {'was' if found.charged else 'was not'} charged")
    elif found.charged and found.booked != found.held:
        held, booked = money.show(found.held), money.show(found.booked)
        yield Offence("job", found.id, f"held {held}, but its exchange says {booked}")


def holds(sliced: Mapping[str, int], held: Mapping[str, int]) -> Iterator[Offence]:
    """Meters of which jobs have other slices than their open ones hold, in nanos by the meters' ids."""
    for meter in sorted({*sliced, *held}):
        slices, wanted = sliced.get(meter, 0), held.get(meter, 0)
        if slices != wanted:
            shown = f"jobs have slices of {money.show(slices)}, the open ones hold {money.show(wanted)}"
            yield Offence("hold", meter, shown)
