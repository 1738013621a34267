"""The tariff book: which tariff is in force for a model at an instant. Immutable; a change makes a new book."""

import itertools
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from polyrelay.kernel import errors
from polyrelay.metering.sheet import ONE, BadTariff, Factor
from polyrelay.metering.tariff import Quote, Source, Tariff

DEFAULT_GROUP = "default"


class Unpriced(errors.PolyrelayError):
    """There is no price for this. A call is refused for it (invariant M7); nothing is ever priced at a guess."""


class TariffBook:
    """An index of tariffs and group multipliers.

    For each instant the strongest source that has a tariff in force wins: the API's over the file's over the seed.
    Raises `BadTariff` when two tariffs of one source are in force at once for one name, or share id and version.
    """

    def __init__(self, tariffs: Iterable[Tariff], groups: Mapping[str, Factor] = MappingProxyType({})) -> None:
        self.tariffs = tuple(tariffs)
        self.groups = MappingProxyType({DEFAULT_GROUP: ONE, **groups})
        self._versions = _by_version(self.tariffs)
        self._by_name = _by_name(self.tariffs)

    @property
    def models(self) -> tuple[str, ...]:
        """Every model name that has a tariff at some time, sorted."""
        return tuple(sorted(self._by_name))

    def find(self, model: str, instant: float) -> Tariff | None:
        """The tariff in force for `model` at `instant` (Unix seconds), None when there is none."""
        for tariff in self._by_name.get(model, ()):
            if tariff.in_force(instant):
                return tariff
        return None

    def history(self, model: str) -> tuple[Tariff, ...]:
        """Every tariff of `model`, the strongest source first, the latest first within it."""
        return self._by_name.get(model, ())

    def version(self, tariff: str, version: str) -> Tariff | None:
        """The tariff of that id and version, to explain an old charge or finish an old hold."""
        return self._versions.get((tariff, version))

    def multiplier(self, group: str) -> Factor:
        """The multiplier of a customer group. Raises `Unpriced` for an unknown one."""
        found = self.groups.get(group)
        if found is None:
            raise Unpriced(f"customer group {group!r} has no multiplier")
        return found

    def quote(self, model: str, instant: float, group: str = DEFAULT_GROUP) -> Quote:
        """The prices a hold pins. Raises `Unpriced` when no tariff of `model` is in force or the group is unknown."""
        tariff = self.find(model, instant)
        if tariff is None:
            raise Unpriced(f"model {model!r} has no price")
        return tariff.quote(instant, self.multiplier(group))

    def unpriced(self, models: Iterable[str], instant: float) -> tuple[str, ...]:
        """Those of `models` that have no tariff in force at `instant`, sorted."""
        return tuple(sorted({model for model in models if self.find(model, instant) is None}))


def _by_version(tariffs: tuple[Tariff, ...]) -> dict[tuple[str, str], Tariff]:
    versions: dict[tuple[str, str], Tariff] = {}
    for tariff in tariffs:
        if versions.setdefault((tariff.id, tariff.version), tariff) is not tariff:
            raise BadTariff(f"tariff {tariff.id!r} version {tariff.version!r} is stated twice")
    return versions


def _by_name(tariffs: tuple[Tariff, ...]) -> dict[str, tuple[Tariff, ...]]:
    found: dict[str, list[Tariff]] = {}
    for tariff in tariffs:
        for name in tariff.names:
            found.setdefault(name, []).append(tariff)
    return {name: _in_order(name, each) for name, each in found.items()}


def _in_order(name: str, tariffs: list[Tariff]) -> tuple[Tariff, ...]:
    ordered: list[Tariff] = []
    for source in sorted(Source, reverse=True):
        dated = sorted((each for each in tariffs if each.source is source), key=_start)
        for earlier, later in itertools.pairwise(dated):
            if earlier.effective_to is None or earlier.effective_to > _start(later):
                raise BadTariff(
                    f"model {name!r}: tariffs {earlier.id!r} ({earlier.version}) and {later.id!r} ({later.version}) "
                    f"of the {source.name.lower()} are in force at the same time"
                )
        ordered.extend(reversed(dated))
    return tuple(ordered)


def _start(tariff: Tariff) -> float:
    return float("-inf") if tariff.effective_from is None else tariff.effective_from
