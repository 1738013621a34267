from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import forms, nesting
from polyrelay.wire.forms import Form


class Sample(Form):
    word: Literal["a", "b"] | None = None
    count: Annotated[int, Meta(ge=1, le=5)] | None = None
    share: float | None = None
    on: bool | None = None


SUPPORTED = {"word": ("a", "b")}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"[]", "invalid_json"),
        (b"{", "invalid_json"),
        (b'{"a":1,"a":2}', "duplicate_member"),
        (b'{"a":"\xff"}', "invalid_json"),
        (b'{"a":1e999}', "invalid_json"),
        (b'{"a":"\\ud800"}', "invalid_json"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested_too_deep"),
    ],
)
def test_what_is_no_readable_object(body: bytes, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        forms.json(body)
    assert caught.value.code == code


def test_members_are_checked_and_strangers_kept() -> None:
    form, extra = forms.checked({"word": "a", "count": 5, "on": None, "new": [1], "share": 1}, Sample, SUPPORTED)
    assert (form.word, form.count, form.share, form.on) == ("a", 5, 1.0, None)
    assert extra == {"new": [1]}


def test_written_values_are_read() -> None:
    form, _ = forms.checked(forms.query(b"count=3&on=true&share=0.5&word=b"), Sample, SUPPORTED, written=True)
    assert (form.word, form.count, form.share, form.on) == ("b", 3, 0.5, True)


@pytest.mark.parametrize(
    ("given", "param", "code", "told"),
    [
        ({"word": "c"}, "word", "invalid_value", "'a', 'b'"),
        ({"count": 0}, "count", "integer_below_min_value", ">= 1"),
        ({"count": 6}, "count", "integer_above_max_value", "<= 5"),
        ({"count": "1"}, "count", "invalid_type", "an integer"),
        ({"on": 1}, "on", "invalid_type", "a boolean"),
        ({"Word": "a"}, "Word", "unknown_parameter", "'word'"),
    ],
)
def test_breaches_name_the_field_and_what_is_allowed(given: Any, param: str, code: str, told: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        forms.checked(given, Sample, SUPPORTED)
    assert (caught.value.param, caught.value.code) == (param, code)
    assert told in caught.value.message


def test_unknown_members_end_at_a_depth() -> None:
    flat: Any = 1
    for _ in range(nesting.MOST_DEPTH):
        flat = [flat]
    assert forms.checked({"x": flat}, Sample)[1] == {"x": flat}
    with pytest.raises(InvalidRequest) as caught:
        forms.checked({"x": {"y": flat}}, Sample)
    assert (caught.value.param, caught.value.code) == ("x", "nested_too_deep")


@pytest.mark.parametrize("query", [b"a=%ff", b"\xff=1", b"&".join([b"a=1"] * 101)])
def test_unreadable_queries(query: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        forms.query(query)
    assert caught.value.code == "invalid_query"


def test_queries() -> None:
    assert forms.query(b"") == {}
    assert forms.query(b"ids=a%2Cb&page=&ids=c") == {"ids": "c", "page": ""}
