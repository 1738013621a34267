"""Notices that a file was replaced or edited."""

from pathlib import Path


class FileWatch:
    """Compares a file's identity, size and time of change with what they were, and waits until an editor is done."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = self._latest = self._stamp()

    def changed(self) -> bool:
        """Whether the file is another one than before, and the same as at the last look: a file that is gone for a
        moment, or half written, does not count yet.
        """
        before, self._latest = self._latest, self._stamp()
        stamp = self._latest
        if stamp is None or stamp == self._seen or stamp != before:
            return False
        self._seen = stamp
        return True

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return None
        return stat.st_ino, stat.st_size, stat.st_mtime_ns
