from dataclasses import dataclass, field
from typing import Any

import pytest

from polyrelay.access import key as client_key
from polyrelay.service.administration import redact, settings, tokens

TOKEN = "pr-" + "a" * 43
ADMIN = "pra-" + "b" * 43


@pytest.mark.parametrize(
    "document",
    [
        {"token": "x1y2z3"},
        {"secret": "x1y2z3", "name": "k"},
        {"nested": [{"Password": "x1y2z3"}]},
        {"proxy": "http://me:x1y2z3@proxy:8080"},
        {"note": f"use {TOKEN} or {ADMIN}"},
        {"note": "sk-proj-x1y2z3x1y2z3x1y2z3"},
        [{"fingerprint": "x1y2z3"}],
    ],
)
def test_no_secret_gets_through(document: Any) -> None:
    shown = redact.text(document)
    assert shown is not None
    assert not any(secret in shown for secret in ("x1y2z3", TOKEN, ADMIN))
    assert redact.HIDDEN in shown


def test_what_is_no_secret_stays() -> None:
    document = {"name": "main", "base_url": "https://api.example.com/v1", "models": ["gpt-4o"], "token": None, "n": 1}
    assert redact.cleaned(document) == document
    assert redact.text(None) is None


@dataclass(frozen=True)
class Inner:
    value: str | None = field(default=None, repr=False)
    url: str = "postgresql://user:hunter2@host/db"


@dataclass(frozen=True)
class Outer:
    inners: tuple[Inner, ...] = (Inner("hunter2"), Inner())
    number: int = 1


def test_settings_hide_what_has_no_repr_and_passwords_of_urls() -> None:
    shown = settings.effective(Outer())
    assert "hunter2" not in str(shown)
    assert [inner["value"] for inner in shown["inners"]] == [redact.HIDDEN, None]
    assert shown["number"] == 1


def test_the_hash_of_an_admin_token_is_never_that_of_a_key() -> None:
    secret = b"s" * 32
    assert tokens.fingerprint(secret, ADMIN) != client_key.fingerprint(secret, ADMIN)
    assert len(tokens.fingerprint(secret, ADMIN)) == 32
