"""Candidates by the names of the configuration."""

from polyrelay.routing.catalog import Catalog
from polyrelay.routing.channel import Channel, Credential


def test_a_candidate_is_found_by_its_names() -> None:
    channels = [
        Channel(name, "openai", "https://x", (Credential("#1", "s"), Credential("spare", "t"))) for name in ("a", "b")
    ]
    catalog = Catalog(channels)
    found = catalog.find("b", "spare")
    assert found is not None
    assert (found.channel, found.credential) == (channels[1], channels[1].credentials[1])
    assert found in set(catalog.candidates())
    assert catalog.find("b", "#2") is None
    assert catalog.find("c", "#1") is None
    assert Catalog(()).find("a", "#1") is None
