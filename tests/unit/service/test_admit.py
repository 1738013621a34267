from base64 import b64encode
from dataclasses import replace

import pytest

from polyrelay.exchange.call import Call, References
from polyrelay.kernel import errors
from polyrelay.service import admit
from polyrelay.service.ports import Head
from support.stage import HOLDER, TOKEN, OneKey


class Pacing:
    """The port `Limits`, which notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def take(self, principal: object, tokens: int, model: str) -> "Pacing":
        self.asked.append(tokens)
        return self

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        return ()

    def release(self, tokens: int) -> None:
        pass


@pytest.mark.parametrize("value", [b"Bearer key", b"bearer key", b"BEARER   key"])
def test_the_scheme_comes_in_any_case(value: bytes) -> None:
    assert admit.bearer({b"host": b"x", b"authorization": value}) == "key"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "missing_api_key"),
        ({b"x-api-key": b"key"}, "missing_api_key"),
        ({b"authorization": b"Basic key"}, "invalid_api_key"),
        ({b"authorization": b"key"}, "invalid_api_key"),
        ({b"authorization": b"Bearer k\xe9y"}, "invalid_api_key"),
    ],
)
def test_what_is_no_bearer_key_is_refused(headers: Head, code: str) -> None:
    with pytest.raises(errors.Unauthenticated) as caught:
        admit.bearer(headers)
    assert caught.value.code == code


def test_a_key_may_stand_alone_in_a_header_of_its_own() -> None:
    assert admit.bearer({b"x-api-key": b" pr-key"}, key_header=b"x-api-key") == "pr-key"
    both = {b"x-api-key": b"one", b"authorization": b"Bearer other"}
    assert admit.bearer(both, key_header=b"x-api-key") == "other"
    with pytest.raises(errors.Unauthenticated, match="X-Api-Key: YOUR_KEY"):
        admit.bearer({}, key_header=b"x-api-key")
    with pytest.raises(errors.Unauthenticated, match="X-Api-Key"):
        admit.bearer({b"x-api-key": b"k\xe9y"}, key_header=b"x-api-key")


@pytest.mark.parametrize("user", ["", "me", "a b"])
@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC "])
def test_a_password_may_be_the_key_where_that_is_allowed(user: str, scheme: str) -> None:
    headers = {b"authorization": f"{scheme} ".encode() + b64encode(f"{user}:pr-key".encode())}
    assert admit.bearer(headers, basic=True) == "pr-key"
    with pytest.raises(errors.Unauthenticated):
        admit.bearer(headers)
    assert admit.bearer({b"authorization": b"Bearer pr-key"}, basic=True) == "pr-key"


def test_who_sends_no_key_is_told_every_way_to() -> None:
    with pytest.raises(errors.Unauthenticated, match="password of HTTP Basic"):
        admit.bearer({}, basic=True)
    with pytest.raises(errors.Unauthenticated, match=r"Bearer YOUR_KEY$"):
        admit.bearer({})


@pytest.mark.parametrize("token", [b"", b"no base64!", b"YTp-_", b64encode("a:ключ".encode())])
def test_a_password_that_cannot_be_read_is_refused(token: bytes) -> None:
    with pytest.raises(errors.Unauthenticated) as caught:
        admit.principal({b"authorization": b"Basic " + token}, "", keys=OneKey(HOLDER), now=0, basic=True)
    assert caught.value.code == "invalid_api_key"


def test_the_holder_of_a_key() -> None:
    headers = {b"authorization": b"Bearer " + TOKEN.encode()}
    assert admit.principal(headers, "127.0.0.1", keys=OneKey(HOLDER), now=0) is HOLDER
    with pytest.raises(errors.Unauthenticated) as caught:
        admit.principal({b"authorization": b"Bearer other"}, "127.0.0.1", keys=OneKey(HOLDER), now=0)
    assert caught.value.code == "invalid_api_key"


def test_a_holder_who_may_not_call() -> None:
    headers = {b"authorization": b"Bearer " + TOKEN.encode()}
    for holder, code in (
        (replace(HOLDER, disabled=True), "key_disabled"),
        (replace(HOLDER, expires_at=10), "key_expired"),
        (replace(HOLDER, networks=("10.0.0.0/8",)), "network_not_allowed"),
    ):
        with pytest.raises(errors.ClientFault) as caught:
            admit.principal(headers, "127.0.0.1", keys=OneKey(holder), now=10)
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("cap", "choices", "tokens"), [(100, 1, 150), (100, 3, 350), (None, 1, 50 + admit.ASSUMED_OUTPUT_TOKENS)]
)
def test_tokens_set_aside_are_input_and_every_choices_output(cap: int | None, choices: int, tokens: int) -> None:
    limits = Pacing()
    admit.lease(HOLDER, Call("m", False, 200, cap, choices), limits)
    assert limits.asked == [tokens]


def test_base64_is_no_text_and_images_have_no_tokens_to_be_set_aside() -> None:
    limits = Pacing()
    call = Call("m", False, 10_200, choices=9, references=References(images=1, inline_bytes=10_000), capped=False)
    admit.lease(HOLDER, call, limits)
    assert limits.asked == [50]
