"""Names and their addresses: one that leads inside is enough to refuse, and what is judged is what is called."""

from collections.abc import Sequence

import pytest

from polyrelay.access import policy
from polyrelay.access.destinations import BadDestination, Rules
from polyrelay.service.outside import Unreachable
from polyrelay.upstream.guard import MOST_ADDRESSES, Guard, system_resolver
from upstream.servers import run

PUBLIC = ("93.184.216.34", "2606:2800:220:1::1")


def resolver(*answers: Sequence[str]) -> tuple[Guard, list[tuple[str, int]]]:
    """A guard whose names have these addresses, one answer after the other."""
    asked: list[tuple[str, int]] = []
    left = list(answers)

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append((host, port))
        return left.pop(0)

    return Guard(resolve), asked


def admit(guard: Guard, url: str = "https://hooks.example.com/a", rules: Rules | None = None) -> tuple[str, ...]:
    found: list[tuple[str, ...]] = []

    async def main() -> None:
        _, addresses = await guard.admit(url, rules or Rules())
        found.append(addresses)

    run(main())
    return found[0]


def test_all_addresses_of_a_name_in_their_order() -> None:
    guard, asked = resolver(PUBLIC)
    assert admit(guard) == PUBLIC
    assert asked == [("hooks.example.com", 443)]


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1"])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_address_inside_is_enough(inside: str, position: int) -> None:
    found = [*PUBLIC]
    found.insert(position, inside)
    with pytest.raises(BadDestination, match="not on the internet"):
        admit(resolver(found)[0])


def test_a_name_that_changes_its_mind_is_judged_anew_each_time() -> None:
    guard, _ = resolver(PUBLIC[:1], ["127.0.0.1"], PUBLIC[:1])
    assert admit(guard) == PUBLIC[:1]
    with pytest.raises(BadDestination):
        admit(guard)
    assert admit(guard) == PUBLIC[:1]


def test_networks_of_the_operator() -> None:
    rules = Rules(networks=policy.parse_networks(("10.1.0.0/16",)))
    assert admit(resolver(["10.1.2.3"])[0], rules=rules) == ("10.1.2.3",)
    with pytest.raises(BadDestination):
        admit(resolver(["10.1.2.3", "10.2.0.1"])[0], rules=rules)


def test_names_without_an_address() -> None:
    async def fails(_host: str, _port: int) -> Sequence[str]:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(Unreachable, match=r"hooks\.example\.com has no address: Name or service not known"):
        admit(Guard(fails))
    with pytest.raises(Unreachable, match="has no address"):
        admit(resolver([])[0])


def test_names_with_too_many_addresses_and_answers_that_are_none() -> None:
    with pytest.raises(BadDestination, match="more than"):
        admit(resolver([PUBLIC[0]] * (MOST_ADDRESSES + 1))[0])
    with pytest.raises(BadDestination, match="no network address"):
        admit(resolver(["not an address"])[0])


def test_a_url_that_is_not_allowed_is_not_even_resolved() -> None:
    guard, asked = resolver(PUBLIC)
    with pytest.raises(BadDestination):
        admit(guard, "http://hooks.example.com/a")
    assert asked == []


def test_this_machine_s_resolver_knows_loopback_and_odd_spellings() -> None:
    found: list[Sequence[str]] = []

    async def main() -> None:
        found.extend([await system_resolver("localhost", 443), await system_resolver("127.1", 443)])

    run(main())
    assert set(found[0]) <= {"127.0.0.1", "::1"}
    assert found[1] == ["127.0.0.1"]
