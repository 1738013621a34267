"""Any valid request for images survives splicing but for the fields meant to change, as JSON and as a form."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from polyrelay.exchange.upload import Stream, in_memory
from polyrelay.wire import members, outline
from polyrelay.wire.openai_images import contract, form_request, request
from support.forms import body, field, file, read

TEXTS = st.text(st.sampled_from('ab"\\é漢\n/_:{}'), max_size=6)
VALUES = st.none() | st.booleans() | st.integers(-9, 9) | TEXTS | st.lists(TEXTS, max_size=2)
SPACE = st.sampled_from(["", "", " ", "\n\t ", "\r\n"])
LONG = "data:image/png;base64," + "QUJD" * (outline.OUTLINE_FROM // 4)
NAMES = st.sampled_from(["m", "q", 'é"', "gpt-image-1.5"])
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "model": st.none() | NAMES,
    "n": st.none() | st.integers(1, 12),
    "size": st.none() | TEXTS,
    "quality": st.none() | TEXTS,
    "source": st.none() | st.just("plugin"),
    "stream": st.none() | st.booleans(),
    "mask": st.none() | st.fixed_dictionaries({"image_url": st.sampled_from(["https://x", LONG])}),
    "vendor": VALUES,
}
IMAGES = st.lists(st.fixed_dictionaries({"image_url": st.sampled_from(["https://x", LONG])}), min_size=1, max_size=2)


@st.composite
def written(draw: st.DrawFn, fields: list[tuple[str, Any]]) -> bytes:
    """A JSON object with these members, laid out anyhow."""
    parts = []
    for name, value in fields:
        text = json.dumps(value, ensure_ascii=draw(st.booleans()))
        parts.append(f"{draw(SPACE)}{json.dumps(name)}{draw(SPACE)}:{draw(SPACE)}{text}")
    return (draw(SPACE) + "{" + ",".join(parts) + draw(SPACE) + "}" + draw(SPACE)).encode()


@settings(max_examples=60, deadline=None)
@given(st.data(), st.fixed_dictionaries({}, optional=FIELDS), IMAGES, NAMES, st.booleans())
def test_only_the_model_and_the_source_change(
    data: st.DataObject, extra: dict[str, Any], images: list[Any], model: str, billed: bool
) -> None:
    fields = {"prompt": "a", "images": images, **extra}
    if billed:
        fields["model"] = extra.get("model") or "m"
    before = data.draw(written(data.draw(st.permutations([*fields.items()]))))
    keeping = contract.BILLED_REFERRING_EDIT if billed else contract.REFERRING_EDIT
    found = request.read(before, keeping)
    after = found.splice(model)
    expected = {name: value for name, value in fields.items() if not (billed and name == "source")} | {"model": model}
    assert json.loads(after) == expected
    if fields == expected:
        assert after is before
    was, now = members.scan(before), members.scan(after)
    for name in expected.keys() - {"model"}:
        assert after[now[name][0] : now[name][2]] == before[was[name][0] : was[name][2]]
    assert found.call.model == (fields.get("model") or "gpt-image-1.5")
    assert found.call.references.images == len(images) + bool(extra.get("mask"))
    assert len(found.text.text) < len(LONG)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.binary(max_size=50), st.none() | NAMES, NAMES, st.booleans())
def test_only_these_parts_of_a_form_change(
    data: st.DataObject, image: bytes, named: str | None, model: str, billed: bool
) -> None:
    parts = {"image": file("image", image), "prompt": field("prompt", "é".encode()), "x": field("x", b"\x00\xff")}
    if named is not None or billed:
        named = named or "m"
        parts["model"] = field("model", named.encode())
    if data.draw(st.booleans()):
        parts["source"] = field("source", b"plugin")
    order = data.draw(st.permutations([*parts]))
    before = body(*[parts[name] for name in order])
    found = form_request.read(read(before), in_memory(before), contract.BILLED_EDIT if billed else contract.EDIT)
    sent: Any = found.outbound(found.operations[0], None, model, None)  # type: ignore[arg-type]
    assert isinstance(sent.body, Stream)
    kept = [name for name in order if not (billed and name == "source")]
    replaced = (
        {**parts, "model": parts["model"] if named == model else field("model", model.encode())} if named else parts
    )
    expected = [replaced[name] for name in kept]
    if named is None:
        expected.append(field("model", model.encode()))
    after = read(sent.body.read(sent.body.size, 0))
    wanted = read(body(*expected))
    assert [(part.name, part.value, part.size) for part in after.parts] == [
        (part.name, part.value, part.size) for part in wanted.parts
    ]
