"""Which channels serve which model."""

from collections.abc import Iterable

from polyrelay.routing.channel import Channel

Tier = tuple[Channel, ...]


class Catalog:
    """An immutable index of the configured channels."""

    def __init__(self, channels: Iterable[Channel]) -> None:
        self.channels = tuple(channels)
        serving: dict[str, list[Channel]] = {}
        for channel in self.channels:
            for model in channel.models:
                serving.setdefault(model, []).append(channel)
        self._tiers = {model: _by_priority(found) for model, found in serving.items()}

    @property
    def models(self) -> tuple[str, ...]:
        """Every model name a client may say, sorted."""
        return tuple(sorted(self._tiers))

    def tiers(self, model: str) -> tuple[Tier, ...]:
        """Channels that serve `model`, grouped by priority, the preferred group first; empty when none does."""
        return self._tiers.get(model, ())


def _by_priority(channels: list[Channel]) -> tuple[Tier, ...]:
    groups: dict[int, list[Channel]] = {}
    for channel in channels:
        groups.setdefault(channel.priority, []).append(channel)
    return tuple(tuple(groups[priority]) for priority in sorted(groups))
