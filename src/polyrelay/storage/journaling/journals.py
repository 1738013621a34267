"""The folder of journals: `WORKER.0000`, `WORKER.0001`, …, the segments of each worker of this machine."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from polyrelay.service.journals import Frames
from polyrelay.storage import folder
from polyrelay.storage.journaling import journal
from polyrelay.storage.journaling.journal import Adopted, Journal, Sync

FOLDER = "journals"
DAMAGED = ".damaged"
"""What a file's name ends in when its worker was given up: evidence, read by nobody."""

_NAME = re.compile(r"(wk_[0-9a-f]+)\.([0-9]{4,})")


def listed(place: Path) -> list[tuple[str, int, Path]]:
    """Worker, number and path of every segment in the folder, by worker and number."""
    found = ((_NAME.fullmatch(path.name), path) for path in place.iterdir())
    return sorted((match.group(1), int(match.group(2)), path) for match, path in found if match)


class LeftBehind:
    """Implements the port `Estate`."""

    def __init__(self, worker: str, files: dict[int, Adopted]) -> None:
        self.worker = worker
        self._files = files

    def __bool__(self) -> bool:
        """Whether there is any segment."""
        return bool(self._files)

    def segments(self) -> Sequence[tuple[int, Frames]]:
        """Number and records of each segment, in order."""
        return [(number, file.read()) for number, file in sorted(self._files.items())]

    def remove(self) -> None:
        """Delete every segment, the oldest first."""
        for _, file in sorted(self._files.items()):
            file.remove()

    def set_aside(self) -> list[Path]:
        """Rename every segment to `*.damaged`, which nobody adopts; their new paths."""
        return [file.rename(DAMAGED) for _, file in sorted(self._files.items())]

    def close(self) -> None:
        """Give up the locks."""
        for file in self._files.values():
            file.close()


class JournalFolder:
    """Implements the port `Journals` for a data folder."""

    def __init__(self, data: Path, sync: Sync) -> None:
        self._folder = data / FOLDER
        self._sync: Sync = sync
        folder.prepare(self._folder)

    def path(self, worker: str) -> str:
        """Absolute, for the books."""
        return str((self._folder / worker).absolute())

    def create(self, worker: str, segment: int) -> Journal:
        """Make a segment. Raises `journal.JournalError`."""
        return Journal.create(self._file(worker, segment), sync=self._sync)

    def has(self, worker: str) -> bool:
        """See `Journals`."""
        return any(owner == worker for owner, _, _ in listed(self._folder))

    def estates(self) -> Iterator[LeftBehind]:
        """Adopt what no living process holds, worker by worker. A worker is adopted with all its segments or not."""
        for worker, found in groupby(listed(self._folder), key=lambda each: each[0]):
            adopted = self._adopt(worker, [segment for _, segment, _ in found])
            if adopted is not None:
                yield adopted

    def adopt(self, worker: str) -> LeftBehind | None:
        """What a worker left, which may be nothing; None when somebody holds it. Raises `journal.JournalError`."""
        return self._adopt(worker, [segment for owner, segment, _ in listed(self._folder) if owner == worker])

    def _adopt(self, worker: str, segments: list[int]) -> LeftBehind | None:
        files: dict[int, Adopted] = {}
        for segment in segments:
            file = journal.adopt(self._file(worker, segment))
            if file is None:
                LeftBehind(worker, files).close()
                return None
            files[segment] = file
        return LeftBehind(worker, files)

    def _file(self, worker: str, segment: int) -> Path:
        return self._folder / f"{worker}.{segment:04d}"
