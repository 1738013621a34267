"""What can be read of a journal that is damaged: everything up to the damage."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from polyrelay.kernel.errors import PolyrelayError
from polyrelay.ledger import entries
from polyrelay.service.bank import Row, Standing
from polyrelay.service.journals import Frames
from polyrelay.service.posting import Transcript


class Salvage(NamedTuple):
    """Rows that are not posted yet, where reading ended in bytes, and why it did; `damage` is None for a whole one."""

    rows: list[Row]
    end: int
    damage: str | None


def salvage(segments: Iterable[tuple[int, Frames]], standing: Standing, transcript: Transcript) -> Salvage:
    """Read on from the beginning, for what was stated there. Holds without an end are booked as recovery does; those
    that the books have already are left out when they are posted.
    """
    rows: list[Row] = []
    end, damage = standing.position, None
    try:
        for end, row in _unposted(segments, standing, transcript):  # noqa: B007 - where it stood when it broke off
            if row is not None:
                rows.append(row)
    except (PolyrelayError, ValueError) as error:
        damage = str(error)
    try:
        rows.extend(transcript.unresolved())
    except PolyrelayError as error:
        damage = damage or str(error)
    return Salvage(rows, max(end, standing.position), damage)


def _unposted(
    segments: Iterable[tuple[int, Frames]], standing: Standing, transcript: Transcript
) -> Iterator[tuple[int, Row | None]]:
    """End offset of each record behind what is posted, and the row it completes."""
    posted = (standing.segment, standing.position)
    for segment, frames in segments:
        for end, payload in frames:
            row = transcript.row(entries.decode(payload))
            if (segment, end) > posted:
                yield end, row
