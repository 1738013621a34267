from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyrelay.storage import rings
from polyrelay.storage.rings import Kind, Malformed, Ring, Rings

NOW = datetime(2026, 11, 22, 13, 30, tzinfo=UTC)
LATER = datetime(2026, 11, 23, tzinfo=UTC)
OLD, NEW = bytes(range(32)), bytes(range(32, 64))
FINGERPRINT, MASTER = rings.first(Kind.FINGERPRINT, OLD, NOW), rings.first(Kind.MASTER, NEW, NOW)
TEXT = rings.write(Rings(FINGERPRINT, MASTER))


def grown(kind: Kind, secrets: list[bytes]) -> Ring:
    ring = rings.first(kind, secrets[0], NOW)
    for secret in secrets[1:]:
        ring = ring.extended(rings.identify(kind, secret), secret, NOW)
    return ring


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=4, unique=True), st.booleans())
def test_what_is_written_is_read(secrets: list[bytes], with_master: bool) -> None:
    made = Rings(grown(Kind.FINGERPRINT, secrets), grown(Kind.MASTER, secrets) if with_master else None)
    assert rings.read(rings.write(made)) == made


def test_an_id_tells_its_secret_and_its_kind_apart() -> None:
    ids = {rings.identify(kind, secret) for kind in Kind for secret in (OLD, NEW)}
    assert len(ids) == 4
    assert all(rings.is_id(each) for each in ids)


def test_the_life_of_a_secret() -> None:
    made = rings.identify(Kind.MASTER, OLD)
    prepared = MASTER.extended(made, OLD, NOW)
    assert (prepared.current, prepared.prepared, prepared.retired) == (MASTER.current, made, ())
    assert prepared.without([MASTER.current, made]) == prepared
    current = prepared.promoted(made, LATER)
    assert (current.current, current.prepared, current.retired) == (made, None, (MASTER.current,))
    assert current.since[made] == LATER
    assert current.promoted(MASTER.current, LATER) == current
    assert current.without([MASTER.current, made]) == Ring(made, {made: OLD}, {made: LATER})


def test_the_first_releases_file_is_a_ring_of_one() -> None:
    found = rings.read(f'# ours\nfingerprint_key = "{OLD.hex()}"\n')
    assert found == Rings(Ring(FINGERPRINT.current, {FINGERPRINT.current: OLD}), None)
    assert rings.read(rings.write(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        "", "not toml at all", "fingerprint_key = 5", 'fingerprint_key = "xyz"', 'fingerprint_key = "abcd"',
        "fingerprint = 5", "[fingerprint]\ncurrent = 5", "[fingerprint]\nkeys = 5",
        "[master]" + TEXT.partition("[master]")[2],
        TEXT.partition("[fingerprint.keys]")[0],
        TEXT.replace(OLD.hex(), NEW.hex()),
        TEXT.replace(OLD.hex(), OLD.hex()[:-1] + "0"),
        TEXT.replace(f'current = "{MASTER.current}"', f'current = "{FINGERPRINT.current}"'),
        TEXT.replace(f"{MASTER.current} = 2026", f"{FINGERPRINT.current} = 2026"),
        TEXT + "note = 1\n[other]\n", TEXT + '[other]\nx = "1"\n', f'fingerprint_key = "{OLD.hex()}"\n{TEXT}',
    ],
)  # fmt: skip
def test_damage_is_found_and_told_without_a_secret(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        rings.read(text)
    assert OLD.hex()[:16] not in str(caught.value)
    assert NEW.hex()[:16] not in str(caught.value)


def test_no_cut_goes_unnoticed_within_a_table() -> None:
    whole = rings.read(TEXT)
    for length in range(len(TEXT)):
        try:
            found = rings.read(TEXT[:length])
        except Malformed:
            continue
        assert found.fingerprint.keys == whole.fingerprint.keys
        assert found.master is None or found.master.keys == whole.master.keys  # type: ignore[union-attr]
