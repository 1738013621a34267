"""Choices that look arbitrary and are not: all of them follow from a key."""

from hashlib import blake2b


class Dice:
    """An endless row of numbers, the same for the same `key` on every machine and Python version."""

    def __init__(self, key: bytes) -> None:
        self._key = blake2b(key, digest_size=32).digest()
        self._block = 0
        self._pool = b""

    def below(self, bound: int) -> int:
        """A number from 0 to `bound` - 1."""
        return int.from_bytes(self._take(6)) % bound

    def hex(self, digits: int) -> str:
        """So many hexadecimal digits, at most 64."""
        return self._take((digits + 1) // 2).hex()[:digits]

    def _take(self, size: int) -> bytes:
        while len(self._pool) < size:
            self._pool += blake2b(self._block.to_bytes(8), key=self._key).digest()
            self._block += 1
        taken, self._pool = self._pool[:size], self._pool[size:]
        return taken
