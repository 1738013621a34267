import pytest

from polyrelay.wire.openai_chat import request

HEAD = '{"model":"m","messages":[{"role":"user","content":"a"}]'


def capped(
    tail: str, cap: int | None, *, field: str = "max_tokens", only: bool = False, model: str | None = None
) -> str:
    read = request.read((HEAD + tail + "}").encode())
    body = read.splice(model=model, ask_usage=False, cap=cap, cap_field=field, only_cap_field=only)
    return body.decode()


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        (',"max_tokens":5', ',"max_tokens":5'),
        (',"max_tokens":6', ',"max_tokens":5'),
        (',"max_completion_tokens" : 6 ', ',"max_completion_tokens" : 5 '),
        (',"max_tokens":4,"max_completion_tokens":9', ',"max_tokens":4,"max_completion_tokens":5'),
        (',"max_tokens":9,"max_completion_tokens":9', ',"max_tokens":5,"max_completion_tokens":5'),
        (',"max_tokens":9,"max_completion_tokens":null', ',"max_tokens":5,"max_completion_tokens":null'),
        (',"max_tokens":null', ',"max_tokens":5'),
        (',"max_tokens":0,"max_completion_tokens":0', ',"max_tokens":5,"max_completion_tokens":0'),
    ],
)
def test_caps_the_client_set_are_lowered_in_place(tail: str, expected: str) -> None:
    assert capped(tail, 5) == HEAD + expected + "}"


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_a_missing_cap_is_set_under_the_vendors_name(field: str) -> None:
    added = f'"m","{field}":5'
    assert capped("", 5, field=field) == HEAD.replace('"m"', added) + "}"
    assert capped("", 5, field=field, model="q") == HEAD.replace('"m"', added.replace('"m"', '"q"')) + "}"


def test_a_cap_that_the_vendor_would_overlook_is_repeated() -> None:
    tail = ',"max_completion_tokens":4'
    assert capped(tail, 5) == HEAD + tail + "}"
    assert capped(tail, 5, only=True) == HEAD.replace('"m"', '"m","max_tokens":4') + tail + "}"
    assert capped(tail + ',"max_tokens":9', 5, only=True) == HEAD + tail + ',"max_tokens":5}'
    assert capped(tail + ',"max_tokens":null', 3, only=True) == (HEAD + ',"max_completion_tokens":3,"max_tokens":3}')


def test_without_a_cap_nothing_changes() -> None:
    assert capped(',"max_tokens":9', None) == HEAD + ',"max_tokens":9}'


def test_a_cap_of_nothing_is_a_defect() -> None:
    with pytest.raises(ValueError, match="output cap of 0"):
        capped("", 0)
