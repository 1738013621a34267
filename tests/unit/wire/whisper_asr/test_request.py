"""Recordings for whisper-asr-webservice: natively, or put to OpenAI's protocol and told in the service's outputs."""

import json
import wave
from io import BytesIO
from typing import Any

import pytest

from polyrelay.exchange.call import Demand
from polyrelay.exchange.operation import Operation
from polyrelay.exchange.usage import Usage
from polyrelay.kernel.errors import InvalidRequest, Refusal
from polyrelay.wire.openai_audio.hearing import HEARING
from polyrelay.wire.spoken import WholeReply
from polyrelay.wire.whisper_asr import request
from polyrelay.wire.whisper_asr.request import AsrRequest
from support import forms
from support.forms import Piece, field, file
from support.recordings import AnyUpstream, Posted, posted, sent, wav

FILE = file("audio_file", wav(2.5), "my speech.wav", "audio/wav")
VERBOSE: dict[str, Any] = {
    "task": "transcribe",
    "language": "english",
    "duration": 2.4,
    "text": "Hi there. Bye.",
    "segments": [
        {"id": 0, "seek": 0, "start": 0.0, "end": 1.0, "text": " Hi there.", "tokens": [], "temperature": 0.0},
        {"id": 1, "seek": 0, "start": 1.0, "end": 2.4, "text": " Bye.", "tokens": [], "temperature": 0.0},
    ],
}


def read(*pieces: Piece, query: bytes = b"") -> AsrRequest:
    return request.read(posted(*(pieces or (FILE,)), query=query), HEARING)


def test_natively_the_file_and_the_query_pass() -> None:
    asked = read(query=b"output=srt&model=mine&language=de")
    out = asked.outbound(Operation.ASR, AnyUpstream(), "ignored", None)
    assert sent(out.body) == forms.body(FILE)
    assert out.query == "output=srt&language=de"
    assert asked.call.model == "mine"
    assert asked.call.demand == Demand(seconds=3)


def test_the_file_may_be_called_file_and_nothing_else_passes() -> None:
    other = file("file", wav(2.5), "my speech.wav", "audio/wav")
    asked = read(other, field("junk", b"x"))
    assert sent(asked.outbound(Operation.ASR, AnyUpstream(), "m", None).body) == forms.body(FILE)


