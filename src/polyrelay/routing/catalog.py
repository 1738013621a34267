"""Which channels serve which model."""

from collections.abc import Container, Iterable, Iterator, Mapping

from polyrelay.routing.channel import Candidate, Channel

Tier = tuple[tuple[Candidate, ...], ...]
"""Channels of equal priority, each as the candidates of its credentials."""


class Catalog:
    """An immutable index of the configured channels."""

    def __init__(
        self, channels: Iterable[Channel], candidates: Mapping[Channel, tuple[Candidate, ...]] | None = None
    ) -> None:
        """`candidates`, where these channels have some already."""
        self.channels = tuple(channels)
        self._candidates = candidates or {
            channel: tuple(Candidate(channel, credential) for credential in channel.credentials)
            for channel in self.channels
        }
        serving: dict[str, list[Channel]] = {}
        for channel in self.channels:
            for model in channel.models:
                serving.setdefault(model, []).append(channel)
        self._named = {(each.channel.name, each.credential.name): each for each in self.candidates()}
        self._tiers = {model: self._by_priority(found) for model, found in serving.items()}

    def only(self, wanted: Container[Channel]) -> "Catalog":
        """The part of it that these channels are, with the same candidates."""
        return Catalog((channel for channel in self.channels if channel in wanted), self._candidates)

    @property
    def models(self) -> tuple[str, ...]:
        """Every model name a client may say, sorted."""
        return tuple(sorted(self._tiers))

    def candidates(self) -> Iterator[Candidate]:
        """Every candidate there is."""
        for channel in self.channels:
            yield from self._candidates[channel]

    def find(self, channel: str, credential: str) -> Candidate | None:
        """The candidate of these names; None when the configuration has none such any more."""
        return self._named.get((channel, credential))

    def tiers(self, model: str) -> tuple[Tier, ...]:
        """Who serves `model`, grouped by priority, the preferred group first; empty when nobody does."""
        return self._tiers.get(model, ())

    def _by_priority(self, channels: list[Channel]) -> tuple[Tier, ...]:
        groups: dict[int, list[tuple[Candidate, ...]]] = {}
        for channel in channels:
            groups.setdefault(channel.priority, []).append(self._candidates[channel])
        return tuple(tuple(groups[priority]) for priority in sorted(groups))
