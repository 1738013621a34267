from typing import Any

import pytest

from polyrelay.sandbox.audio import wav
from polyrelay.sandbox.audio.speech import Speech, silence
from support.counter import Form, Front

SOUND = wav.write(Speech(silence(24_000 * 6), "Hello there. How are you today?"))
CHINESE = wav.write(Speech(silence(24_000), "你好。"))


def asr(query: str = "", data: bytes = SOUND, name: str = "a b.wav", **script: Any) -> Any:
    front = Front()
    front.board.put("/asr", script)
    return front.post(f"/asr?{query}", Form(("audio_file", name, data)))


@pytest.mark.parametrize("output", ["txt", "vtt", "srt", "tsv", "json"])
def test_every_output_is_plain_text_with_its_file_name(output: str) -> None:
    answer = asr(f"output={output}")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["asr-engine"] == "openai_whisper"
    assert answer.headers["content-disposition"] == f'attachment; filename="a%20b.wav.{output}"'
    assert "there." in answer.body.decode()


def test_a_line_a_segment_is_the_usual_output() -> None:
    assert asr().body.decode() == "Hello there.\nHow are you today?\n"


def test_tsv_is_in_milliseconds() -> None:
    assert asr("output=tsv").body.decode().splitlines()[0] == "start\tend\ttext"
    assert asr("output=tsv").body.decode().splitlines()[-1].split("\t")[1] == "6000"


def test_vtt_without_hours() -> None:
    assert asr("output=vtt").body.startswith(b"WEBVTT\n\n00:00.000 --> ")


def test_json_of_each_engine() -> None:
    whisper = asr("output=json&word_timestamps=true").json
    assert set(whisper) == {"text", "segments", "language"}
    assert whisper["segments"][0]["words"][0]["word"] == " Hello"
    assert "words" not in asr("output=json").json["segments"][0]
    faster = asr("output=json", engine="faster_whisper").json
    assert faster["segments"][0]["words"] is None
    answer = asr("output=json&diarize=true&min_speakers=1", engine="whisperx")
    assert answer.headers["asr-engine"] == "whisperx"
    assert set(answer.json) == {"segments", "word_segments", "language"}
    assert answer.json["segments"][0]["speaker"] == "SPEAKER_00"
    assert len(answer.json["word_segments"]) == 6


def test_languages() -> None:
    assert asr("output=json", CHINESE).json["language"] == "zh"
    assert asr("output=json&language=de").json["language"] == "de"
    assert asr("output=json&task=translate", CHINESE).json["language"] == "en"
    detected = Front().post("/detect-language?encode=false", Form(("audio_file", "a", CHINESE))).json
    assert detected == {"detected_language": "chinese", "language_code": "zh", "confidence": 0.99}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("output=xml", "output"),
        ("task=sing", "task"),
        ("language=klingon", "language"),
        ("encode=perhaps", "encode"),
        ("vad_filter=2", "vad_filter"),
        ("word_timestamps=2", "word_timestamps"),
        ("diarize=2", "diarize"),
        ("min_speakers=few", "min_speakers"),
        ("max_speakers=1.5", "max_speakers"),
    ],
)
def test_what_is_unprocessable(query: str, field: str) -> None:
    answer = asr(query)
    assert (answer.status, answer.json["detail"][0]["loc"]) == (422, ["query", field])


@pytest.mark.parametrize("path", ["/asr", "/detect-language"])
@pytest.mark.parametrize(
    "body", [None, {"audio_file": "x"}, Form(("audio_file", "no file")), Form(("file", "a", b"x"))]
)
def test_a_missing_file_is_unprocessable(path: str, body: object) -> None:
    answer = Front().post(path, body)
    assert (answer.status, answer.json["detail"][0]["loc"]) == (422, ["body", "audio_file"])
