import secrets
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyrelay.storage import rings
from polyrelay.storage.rings import Kind, Ring
from polyrelay.storage.secrecy import seals
from polyrelay.storage.secrecy.vault import UnknownMasterKey, Unopenable, Vault

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SECRET = "sk-upstream-0123456789"


def ring() -> Ring:
    return rings.first(Kind.MASTER, secrets.token_bytes(32), NOW)


def vault(of: Ring) -> Vault:
    return Vault(lambda: of)


KEPT = ring()


@given(st.text(), st.text(min_size=1))
def test_what_was_sealed_for_a_row_opens_for_it(plaintext: str, row: str) -> None:
    assert vault(KEPT).open(vault(KEPT).seal(plaintext, row), row) == plaintext


def test_the_same_value_is_never_sealed_the_same_and_never_legible() -> None:
    sealed = {vault(KEPT).seal(SECRET, "cred_1") for _ in range(100)}
    assert len(sealed) == 100
    assert all(SECRET not in each and each.startswith(f"v1.{KEPT.current}.") for each in sealed)
    assert {seals.key_id(each) for each in sealed} == {KEPT.current}


def test_a_value_moved_to_another_row_does_not_open() -> None:
    sealed = vault(KEPT).seal(SECRET, "cred_1")
    with pytest.raises(Unopenable, match=f"cred_2: does not open under its key {KEPT.current}") as caught:
        vault(KEPT).open(sealed, "cred_2")
    assert SECRET not in str(caught.value)


def test_an_unknown_key_is_named() -> None:
    other = ring()
    with pytest.raises(
        UnknownMasterKey, match=f"cred_1: sealed under the master key {other.current}; .*{KEPT.current}"
    ):
        vault(KEPT).open(vault(other).seal(SECRET, "cred_1"), "cred_1")


def test_a_wrong_secret_under_the_right_id_does_not_open() -> None:
    wrong = replace(KEPT, keys={KEPT.current: bytes(32)})
    with pytest.raises(Unopenable, match=KEPT.current):
        vault(wrong).open(vault(KEPT).seal(SECRET, "cred_1"), "cred_1")


def test_nothing_cut_or_changed_opens_and_no_error_repeats_it() -> None:
    sealed = vault(KEPT).seal(SECRET, "cred_1")
    spoiled = [sealed[:length] for length in range(len(sealed))]
    spoiled += [sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :] for at in range(len(sealed))]
    spoiled += [sealed + "A", sealed + "=", sealed + "\n", sealed + "é", SECRET, f"v2{sealed[2:]}"]
    for text in spoiled:
        with pytest.raises((Unopenable, UnknownMasterKey), match="credential cred_1: ") as caught:
            vault(KEPT).open(text, "cred_1")
        assert SECRET not in str(caught.value)
        assert sealed.rpartition(".")[2] not in str(caught.value)


def test_a_running_process_follows_a_rotation() -> None:
    now = KEPT
    running = Vault(lambda: now)
    before = running.seal(SECRET, "cred_1")
    fresh = secrets.token_bytes(32)
    made = rings.identify(Kind.MASTER, fresh)
    now = KEPT.extended(made, fresh, NOW)
    assert seals.key_id(running.seal(SECRET, "cred_1")) == KEPT.current
    after = vault(now.promoted(made, NOW)).seal(SECRET, "cred_1")
    assert [running.open(each, "cred_1") for each in (before, after)] == [SECRET, SECRET]
    now = now.promoted(made, NOW)
    assert seals.key_id(running.seal(SECRET, "cred_1")) == made
    assert KEPT.secret.hex() not in repr(running) + repr(now)
