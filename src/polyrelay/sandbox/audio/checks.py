"""Cyclic redundancy checks, highest bit first, beginning with zero, as FLAC and Ogg want them."""


class Check:
    """A check of 8, 16 or 32 `bits` by its polynomial."""

    def __init__(self, bits: int, polynomial: int) -> None:
        self._mask = (1 << bits) - 1
        self._shift = bits - 8
        self._table = [self._row(byte, polynomial) for byte in range(256)]

    def of(self, data: bytes | bytearray) -> int:
        """The check of these bytes."""
        value, mask, shift, table = 0, self._mask, self._shift, self._table
        for byte in data:
            value = (value << 8 & mask) ^ table[value >> shift ^ byte]
        return value

    def _row(self, byte: int, polynomial: int) -> int:
        value = byte << self._shift
        for _ in range(8):
            carried = value << 1
            value = carried ^ polynomial if carried & self._mask + 1 else carried
        return value & self._mask
