import base64
import json
from typing import Any

import pytest

from polyrelay.sandbox.audio import formats
from support.counter import Form, Front

SPEECH, TRANSCRIPTIONS, TRANSLATIONS = "/v1/audio/speech", "/v1/audio/transcriptions", "/v1/audio/translations"
TEXT = "Hello there. How are you today?"
KINDS = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}


def say(front: Front, text: str = TEXT, **more: object) -> Any:
    return front.post(SPEECH, {"model": "tts-1", "input": text, "voice": "alloy", **more})


def spoken(text: str = TEXT, seconds: float = 6.0, kind: str = "wav") -> bytes:
    front = Front()
    front.board.put("*", {"seconds": seconds})
    found: bytes = say(front, text, response_format=kind).body
    return found


def transcribe(*parts: Any, model: str = "whisper-1", path: str = TRANSCRIPTIONS, data: bytes | None = None) -> Any:
    file = ("file", "a.wav", spoken() if data is None else data)
    return Front().post(path, Form(("model", model), *parts, file))


@pytest.mark.parametrize("kind", list(KINDS))
def test_speech_is_heard_again_in_every_format(kind: str) -> None:
    answer = say(Front(), response_format=kind)
    assert answer.headers["content-type"] == KINDS[kind]
    assert answer.headers["transfer-encoding"] == "chunked"
    heard = transcribe(data=answer.body).json
    assert heard["text"] == TEXT


def test_speech_comes_in_portions_at_a_pace() -> None:
    front = Front()
    front.board.put("*", "pace=20ms,seconds=2")
    answer = say(front, response_format="pcm")
    assert (len(answer.body), answer.plan.pace) == (96_000, 0.02)
    assert len(answer.plan.writes) == -(-96_000 // 4096)


def test_speech_may_carry_the_time_of_its_sending() -> None:
    front = Front()
    front.board.put("*", "stamp,seconds=1")
    answer = say(front, response_format="pcm")
    assert answer.plan.stamped
    assert len(answer.body) == 48_000
    assert answer.body.count(b"@monotonic-ns-stamp@ ") == 12


def test_speech_as_events() -> None:
    answer = say(Front(), model="gpt-4o-mini-tts", stream_format="sse", response_format="wav")
    assert [name for name, _ in answer.events] == ["speech.audio.delta"] * (len(answer.events) - 1) + [
        "speech.audio.done"
    ]
    sound = b"".join(base64.b64decode(said["audio"]) for name, said in answer.events if name.endswith("delta"))
    text, seconds = formats.listen(sound)
    usage = answer.events[-1][1]["usage"]
    assert (text, usage["input_tokens"], usage["output_tokens"]) == (TEXT, 8, round(seconds * 20))
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_a_voice_by_its_id() -> None:
    assert say(Front(), voice={"id": "voice_1"}).status == 200


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"model": None}, "model"),
        ({"input": ""}, "input"),
        ({"input": "x" * 4097}, "input"),
        ({"voice": None}, "voice"),
        ({"voice": {}}, "id"),
        ({"response_format": "midi"}, "response_format"),
        ({"speed": 0.2}, "speed"),
        ({"speed": 4.1}, "speed"),
        ({"speed": "fast"}, "speed"),
        ({"stream_format": "sse"}, "stream_format"),
        ({"stream_format": "xml"}, "stream_format"),
        ({"instructions": 5}, "instructions"),
    ],
)
def test_what_speech_refuses(changed: dict[str, object], param: str) -> None:
    body = {"model": "tts-1", "input": "x", "voice": "alloy", **changed}
    answer = Front().post(SPEECH, body)
    assert (answer.status, answer.json["error"]["param"]) == (400, param)


def test_usage_is_in_seconds_or_in_tokens() -> None:
    assert transcribe().json["usage"] == {"type": "duration", "seconds": 6}
    assert transcribe(("prompt", "eight ch"), model="gpt-4o-transcribe").json["usage"] == {
        "type": "tokens",
        "input_tokens": 2 + 60,
        "input_token_details": {"text_tokens": 2, "audio_tokens": 60},
        "output_tokens": 8,
        "total_tokens": 70,
    }


def test_verbose_json() -> None:
    answer = transcribe(("response_format", "verbose_json")).json
    assert (answer["task"], answer["language"], answer["duration"], answer["text"]) == (
        "transcribe",
        "english",
        6.0,
        TEXT,
    )
    assert [segment["text"] for segment in answer["segments"]] == [" Hello there.", " How are you today?"]
    assert "words" not in answer
    word = ("response_format", "verbose_json"), ("timestamp_granularities[]", "word")
    answer = transcribe(*word).json
    assert [said["word"] for said in answer["words"]] == TEXT.split()
    assert "segments" not in answer
    both = transcribe(*word, ("timestamp_granularities[]", "segment"), ("language", "de")).json
    assert (len(both["segments"]), both["language"]) == (2, "german")


