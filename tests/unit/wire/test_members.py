import msgspec
import pytest

from polyrelay.wire import members
from polyrelay.wire.members import UnreadableError


def found(text: bytes) -> dict[str, tuple[bytes, bytes]]:
    return {name: (text[key:value], text[value:end]) for name, (key, value, end) in members.scan(text).items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"{}", {}),
        (b" { } ", {}),
        (b'{"a":1}', {"a": (b'"a":', b"1")}),
        (
            b'{"a":1,"b":[1,{"a":2}],"c":"x"}',
            {"a": (b'"a":', b"1"), "b": (b'"b":', b'[1,{"a":2}]'), "c": (b'"c":', b'"x"')},
        ),
        (b'\t{ "a" :\n 1 , "b":null }\r\n', {"a": (b'"a" :\n ', b"1"), "b": (b'"b":', b"null")}),
        (b'{"\\u006dodel":"x"}', {"model": (b'"\\u006dodel":', b'"x"')}),
        (b'{"a\\"b":1,"c\\\\":2}', {'a"b': (b'"a\\"b":', b"1"), "c\\": (b'"c\\\\":', b"2")}),
        ('{"é":"ü","模型":1}'.encode(), {"é": ('"é":'.encode(), '"ü"'.encode()), "模型": ('"模型":'.encode(), b"1")}),
        (b'{"":1}', {"": (b'"":', b"1")}),
    ],
)
def test_spans_are_exact(text: bytes, expected: dict[str, tuple[bytes, bytes]]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{"a":12,"a":1}',
        b'{"a":1,"a":12}',
        b'{"a":1,"b":1,"a":1}',
        b'{"a":"x", "b":2, "a":"x"}',
        b'{ "a":1,"\\u0061":1}',
        b'{"\\u0061":1,"a":1}',
        b'{"a":[1,"a"],"a":[1,"a"]}',
        b'{"a":"x\\",\\"b\\":1","a":1}',
        b'{"a":1,"b":2,"b":3,"c":4}',
        '{"é":1,"é":1}'.encode(),
    ],
)
def test_a_repeated_key_is_named(text: bytes) -> None:
    with pytest.raises(UnreadableError) as caught:
        members.scan(text)
    assert caught.value.code == "duplicate_member"
    assert caught.value.key in {"a", "b", "é"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"[]", "JSON object"),
        (b"1", "JSON object"),
        (b'"x"', "JSON object"),
        (b"null", "JSON object"),
        (b'\xef\xbb\xbf{"a":1}', "byte order mark"),
        (b'{"a":1', "truncated"),
        (b'{"a":1}x', "malformed"),
        (b'{"a":1,}', "malformed"),
        (b"{'a':1}", "malformed"),
        (b'{"a":NaN}', "malformed"),
        (b'{"a":01}', "malformed"),
        (b'{"a":"\n"}', "malformed"),
        (b'{"a":"\\x"}', "malformed"),
        (b'{"a":"\xff"}', "UTF-8"),
        (b'{"\xff":1}', "UTF-8"),
        (b'{"a":{"b":"\xc3\x28"}}', "UTF-8"),
        (b'{"a":1}\x00', "malformed"),
    ],
)
def test_what_is_not_json_is_refused(text: bytes, words: str) -> None:
    with pytest.raises(UnreadableError, match=words) as caught:
        members.scan(text)
    assert caught.value.code == "invalid_json"


def test_top_level_members_have_an_end() -> None:
    texts = [b"{" + b",".join(b'"k%d":0' % i for i in range(n)) + b"}" for n in (members.MOST_MEMBERS, 1001)]
    assert len(members.scan(texts[0])) == members.MOST_MEMBERS
    with pytest.raises(UnreadableError, match="top-level members") as caught:
        members.scan(texts[1])
    assert caught.value.code == "too_many_members"


@pytest.mark.parametrize("colon", [b":", b" :", b"\t:", b"\r:", b"\n:"])
def test_keys_at_all_levels_have_an_end(colon: bytes) -> None:
    inner = b",".join([b'"k"' + colon + b"0"] * (members.MOST_KEYS - 1))
    assert list(members.scan(b'{"a":{' + inner + b"}}")) == ["a"]
    with pytest.raises(UnreadableError, match="keys") as caught:
        members.scan(b'{"a":{' + inner + b',"k"' + colon + b"0}}")
    assert caught.value.code == "too_many_members"


def test_colons_in_prose_are_no_keys() -> None:
    assert list(members.scan(b'{"a":"' + b"12:30 " * (members.MOST_KEYS + 1) + b'"}')) == ["a"]


def test_a_long_repeated_key_is_cut() -> None:
    key = b"k" * 100
    with pytest.raises(UnreadableError) as caught:
        members.scan(b'{"' + key + b'":1,"' + key + b'":1}')
    assert caught.value.key == "k" * 63 + "…"
    assert "k" * 64 not in caught.value.message


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_nesting_has_an_end(opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    text = b'{"a":' + opening * 200_000 + b"1" + closing * 200_000 + b"}"
    with pytest.raises(UnreadableError) as caught:
        members.scan(text)
    assert caught.value.code == "nested_too_deep"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), b'{ "a":1 , "b":2,"c" : 3 ,"d":4 }'),
        (("a",), b'{ "b":2,"c" : 3 ,"d":4 }'),
        (("d",), b'{ "a":1 , "b":2,"c" : 3 }'),
        (("b",), b'{ "a":1,"c" : 3 ,"d":4 }'),
        (("a", "b"), b'{ "c" : 3 ,"d":4 }'),
        (("b", "c"), b'{ "a":1 ,"d":4 }'),
        (("a", "c"), b'{ "b":2 ,"d":4 }'),
        (("c", "d"), b'{ "a":1 , "b":2 }'),
        (("a", "b", "c", "d"), b"{  }"),
        (("missing",), b'{ "a":1 , "b":2,"c" : 3 ,"d":4 }'),
    ],
)
def test_members_leave_with_one_comma(names: tuple[str, ...], expected: bytes) -> None:
    text = b'{ "a":1 , "b":2,"c" : 3 ,"d":4 }'
    left = members.splice(text, members.without(members.scan(text), names))
    assert left == expected
    assert msgspec.json.decode(left) == {k: v for k, v in msgspec.json.decode(text).items() if k not in names}