@pytest.mark.parametrize("pieces", [(field("x", b"y"),), (field("audio_file", b"text"),), (FILE, FILE)])
def test_no_file(pieces: tuple[Piece, ...]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(*pieces)
    assert caught.value.param == "body.audio_file"


def test_no_form() -> None:
    with pytest.raises(Refusal) as caught:
        request.read(Posted(None, None), HEARING)
    assert caught.value.status == 415


@pytest.mark.parametrize(
    ("query", "operations"),
    [
        (b"", (Operation.ASR, Operation.TRANSCRIPTION)),
        (b"task=translate", (Operation.ASR, Operation.TRANSLATION)),
        (b"diarize=true", (Operation.ASR,)),
        (b"encode=false", (Operation.ASR, Operation.TRANSCRIPTION)),
        (b"encode=false&task=translate", (Operation.ASR, Operation.TRANSLATION)),
    ],
)
def test_who_can_serve_it(query: bytes, operations: tuple[Operation, ...]) -> None:
    assert read(query=query).operations == operations


def test_bare_samples_have_a_known_rate() -> None:
    asked = read(file("audio_file", bytes(64_000)), query=b"encode=false")
    assert (asked.recording.length.seconds, asked.recording.length.guessed) == (2.0, False)


def as_file(data: bytes, filename: str = "audio_file") -> tuple[str | None, str, bytes]:
    """File name, media type and bytes of a recording of bare samples, as a transcription's upstream gets it."""
    asked = read(file("audio_file", data, filename, "application/octet-stream"), query=b"encode=false&output=json")
    body = sent(asked.outbound(Operation.TRANSCRIPTION, AnyUpstream(), "whisper-1", None).body)
    part, model, *_ = forms.read(body).parts
    assert (part.name, model.name, model.value) == ("file", "model", b"whisper-1")
    return part.head.filename, part.head.content_type, body[part.value_start : part.value_end]


@pytest.mark.parametrize("size", [2, 64_000])
def test_bare_samples_become_a_file_where_files_are_wanted(size: int) -> None:
    data = bytes(number % 251 for number in range(size))
    name, kind, made = as_file(data)
    assert (name, kind) == ("audio_file.wav", "audio/wav")
    with wave.open(BytesIO(made)) as found:
        assert (found.getnchannels(), found.getsampwidth(), found.getframerate()) == (1, 2, 16_000)
        assert found.readframes(size) == data
    assert len(made) == 44 + size
    assert made[4:8] == (36 + size).to_bytes(4, "little")


def test_half_a_sample_is_left_out() -> None:
    for data in (b"\1", b"\1\2\3"):
        _, _, made = as_file(data)
        with wave.open(BytesIO(made)) as found:
            assert found.readframes(9) == data[:-1]
        assert len(made) == 44 + len(data) - 1


@pytest.mark.parametrize(
    ("given", "shown"), [("a.WAV", "a.WAV"), ("my.raw", "my.raw.wav"), ("", "recording.wav"), ("ü", "ü.wav")]
)
def test_the_file_is_called_what_it_has_become(given: str, shown: str) -> None:
    assert as_file(bytes(4), given)[0] == shown


def test_no_samples_at_all() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(file("audio_file", b""), query=b"encode=false")
    assert caught.value.param == "body.audio_file"


def test_natively_bare_samples_pass_as_they_are() -> None:
    asked = read(file("audio_file", b"\1\2\3", "audio_file"), query=b"encode=false")
    out = asked.outbound(Operation.ASR, AnyUpstream(), "m", None)
    assert sent(out.body) == forms.body(file("audio_file", b"\1\2\3", "audio_file"))
    assert out.query == "encode=false"


def fields(asked: AsrRequest, operation: Operation, model: str) -> list[tuple[str, bytes]]:
    out = asked.outbound(operation, AnyUpstream(), model, None)
    assert out.query == ""
    form = forms.read(sent(out.body))
    assert form.parts[0].name == "file"
    assert form.parts[0].head.filename == "my speech.wav"
    return [(part.name, part.value or b"") for part in form.parts[1:]]


def test_as_a_transcription() -> None:
    asked = read(query=b"output=json&language=german&initial_prompt=Hallo&word_timestamps=true&vad_filter=true")
    assert fields(asked, Operation.TRANSCRIPTION, "whisper-1") == [
        ("model", b"whisper-1"),
        ("response_format", b"verbose_json"),
        ("prompt", b"Hallo"),
        ("language", b"de"),
        ("timestamp_granularities[]", b"word"),
        ("timestamp_granularities[]", b"segment"),
    ]


def test_as_a_translation() -> None:
    asked = read(query=b"output=srt&task=translate&language=de&word_timestamps=true")
    assert fields(asked, Operation.TRANSLATION, "whisper-1") == [
        ("model", b"whisper-1"),
        ("response_format", b"verbose_json"),
    ]


@pytest.mark.parametrize(
    ("model", "shape"), [("gpt-4o-transcribe", b"json"), ("openai/Whisper-large-v3", b"verbose_json")]
)
def test_phrases_are_asked_of_models_that_know_them(model: str, shape: bytes) -> None:
    assert fields(read(), Operation.TRANSCRIPTION, model)[1] == ("response_format", shape)


def foreign(query: bytes, answer: object = VERBOSE) -> WholeReply:
    reply = read(query=query).outbound(Operation.TRANSCRIPTION, AnyUpstream(), "whisper-1", None).reply
    assert isinstance(reply, WholeReply)
    seen = reply.observe(json.dumps(answer).encode())
    assert (seen.garbled, seen.empty, seen.error) == (False, False, False)
    return reply


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("txt", "Hi there.\nBye.\n"),
        ("vtt", "WEBVTT\n\n00:00.000 --> 00:01.000\nHi there.\n\n00:01.000 --> 00:02.400\nBye.\n\n"),
        ("srt", "1\n00:00:00,000 --> 00:00:01,000\nHi there.\n\n2\n00:00:01,000 --> 00:00:02,400\nBye.\n\n"),
        ("tsv", "start\tend\ttext\n0\t1000\tHi there.\n1000\t2400\tBye.\n"),
    ],
)
def test_outputs_from_openai(output: str, expected: str) -> None:
    reply = foreign(f"output={output}".encode())
    assert reply.rendered(json.dumps(VERBOSE).encode(), None) == expected.encode()
    assert reply.media_type(b"application/json") == b"text/plain; charset=utf-8"
    assert dict(reply.headers()) == {
        b"asr-engine": b"openai_api",
        b"content-disposition": f'attachment; filename="my%20speech.wav.{output}"'.encode(),
    }


