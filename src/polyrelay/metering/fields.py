"""Reads the fields of a plain document one by one, and names the key of whatever is wrong."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import tzinfo
from typing import TypeVar

from polyrelay.kernel import money
from polyrelay.metering.sheet import BadTariff

T = TypeVar("T")

Zones = Callable[[str], tzinfo]
"""Finds a time zone by its IANA name. Raises `LookupError` or `ValueError` when there is none."""


class Fields:
    """A table at `path`. Each method reads one key; `close` refuses the keys that nobody read."""

    def __init__(self, document: object, path: str = "") -> None:
        if not isinstance(document, Mapping):
            raise BadTariff("must be a table", path)
        self._table: Mapping[str, object] = document
        self._read: set[str] = set()
        self.path = path

    @property
    def names(self) -> tuple[str, ...]:
        """Its keys, in order."""
        return tuple(self._table)

    def key(self, name: str) -> str:
        """The dotted path of a key."""
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        """Whether the key is there; a null counts as absent."""
        self._read.add(name)
        return self._table.get(name) is not None

    def raw(self, name: str) -> object:
        """The value as it stands. Raises `BadTariff` when it is absent."""
        if not self.has(name):
            raise BadTariff("is missing", self.key(name))
        return self._table[name]

    def text(self, name: str, default: str | None = None) -> str:
        """A text that is not empty."""
        if default is not None and not self.has(name):
            return default
        return self._is_text(self.raw(name), self.key(name))

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; empty when absent."""
        return tuple(self._is_text(each, key) for each, key in self._items(name))

    def flag(self, name: str) -> bool:
        """True or false; false when absent."""
        value = self.raw(name) if self.has(name) else False
        if not isinstance(value, bool):
            raise BadTariff("must be true or false", self.key(name))
        return value

    def count(self, name: str) -> int | None:
        """A whole number >= 0; None when absent."""
        if not self.has(name):
            return None
        value = self.raw(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise BadTariff("must be a whole number, 0 or more", self.key(name))
        return value

    def price(self, name: str, parse: Callable[[object], T]) -> T:
        """A decimal string, read by `parse`, which may raise `money.NotMoney`."""
        try:
            return parse(self.raw(name))
        except money.NotMoney as error:
            raise BadTariff(str(error), self.key(name)) from error

    def table(self, name: str) -> "Fields":
        """The table at a key; an empty one when absent."""
        return Fields(self.raw(name) if self.has(name) else {}, self.key(name))

    def tables(self, name: str) -> "tuple[Fields, ...]":
        """A list of tables; empty when absent."""
        return tuple(Fields(each, key) for each, key in self._items(name))

    def close(self) -> None:
        """Raises `BadTariff` for a key that was not read: a typing error must not become a default."""
        if unknown := [name for name in self._table if name not in self._read]:
            known = ", ".join(sorted(self._read))
            raise BadTariff(f"is not known; there are {known}", self.key(str(unknown[0])))

    @contextmanager
    def located(self) -> Iterator[None]:
        """Puts this table's path before that of a `BadTariff` raised inside by a value that knows no path."""
        try:
            yield
        except BadTariff as error:
            raise BadTariff(error.message, self.key(error.path) if error.path else self.path) from error

    def _items(self, name: str) -> Iterator[tuple[object, str]]:
        if not self.has(name):
            return
        values = self.raw(name)
        if not isinstance(values, list | tuple):
            raise BadTariff("must be a list", self.key(name))
        for position, each in enumerate(values):
            yield each, f"{self.key(name)}[{position}]"

    @staticmethod
    def _is_text(value: object, key: str) -> str:
        if not isinstance(value, str) or not value:
            raise BadTariff("must be a text that is not empty", key)
        return value
