"""The order in which candidates are tried: priority first, then chance by weight."""

from collections.abc import Iterator, Sequence

from polyrelay.routing.catalog import Tier
from polyrelay.routing.channel import Candidate

_MASK = (1 << 64) - 1


def order(tiers: Sequence[Tier], seed: int) -> tuple[Candidate, ...]:
    """All candidates of a model, best first.

    Within a tier the first channel is drawn with probability proportional to its weight, the next from the rest, and
    so on. Credentials of a channel take turns by `seed` (any integer, 64 bits count); the same seed gives the same
    order.
    """
    if len(tiers) == 1 and len(tiers[0]) == 1 and len(tiers[0][0]) == 1:
        return tiers[0][0]
    draws = _draws(seed)
    return tuple(
        candidate
        for tier in tiers
        for candidates in _shuffled(tier, draws)
        for candidate in _rotated(candidates, next(draws))
    )


def _shuffled(tier: Tier, draws: Iterator[int]) -> Iterator[tuple[Candidate, ...]]:
    left = [(candidates[0].channel.weight, candidates) for candidates in tier if candidates]
    while left:
        point = next(draws) % sum(weight for weight, _ in left)
        for position, (weight, candidates) in enumerate(left):
            point -= weight
            if point < 0:
                del left[position]
                yield candidates
                break


def _rotated(candidates: tuple[Candidate, ...], draw: int) -> tuple[Candidate, ...]:
    first = draw % len(candidates)
    return candidates[first:] + candidates[:first]


def _draws(seed: int) -> Iterator[int]:
    """SplitMix64 (Steele, Lea, Flood 2014): good 64-bit numbers from any seed, without a hidden state elsewhere."""
    state = seed & _MASK
    while True:
        state = (state + 0x9E3779B97F4A7C15) & _MASK
        mixed = state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        yield mixed ^ (mixed >> 31)
