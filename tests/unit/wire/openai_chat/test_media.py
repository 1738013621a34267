import json
from typing import Any

import msgspec
import pytest

from polyrelay.exchange.call import NO_REFERENCES, References
from polyrelay.wire import outline
from polyrelay.wire.openai_chat import request

IMAGE = {"type": "image_url", "image_url": {"url": "https://x/y.png"}}


def text(content: Any, tail: str = "", **message: Any) -> bytes:
    said = json.dumps({"role": "user", "content": content, **message})
    return ('{"model":"m","messages":[' + said + "]" + tail + "}").encode()


def read(body: bytes) -> References:
    return request.read(body).call.references


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (IMAGE, References(images=1)),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}, References(1, inline_bytes=4)),
        ({"type": "input_audio", "input_audio": {"data": "QUJDRA==", "format": "wav"}}, References(0, 1, 0, 0, 8)),
        ({"type": "input_audio", "input_audio": {"data": "https://x/y.wav"}}, References(audio=1)),
        ({"type": "file", "file": {"file_id": "file-1"}}, References(files=1)),
        ({"type": "file", "file": {"filename": "a", "file_data": "data:;base64,QUJD"}}, References(0, 0, 1, 0, 4)),
        ({"type": "file", "file": {"url": "https://x/y.pdf"}}, References(files=1)),
        ({"type": "video_url", "video_url": {"url": "https://x/y.mp4"}}, References(videos=1)),
        ({"type": "image_url", "image_url": {"url": "data:image/svg+xml,<svg>QUJD</svg>"}}, References(images=1)),
        ({"type": "image_url", "image_url": {"url": "data:;base64,漢"}}, References(images=1)),
    ],
)
def test_each_kind_of_part_is_counted(part: dict[str, Any], expected: References) -> None:
    assert read(text([part])) == expected
    assert read(text([{"type": "text", "text": "a"}, part])) == expected


@pytest.mark.parametrize(
    "content",
    [
        "plain",
        'he said "image_url": [{"type":"image_url"}]',
        [{"type": "text", "text": '"file" : {"file_id"'}],
        [{"type": "text", "text": "data:image/png;base64,QUJD"}],
    ],
)
def test_text_about_media_is_text(content: Any) -> None:
    assert read(text(content)) is NO_REFERENCES


def test_tools_that_take_files_are_text() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"file": {}, "image_url": {}}}}}
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"file":1,"image_url":""}'}}
    body = text("x", ',"tools":' + json.dumps([tool]))
    assert read(body) is NO_REFERENCES
    assert read(text("x", tool_calls=[call])) is NO_REFERENCES


def test_an_earlier_spoken_answer_is_audio() -> None:
    assert read(text(None, role="assistant", audio={"id": "audio_1"})) == References(audio=1)


@pytest.mark.parametrize(
    "message",
    [
        '{"role":"user","content":[{"type":"text","Type":"image_url","image_url":"https://x"}]}',
        '{"role":"user","content":[{"type":"text","TYPE":"image_url","Image_URL":{"url":"https://x"}}]}',
        '{"role":"user","content":"a","Content":[{"type":"image_url","image_url":{"url":"x"}}]}',
        '{"role":"user","content":[{"type":"image_url","image_url" : {"url":"x"}}],"content":"a"}',
        '{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}],"content":[]}',
        '{"role":"user","content":"a","Content":[{"type":"image_url","im\\u0061ge\\u005Furl":{"url":"x"}}]}',
    ],
)
def test_what_another_parser_may_find_counts(message: str) -> None:
    assert read(f'{{"model":"m","messages":[{message}]}}'.encode()).images == 1


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        ('"extra_body":{"messages":[{"content":[{"image_url":"https://x"}]}]}', References(images=1)),
        ('"input_file":"file-1","file_ids":["file-1"]', References(files=1)),
        ('"top_k":5', NO_REFERENCES),
    ],
)
def test_members_the_contract_does_not_know_may_name_media(member: str, expected: References) -> None:
    assert read(text("a", "," + member)) == expected


LONG = "QUJD" * (outline.OUTLINE_FROM // 4)


def test_what_was_cut_from_media_is_inline_and_from_text_is_not() -> None:
    media = [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + LONG}},
        {"type": "text", "text": "data:image/png;base64," + LONG},
        {"type": "input_audio", "input_audio": {"data": LONG + "QUJD"}},
        {"type": "file", "file": {"file_data": "data:;base64,Q;base64," + LONG + "\\;base64," + LONG}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
    ]
    body = text(media)
    assert len(outline.make(body).positions) == 5
    inline = len(LONG) + len(LONG) + 4 + 2 * len(LONG) + len("Q;base64,") + len("\\;base64,") + 4
    assert read(body) == References(2, 1, 1, 0, inline)
    assert inline < len(body) - len(LONG)


def test_a_mark_cannot_be_forged() -> None:
    first = text([{"type": "text", "text": ";base64," + LONG}, IMAGE])
    mark = outline.make(first).marked().mark
    forged = {"type": "image_url", "image_url": {"url": f"data:;base64,{mark}0."}}
    body = text([{"type": "text", "text": ";base64," + LONG}, forged])
    assert read(body) == References(images=1, inline_bytes=len(mark) + 2)


def test_the_marked_text_is_the_same_document_but_for_its_cuts() -> None:
    cut = outline.make(text([{"type": "text", "text": ";base64," + LONG}]))
    marked = cut.marked()
    assert msgspec.json.decode(marked.text)["messages"][0]["content"][0]["text"] == f";base64,{marked.mark}0."
    assert marked.cuts == (len(LONG),)
    assert marked.hidden(f";base64,{marked.mark}0.") == len(LONG) - len(marked.mark) - 2
    assert marked.hidden("nothing") == 0
