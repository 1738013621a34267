"""Journals as an onlooker reads them: without their locks, while relays append."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from polyrelay.kernel.errors import PolyrelayError
from polyrelay.ledger import entries
from polyrelay.ledger.audit import End, Offence, Transcribed
from polyrelay.ledger.entries import Held, Settled, UnreadableEntry, Voided
from polyrelay.storage.journaling import journal, journals
from polyrelay.storage.journaling.journals import FOLDER


def read(data: Path) -> tuple[Sequence[Transcribed], Sequence[Offence]]:
    """The journals of a data folder, and an offence for each that cannot be read. Blocks."""
    segments: dict[str, list[tuple[int, Path]]] = {}
    place = data / FOLDER
    for worker, number, path in journals.listed(place) if place.exists() else ():
        segments.setdefault(worker, []).append((number, path))
    found: list[Transcribed] = []
    offences: list[Offence] = []
    for worker, files in segments.items():
        try:
            found.append(_transcribe(worker, files))
        except (PolyrelayError, UnreadableEntry) as error:
            offences.append(Offence("journal", worker, str(error)))
    return found, offences


def _transcribe(worker: str, files: Sequence[tuple[int, Path]]) -> Transcribed:
    ends: list[End] = []
    held: dict[str, None] = {}
    for segment, path in files:
        for offset, entry in _entries(path):
            match entry:
                case Held():
                    held[entry.exchange] = None
                case Settled():
                    held.pop(entry.exchange, None)
                    ends.append(End(entry.exchange, segment, offset, entry.at, entry.amount + entry.short))
                case Voided():
                    held.pop(entry.exchange, None)
                    ends.append(End(entry.exchange, segment, offset, entry.at, 0))
                case _:
                    pass
    return Transcribed(worker, ends, tuple(held))


def _entries(path: Path) -> Iterator[tuple[int, entries.Entry]]:
    """Nothing when the file has gone: it was posted and removed since the folder was listed."""
    try:
        yield from entries.read(journal.read_from(path))
    except journal.JournalError:
        if path.exists():
            raise
