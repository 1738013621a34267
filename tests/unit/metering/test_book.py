import pytest

from polyrelay.metering.book import TariffBook, Unpriced
from polyrelay.metering.sheet import BadTariff, Sheet, factor, per_unit
from polyrelay.metering.tariff import Prices, Source, Tariff

PRICES = Prices(Sheet(per_request=per_unit("1")))


def tariff(
    version: str,
    begins: int | None = None,
    ends: int | None = None,
    *,
    source: Source = Source.FILE,
    model: str = "m",
    aliases: tuple[str, ...] = (),
) -> Tariff:
    return Tariff(model, PRICES, "t", version, aliases, begins, ends, source=source)


def test_the_strongest_source_in_force_wins_for_its_time() -> None:
    seed = tariff("seed", source=Source.SEED)
    file = tariff("file", 100, 300)
    api = tariff("api", 200, 250, source=Source.API)
    book = TariffBook([seed, api, file])
    found = [book.find("m", instant) for instant in (99, 100, 199.9, 200, 249, 250, 299, 300)]
    assert found == [seed, file, file, api, api, file, file, seed]
    assert book.history("m") == (api, file, seed)


def test_a_new_price_begins_where_the_old_one_ends() -> None:
    book = TariffBook([tariff("2", 100), tariff("1", None, 100)])
    assert [book.quote("m", instant).version for instant in (0, 99, 100, 10**10)] == ["1", "1", "2", "2"]


@pytest.mark.parametrize(
    "pair",
    [
        (tariff("1", None, 101), tariff("2", 100)),
        (tariff("1"), tariff("2", 5, 6)),
        (tariff("1"), tariff("2")),
        (tariff("1"), tariff("2", model="other", aliases=("m",))),
    ],
)
def test_two_prices_at_once_are_refused(pair: tuple[Tariff, Tariff]) -> None:
    with pytest.raises(BadTariff, match=r"model 'm': .* of the file are in force at the same time"):
        TariffBook(pair)


def test_one_id_and_version_names_one_tariff() -> None:
    with pytest.raises(BadTariff, match="stated twice"):
        TariffBook([tariff("1", model="a"), tariff("1", model="b")])
    book = TariffBook([tariff("1")])
    assert book.version("t", "1") is book.tariffs[0]
    assert book.version("t", "2") is None


def test_what_has_no_price_is_named_and_refused() -> None:
    book = TariffBook([tariff("1", 100, aliases=("alias",))])
    assert book.models == ("alias", "m")
    assert book.unpriced(["x", "m", "x", "alias", "b"], 100) == ("b", "x")
    assert book.unpriced(["m"], 99) == ("m",)
    with pytest.raises(Unpriced, match="'x' has no price"):
        book.quote("x", 100)


def test_groups_have_multipliers_and_an_unknown_one_is_refused() -> None:
    book = TariffBook([tariff("1")], {"vip": factor("0.8")})
    assert book.quote("m", 0).multiplier == factor("1")
    assert book.quote("m", 0, "vip").multiplier == factor("0.8")
    with pytest.raises(Unpriced, match="group 'vp'"):
        book.quote("m", 0, "vp")
    assert TariffBook([], {"default": factor("2")}).multiplier("default") == factor("2")