def test_diarized_json() -> None:
    model = "gpt-4o-transcribe-diarize"
    names = ("known_speaker_names[]", "agent"), ("known_speaker_references[]", "data:audio/wav;base64,AAAA")
    answer = transcribe(("response_format", "diarized_json"), *names, model=model).json
    assert [segment["speaker"] for segment in answer["segments"]] == ["agent", "agent"]
    assert answer["segments"][0]["type"] == "transcript.text.segment"
    assert answer["duration"] == 6.0


@pytest.mark.parametrize(
    ("shape", "kind", "begins"),
    [
        ("text", "text/plain", "Hello"),
        ("srt", "text/plain", "1\n00:00:00,000"),
        ("vtt", "text/vtt", "WEBVTT\n\n00:00:00.000"),
    ],
)
def test_bare_formats(shape: str, kind: str, begins: str) -> None:
    answer = transcribe(("response_format", shape))
    assert answer.headers["content-type"].startswith(kind)
    assert answer.body.decode().startswith(begins)


def test_a_stream_of_words() -> None:
    answer = transcribe(("stream", "true"), ("include[]", "logprobs"), model="gpt-4o-transcribe")
    deltas = [said for name, said in answer.events if name == "transcript.text.delta"]
    assert "".join(said["delta"] for said in deltas) == TEXT
    assert deltas[0]["logprobs"][0]["token"] == "Hello"
    name, done = answer.events[-1]
    assert (name, done["text"], done["usage"]["type"]) == ("transcript.text.done", TEXT, "tokens")


def test_a_stream_of_segments() -> None:
    answer = transcribe(("stream", "true"), ("response_format", "diarized_json"), model="gpt-4o-transcribe-diarize")
    assert [name for name, _ in answer.events].count("transcript.text.segment") == 2


def test_whisper_does_not_stream() -> None:
    assert transcribe(("stream", "true")).json["text"] == TEXT


def test_translations() -> None:
    data = spoken("你好。")
    assert transcribe(path=TRANSLATIONS, data=data).json["text"] == "你好。"
    verbose = transcribe(("response_format", "verbose_json"), path=TRANSLATIONS, data=data).json
    assert (verbose["task"], verbose["language"]) == ("translate", "english")
    heard = transcribe(("response_format", "verbose_json"), data=data).json
    assert (heard["task"], heard["language"]) == ("transcribe", "chinese")


def test_somebody_elses_recording() -> None:
    answer = transcribe(data=b"x" * 16_000).json
    assert (answer["text"], answer["usage"]["seconds"]) == (formats.UNKNOWN, 1)


@pytest.mark.parametrize(
    "strategy",
    [
        [("chunking_strategy", "auto")],
        [("chunking_strategy", json.dumps({"type": "server_vad", "threshold": 0.5}))],
        [("chunking_strategy[type]", "server_vad"), ("chunking_strategy[threshold]", "0.5")],
    ],
)
def test_chunking_strategies(strategy: list[tuple[str, str]]) -> None:
    assert transcribe(*strategy, ("languages[]", "en"), ("languages[]", "de"), ("keywords[]", "a")).status == 200


@pytest.mark.parametrize(
    ("parts", "param"),
    [
        ([("response_format", "xml")], "response_format"),
        ([("timestamp_granularities[]", "word")], "timestamp_granularities"),
        ([("temperature", "2")], "temperature"),
        ([("temperature", "warm")], "temperature"),
        ([("stream", "maybe")], "stream"),
        ([("chunking_strategy", "none")], "chunking_strategy"),
        ([("chunking_strategy[type]", "none")], "chunking_strategy"),
        ([("known_speaker_names[]", "a")], "known_speaker_names"),
        ([("known_speaker_names[]", "a"), ("known_speaker_references[]", "x")], "known_speaker_references"),
    ],
)
def test_what_transcriptions_refuse(parts: list[tuple[str, str]], param: str) -> None:
    answer = transcribe(*parts)
    assert (answer.status, answer.json["error"]["param"]) == (400, param)


def test_missing_parts() -> None:
    front = Front()
    assert front.post(TRANSCRIPTIONS, Form(("model", "m"))).json["error"]["param"] == "file"
    assert front.post(TRANSCRIPTIONS, Form(("file", "a", b"x"))).json["error"]["param"] == "model"
    assert front.post(TRANSCRIPTIONS, Form(("model", "m"), ("file", "a", b""))).status == 400
    assert front.post(TRANSCRIPTIONS, {"model": "m"}).status == 400
    diarized = Form(("model", "m"), ("file", "a", b"x"), ("response_format", "diarized_json"))
    assert front.post(TRANSLATIONS, diarized).json["error"]["param"] == "response_format"
