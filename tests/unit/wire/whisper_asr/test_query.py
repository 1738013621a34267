"""The query of whisper-asr-webservice: defaults, what passes, what is refused in FastAPI's words."""

from urllib.parse import parse_qs

import pytest

from polyrelay.exchange.transcript import Wish
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire.whisper_asr import query


def test_defaults() -> None:
    found = query.read(b"")
    assert (found.model, found.output, found.wish, found.encode, found.passed, found.portable) == (
        "asr",
        "txt",
        Wish(segments=False),
        True,
        "",
        True,
    )


def test_everything() -> None:
    text = (
        b"output=json&task=translate&language=de&initial_prompt=a%20b+c&encode=1&vad_filter=yes&word_timestamps=true"
        b"&min_speakers=1&max_speakers=3&model=mine&new_option=x"
    )
    found = query.read(text)
    assert (found.model, found.output) == ("mine", "json")
    assert found.wish == Wish(translate=True, language="de", prompt="a b c", words=True)
    passed = parse_qs(found.passed)
    assert passed["initial_prompt"] == ["a b c"]
    assert passed["new_option"] == ["x"]
    assert "model" not in passed


def test_what_no_other_protocol_can_say() -> None:
    assert not query.read(b"diarize=true").portable
    assert query.read(b"encode=false").portable


@pytest.mark.parametrize(
    ("text", "param", "code"),
    [
        (b"output=xml", "query.output", "enum"),
        (b"task=summarize", "query.task", "enum"),
        (b"encode=maybe", "query.encode", "bool_parsing"),
        (b"vad_filter=", "query.vad_filter", "bool_parsing"),
        (b"word_timestamps=2", "query.word_timestamps", "bool_parsing"),
        (b"diarize=%F0", None, "bad_request"),
        (b"min_speakers=two", "query.min_speakers", "int_parsing"),
        (b"max_speakers=-1", "query.max_speakers", "int_parsing"),
        (b"output=txt&output=json", "query.output", "duplicate_parameter"),
        (b"model=" + b"x" * 257, "query.model", "string_too_long"),
        (b"a=1&" * 65, None, "bad_request"),
        (b"output=\xff", None, "bad_request"),
    ],
)
def test_breaches(text: bytes, param: str | None, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        query.read(text)
    assert (caught.value.param, caught.value.code) == (param, code)