def test_json_from_openai() -> None:
    answer = {**VERBOSE, "words": [{"word": "Hi", "start": 0.0, "end": 0.4}, {"word": "Bye", "start": 1.1, "end": 2.0}]}
    shown = json.loads(foreign(b"output=json", answer).rendered(json.dumps(answer).encode(), None))
    assert (shown["text"], shown["language"]) == ("Hi there. Bye.", "en")
    assert [each["words"] for each in shown["segments"]] == [
        [{"word": " Hi", "start": 0.0, "end": 0.4, "probability": 0.0}],
        [{"word": " Bye", "start": 1.1, "end": 2.0, "probability": 0.0}],
    ]
    assert shown["segments"][1]["temperature"] == 0.0


@pytest.mark.parametrize(
    ("text", "words", "joined"),
    [
        (" Hi, you there.", ["Hi", "you", "there"], " Hi you there"),
        (" Hi there.", [" Hi", " there."], " Hi there."),
        ("你好。世界", ["你", "好", "世", "界"], " 你好 世界"),
        (" well-known", ["well", "known"], " well known"),
        (" Twenty one", ["20", "one", "more"], " 20 one more"),
        ("", ["Hi", "", "there"], " Hi  there"),
        (f"a{'.' * 65}b", ["a", "b"], " a b"),
    ],
)
def test_words_from_openai_can_be_joined(text: str, words: list[str], joined: str) -> None:
    timed = [{"word": word, "start": 0.1, "end": 0.2, "probability": 0.5} for word in words]
    answer = {"text": text, "segments": [{"start": 0.0, "end": 1.0, "text": text}], "words": timed}
    (segment,) = json.loads(foreign(b"output=json", answer).rendered(json.dumps(answer).encode(), None))["segments"]
    assert "".join(word["word"] for word in segment["words"]) == joined
    assert {word["probability"] for word in segment["words"]} == {0.5}


def test_a_text_without_phrases_is_one() -> None:
    body = b'{"text":"Hi there."}'
    assert foreign(b"", {"text": "Hi there."}).rendered(body, None) == b"Hi there.\n"
    assert foreign(b"", {"text": ""}).rendered(b'{"text":""}', None) == b""


def test_usage_by_the_duration_that_openai_states() -> None:
    reply = read().outbound(Operation.TRANSCRIPTION, AnyUpstream(), "whisper-1", None).reply
    assert isinstance(reply, WholeReply)
    usage = reply.observe(json.dumps({**VERBOSE, "duration": 7.5}).encode()).usage
    assert usage == Usage(input_audio=75, output_text=4, seconds=8, estimated=True)


def native(query: bytes) -> WholeReply:
    reply = read(query=query).outbound(Operation.ASR, AnyUpstream(), "m", None).reply
    assert isinstance(reply, WholeReply)
    return reply


def test_native_answers_are_measured_by_the_recording() -> None:
    assert native(b"").observe(b"Hi there.\nBye.\n").usage == Usage(
        input_audio=25, output_text=4, seconds=3, estimated=True
    )
    assert native(b"output=json").observe(json.dumps(VERBOSE).encode()).usage is not None


@pytest.mark.parametrize(
    ("output", "empty"), [("txt", False), ("srt", False), ("vtt", True), ("tsv", True), ("json", True)]
)
def test_silence_leaves_some_outputs_empty(output: str, empty: bool) -> None:
    assert native(f"output={output}".encode()).observe(b"").empty is empty


def test_native_json_that_is_none() -> None:
    assert native(b"output=json").observe(b"plain text").garbled


def test_the_services_headers_travel_on() -> None:
    assert native(b"").passed == {b"asr-engine", b"content-disposition"}


def test_a_language_takes_half_a_minute_at_most() -> None:
    asked = request.read_language(posted(file("audio_file", wav(100)), query=b"encode=true"))
    assert asked.operations == (Operation.DETECT_LANGUAGE,)
    assert asked.call.demand == Demand(seconds=30)
    out = asked.outbound(Operation.DETECT_LANGUAGE, AnyUpstream(), "m", None)
    assert out.query == "encode=true"
    reply = out.reply
    assert isinstance(reply, WholeReply)
    answer = b'{"detected_language":"english","language_code":"en","confidence":0.98}'
    usage = reply.observe(answer).usage
    assert usage is not None
    assert (usage.seconds, usage.seconds_estimated) == (30, False)
    assert reply.observe(b'{"text":"x"}').garbled
    assert reply.observe(b"").empty
