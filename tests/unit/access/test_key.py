import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyrelay.access import key

SECRET = bytes(range(32))


@given(st.binary(min_size=key.ENTROPY_BYTES, max_size=key.ENTROPY_BYTES))
def test_a_token_of_any_entropy_looks_like_a_key(entropy: bytes) -> None:
    token = key.token(entropy)
    assert len(token) == 46
    assert key.looks_like_key(token)


def test_a_token_wants_exactly_its_entropy() -> None:
    with pytest.raises(ValueError, match="32 random bytes, not 16"):
        key.token(bytes(16))


@pytest.mark.parametrize(
    "token",
    ["", "pr-", "sk-" + "a" * 43, "pr-" + "a" * 42, "pr-" + "a" * 44, "pr-" + "ä" * 43, "pr-" + "a" * 42 + "+",
     "pr-" + "a" * 43 + "\n", " pr-" + "a" * 43, "PR-" + "a" * 43],
)  # fmt: skip
def test_everything_else_does_not(token: str) -> None:
    assert not key.looks_like_key(token)


def test_a_fingerprint_depends_on_token_and_secret() -> None:
    token = key.token(secrets.token_bytes(32))
    mark = key.fingerprint(SECRET, token)
    assert len(mark) == 32
    assert mark == key.fingerprint(SECRET, token)
    assert mark != key.fingerprint(SECRET[::-1], token)
    assert mark != key.fingerprint(SECRET, key.token(secrets.token_bytes(32)))


def test_a_hint_shows_eight_characters_of_the_secret_part() -> None:
    assert key.hint("pr-abcd" + "x" * 35 + "wxyz") == "pr-abcd…wxyz"
