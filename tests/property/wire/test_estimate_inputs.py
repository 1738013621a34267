"""What a hold is computed from is never less than what the body makes a vendor read."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from polyrelay.exchange.call import NO_REFERENCES
from polyrelay.wire import charge, members
from polyrelay.wire.openai_chat import request

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.integers(-9, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
BASE64 = st.sampled_from(["", "QUJD", "QUJDRA=="])
URLS = st.just("https://x/y") | BASE64.map("data:image/png;base64,{}".format)
PARTS = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": TEXTS}),
    st.fixed_dictionaries({"type": st.just("image_url"), "image_url": st.fixed_dictionaries({"url": URLS})}),
    st.fixed_dictionaries({"type": st.just("video_url"), "video_url": st.fixed_dictionaries({"url": URLS})}),
    st.fixed_dictionaries({"type": st.just("input_audio"), "input_audio": st.fixed_dictionaries({"data": BASE64})}),
    st.fixed_dictionaries({"type": st.just("file"), "file": st.fixed_dictionaries({"file_id": TEXTS})}),
)
KINDS = {"image_url": "images", "video_url": "videos", "input_audio": "audio", "file": "files"}


@st.composite
def written(draw: st.DrawFn, value: Any) -> str:
    """JSON for `value` with any whitespace, and any character of a string escaped."""
    pad = draw(st.sampled_from(["", "", " ", "\n\t"]))
    if isinstance(value, dict):
        inner = [
            draw(written(key)) + ":" + draw(written(item)) for key, item in draw(st.permutations([*value.items()]))
        ]
        return pad + "{" + ",".join(inner) + pad + "}" + pad
    if isinstance(value, list):
        return pad + "[" + ",".join([draw(written(item)) for item in value]) + pad + "]"
    if not isinstance(value, str):
        return pad + json.dumps(value) + pad
    how = draw(st.sampled_from(["plain", "ascii", "escaped"]))
    if how != "escaped":
        return pad + json.dumps(value, ensure_ascii=how == "ascii") + pad
    units = memoryview(value.encode("utf-16-le")).cast("H")
    return pad + '"' + "".join([f"\\u{unit:04x}" for unit in units]) + '"' + pad


def utf8(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, list):
        return sum(map(utf8, value))
    return sum(utf8(key) + utf8(item) for key, item in value.items()) if isinstance(value, dict) else 0


@settings(max_examples=150, deadline=None)
@given(st.data(), VALUES)
def test_no_text_has_more_bytes_than_its_json(data: st.DataObject, value: Any) -> None:
    assert len(data.draw(written(value)).encode()) >= utf8(value)


@settings(max_examples=150, deadline=None)
@given(st.data(), st.lists(PARTS, max_size=4), st.lists(TEXTS, max_size=2), VALUES)
def test_parts_are_counted_however_they_are_written(
    data: st.DataObject, parts: list[dict[str, Any]], said: list[str], extra: Any
) -> None:
    messages = [{"role": "user", "content": text} for text in said] + [{"role": "tool", "content": parts}]
    body = data.draw(written({"model": "m", "messages": messages, "top_k": extra, "tools": []})).encode()
    call = request.read(body).call
    for kind, name in KINDS.items():
        assert getattr(call.references, name) == sum(part["type"] == kind for part in parts)
    if all(part["type"] == "text" for part in parts):
        assert call.references is NO_REFERENCES
    texts = said + [part["text"] for part in parts if part["type"] == "text"]
    assert call.input_bytes - call.references.inline_bytes >= sum(map(utf8, texts))


@settings(max_examples=150, deadline=None)
@given(st.data(), st.lists(PARTS, min_size=1, max_size=3), st.sampled_from(["type", "content", "both"]), st.booleans())
def test_a_smuggled_part_never_counts_less(
    data: st.DataObject, parts: list[dict[str, Any]], where: str, first: bool
) -> None:
    """Letter case hides a part's type from the typed reader, a repeated key its content; other parsers see them."""
    inner = []
    for part in parts:
        kind = part.pop("type")
        fields = [f"{written_case(data, key)}:{json.dumps(value)}" for key, value in part.items()]
        smuggled = ['"type":"text"', f"{written_case(data, 'type', lower=False)}:{json.dumps(kind)}", *fields]
        open_ = [
            f'"type":{json.dumps(kind)}',
            *[f"{json.dumps(key)}:{json.dumps(value)}" for key, value in part.items()],
        ]
        inner.append("{" + ",".join(open_ if where == "content" else smuggled) + "}")
        part["type"] = kind
    hidden, shown = '"content":[' + ",".join(inner) + "]", '"content":"a"'
    both = [hidden] if where == "type" else [hidden, shown] if first else [shown, hidden]
    body = '{"model":"m","messages":[{"role":"user",' + ",".join(both) + "}]}"
    references = request.read(body.encode()).call.references
    for kind, name in KINDS.items():
        assert getattr(references, name) >= sum(part["type"] == kind for part in parts)


def written_case(data: st.DataObject, key: str, *, lower: bool = True) -> str:
    choices = [key.upper(), key.title(), *([key] if lower else [])]
    return json.dumps(data.draw(st.sampled_from(choices)))


@settings(max_examples=150, deadline=None)
@given(st.data(), st.dictionaries(TEXTS, VALUES, max_size=3), st.dictionaries(TEXTS, VALUES, max_size=3) | st.none())
def test_a_cost_is_all_that_is_added(data: st.DataObject, answer: dict[str, Any], usage: dict[str, Any] | None) -> None:
    document: dict[str, Any] = {**answer, "usage": usage}
    body = data.draw(written(document)).encode()
    after = charge.with_cost(body, b"0.000000001")
    if usage is None:
        assert after is body
        return
    assert json.loads(after) == {**document, "usage": {**usage, "cost": 0.000000001}}
    was, now = members.scan(body), members.scan(after)
    for name in document.keys() - {"usage"}:
        assert after[now[name][0] : now[name][2]] == body[was[name][0] : was[name][2]]
