import msgspec
import pytest

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import openai_json

KNOWN = frozenset({"model", "n"})
LOOKALIKES = {"model": "model", "n": "n", "source": "source"}


class Form(msgspec.Struct):
    model: str
    kind: str | None = None


def test_members_that_are_not_known_are_told() -> None:
    spans = openai_json.scan(b'{"model":1,"x":2,"source":3}')
    assert set(openai_json.unknown(spans, KNOWN, LOOKALIKES)) == {"x", "source"}
    assert not openai_json.unknown(openai_json.scan(b'{"n":1}'), KNOWN, LOOKALIKES)


@pytest.mark.parametrize("key", ["Model", "MODEL", "N"])
def test_a_name_in_other_letter_case_is_refused(key: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        openai_json.unknown({key: (0, 0, 0)}, KNOWN, LOOKALIKES)
    assert (caught.value.param, caught.value.code) == (key, "unknown_parameter")


def test_what_is_elsewhere_a_name_is_none_here() -> None:
    assert set(openai_json.unknown({"Source": (0, 0, 0)}, KNOWN, LOOKALIKES)) == {"Source"}


@pytest.mark.parametrize(("text", "code"), [(b"{", "invalid_json"), (b'{"a":1,"a":2}', "duplicate_member")])
def test_what_is_no_object_is_refused(text: bytes, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        openai_json.scan(text)
    assert caught.value.code == code


def test_a_breach_is_told_in_openais_words() -> None:
    decoder = msgspec.json.Decoder(Form)
    assert openai_json.decode(decoder, b'{"model":"m"}', {}).model == "m"
    with pytest.raises(InvalidRequest) as caught:
        openai_json.decode(decoder, b'{"model":1}', {})
    assert (caught.value.param, caught.value.code) == ("model", "invalid_type")
