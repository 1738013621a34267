"""The order in which candidates are tried: priority first, then chance by weight."""

from collections.abc import Iterator, Sequence

from polyrelay.routing.catalog import Tier
from polyrelay.routing.channel import Candidate, Channel

_MASK = (1 << 64) - 1


def order(tiers: Sequence[Tier], seed: int) -> tuple[Candidate, ...]:
    """All candidates of a model, best first.

    Within a tier the first channel is drawn with probability proportional to its weight, the next from the rest, and
    so on. Credentials of a channel take turns by `seed` (any 64-bit number); the same seed gives the same order.
    """
    if len(tiers) == 1 and len(tiers[0]) == 1 and len(tiers[0][0].credentials) == 1:
        channel = tiers[0][0]
        return (Candidate(channel, channel.credentials[0]),)
    draws = _draws(seed)
    return tuple(
        candidate
        for tier in tiers
        for channel in _shuffled(tier, draws)
        for candidate in _rotated(channel, next(draws))
    )


def _shuffled(tier: Tier, draws: Iterator[int]) -> Iterator[Channel]:
    left = list(tier)
    while left:
        point = next(draws) % sum(channel.weight for channel in left)
        for position, channel in enumerate(left):
            point -= channel.weight
            if point < 0:
                yield left.pop(position)
                break


def _rotated(channel: Channel, draw: int) -> Iterator[Candidate]:
    count = len(channel.credentials)
    for step in range(count):
        yield Candidate(channel, channel.credentials[(draw + step) % count])


def _draws(seed: int) -> Iterator[int]:
    """SplitMix64 (Steele, Lea, Flood 2014): good 64-bit numbers from any seed, without a hidden state elsewhere."""
    state = seed & _MASK
    while True:
        state = (state + 0x9E3779B97F4A7C15) & _MASK
        mixed = state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        yield mixed ^ (mixed >> 31)
