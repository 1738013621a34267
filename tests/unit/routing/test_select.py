from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from polyrelay.routing import select
from polyrelay.routing.catalog import Catalog
from polyrelay.routing.channel import Channel, Credential


def channel(name: str, *, priority: int = 0, weight: int = 1, credentials: int = 1) -> Channel:
    keys = tuple(Credential(f"#{n}", f"secret-{n}") for n in range(credentials))
    return Channel(name, "openai", "https://127.0.0.1/v1", keys, {"m": "m"}, priority=priority, weight=weight)


def names(catalog: Catalog, seed: int) -> list[str]:
    return [candidate.channel.name for candidate in select.order(catalog.tiers("m"), seed)]


def test_a_model_nobody_serves_has_no_candidates() -> None:
    assert select.order(Catalog([channel("a")]).tiers("other"), 1) == ()


def test_lower_priority_numbers_come_first_whatever_the_weights() -> None:
    catalog = Catalog([channel("late", priority=5, weight=100), channel("early", priority=-1)])
    assert all(names(catalog, seed) == ["early", "late"] for seed in range(200))


@given(
    weights=st.lists(st.integers(1, 50), min_size=1, max_size=6),
    credentials=st.integers(1, 3),
    seed=st.integers(-(2**63), 2**64),
)
def test_every_candidate_appears_exactly_once_and_the_order_follows_from_the_seed(
    weights: list[int], credentials: int, seed: int
) -> None:
    catalog = Catalog([channel(str(n), weight=w, credentials=credentials) for n, w in enumerate(weights)])
    order = select.order(catalog.tiers("m"), seed)
    assert len(set(order)) == len(order) == len(weights) * credentials
    assert order == select.order(catalog.tiers("m"), seed)


def test_shares_follow_weights() -> None:
    catalog = Catalog([channel("one", weight=1), channel("three", weight=3)])
    first = Counter(names(catalog, seed)[0] for seed in range(4000))
    assert 0.72 < first["three"] / 4000 < 0.78


def test_credentials_of_a_channel_take_turns() -> None:
    catalog = Catalog([channel("a", credentials=2)])
    first = Counter(select.order(catalog.tiers("m"), seed)[0].credential.name for seed in range(1000))
    assert 400 < first["#0"] < 600
