"""Unpredictable bytes, drawn from the system in large sips."""

import os

SIP_BYTES = 4096
"""One system call for 512 ids."""


class Entropy:
    """Callable: `entropy(n)` gives n bytes that were never given before. Not to be shared with a forked process."""

    def __init__(self) -> None:
        self._bytes = b""
        self._position = 0

    def __call__(self, count: int) -> bytes:
        """The next `count` bytes, at most SIP_BYTES."""
        start = self._position
        end = start + count
        if end > len(self._bytes):
            self._bytes = os.urandom(SIP_BYTES)
            start, end = 0, count
        self._position = end
        return self._bytes[start:end]
