"""Any valid body survives splicing but for the fields meant to change."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import members, outline
from polyrelay.wire.members import UnreadableError
from polyrelay.wire.openai_chat import request

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
KEYS = st.text(st.sampled_from('ab"\\é漢\n/_'), max_size=4)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
SPACE = st.sampled_from(["", "", " ", "\n\t ", "\r\n"])
OPTIONS = (
    st.none()
    | st.dictionaries(KEYS, VALUES, max_size=2)
    | st.fixed_dictionaries({"include_usage": st.sampled_from([None, True, False])}, optional={"x": VALUES})
)
CAPS = ("max_tokens", "max_completion_tokens")
LONG = "data:image/png;base64," + "QUJD" * (outline.OUTLINE_FROM // 4)


@st.composite
def tokens(draw: st.DrawFn, text: str) -> str:
    """A JSON string, some of its characters escaped."""
    if len(text) > 100:
        return json.dumps(text)
    return (
        '"'
        + "".join(
            "".join(f"\\u{unit:04x}" for unit in memoryview(char.encode("utf-16-le")).cast("H"))
            if draw(st.integers(0, 9)) == 0
            else json.dumps(char, ensure_ascii=draw(st.booleans()))[1:-1]
            for char in text
        )
        + '"'
    )


@st.composite
def objects(draw: st.DrawFn, pairs: list[tuple[str, Any]]) -> bytes:
    """A JSON object with these members, laid out anyhow."""
    compact = draw(st.booleans())
    parts = []
    for key, value in pairs:
        pad = ["" if compact else draw(SPACE) for _ in range(4)]
        name = json.dumps(key) if compact else draw(tokens(key))
        ascii_only = draw(st.booleans())
        text = json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":") if compact else (", ", ": "))
        parts.append(pad[0] + name + pad[1] + ":" + pad[2] + text + pad[3])
    outer = ["" if compact else draw(SPACE) for _ in range(3)]
    return (outer[0] + "{" + (outer[1] if not parts else "") + ",".join(parts) + "}" + outer[2]).encode()


@st.composite
def requests(draw: st.DrawFn) -> list[tuple[str, Any]]:
    fields: dict[str, Any] = {
        "model": draw(st.text(min_size=1, max_size=5).filter(lambda text: text.isprintable())),
        "messages": [{"role": "user", "content": draw(st.one_of(TEXTS, TEXTS, TEXTS, st.just(LONG)))}],
    }
    extra = draw(st.dictionaries(KEYS, VALUES, max_size=4))
    if draw(st.integers(0, 3)) == 0:
        extra["vendor"] = [LONG, {"data": LONG[22:], "é": 1}]
    for name, values in (
        ("stream", st.sampled_from([None, True, True, False])),
        ("stream_options", OPTIONS),
        ("billingGroupId", st.sampled_from(["g", None])),
        ("source", st.sampled_from(["plugin", None])),
        ("max_tokens", st.sampled_from([None, 0, 4, 5, 6])),
        ("max_completion_tokens", st.sampled_from([None, 0, 4, 5, 6])),
    ):
        if draw(st.booleans()):
            extra[name] = draw(values)
    return draw(st.permutations([*fields.items(), *extra.items()]))


@settings(max_examples=100, deadline=None)
@given(
    st.data(),
    requests(),
    st.sampled_from([None, "q", 'é"']),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, 5]),
    st.sampled_from(CAPS),
    st.booleans(),
)
def test_only_the_named_fields_change(
    data: st.DataObject,
    pairs: list[tuple[str, Any]],
    model: str | None,
    ask: bool,
    extras: bool,
    cap: int | None,
    cap_field: str,
    only: bool,
) -> None:
    body = data.draw(objects(pairs))
    before = json.loads(body)
    read = request.read(body, billing_extras=extras)
    after = read.splice(model=model, ask_usage=ask, cap=cap, cap_field=cap_field, only_cap_field=only)
    expected = dict(before)
    if model is not None:
        expected["model"] = model
    if ask and before.get("stream") is True:
        expected["stream_options"] = {**(before.get("stream_options") or {}), "include_usage": True}
    if extras:
        expected.pop("billingGroupId", None)
        expected.pop("source", None)
    if cap is not None:
        expected.update(_capped(before, cap, cap_field, only=only))
    assert json.loads(after) == expected
    if expected == before:
        assert after is body
    spans, new = members.scan(body), members.scan(after)
    assert list(new) == _order(list(spans), expected)
    for name in expected.keys() - {"model", "stream_options", *CAPS}:
        assert after[new[name][0] : new[name][2]] == body[spans[name][0] : spans[name][2]]


def _capped(before: dict[str, Any], cap: int, field: str, *, only: bool) -> dict[str, int]:
    given = {name: min(before[name], cap) for name in CAPS if before.get(name)}
    if not given or (only and field not in given):
        given[field] = min([cap, *given.values()])
    return given


def _order(before: list[str], expected: dict[str, Any]) -> list[str]:
    """Members stay in place; a cap and options that were not there follow the model, in this order."""
    kept = [name for name in before if name in expected]
    for name in ("stream_options", *CAPS):
        if name in expected and name not in kept:
            kept.insert(kept.index("model") + 1, name)
    return kept


@settings(max_examples=100, deadline=None)
@given(st.data(), st.dictionaries(KEYS, VALUES, max_size=5), st.booleans())
def test_spans_name_each_member_exactly(data: st.DataObject, fields: dict[str, Any], repeat: bool) -> None:
    pairs = list(fields.items())
    if repeat and pairs:
        key, value = data.draw(st.sampled_from(pairs))
        pairs.insert(data.draw(st.integers(0, len(pairs))), (key, data.draw(st.one_of(st.just(value), VALUES))))
    text = data.draw(objects(pairs))
    if len(pairs) > len(fields):
        with pytest.raises(UnreadableError) as caught:
            members.scan(text)
        assert caught.value.code == "duplicate_member"
        return
    spans = members.scan(text)
    assert list(spans) == [key for key, _ in pairs]
    for key, (start, value, end) in spans.items():
        assert msgspec.json.decode(b"{" + text[start:end] + b"}") == {key: msgspec.json.decode(text[value:end])}


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60) | st.text(st.sampled_from('{}[]":,model1 \\u006d'), max_size=40).map(str.encode))
def test_no_bytes_make_it_stumble(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        request.read(body)
