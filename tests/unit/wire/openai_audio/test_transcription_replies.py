"""What transcripts say of their usage, whole and as events, and how those of other protocols are told."""

import json
from typing import Any

import pytest

from polyrelay.exchange.usage import Usage
from polyrelay.wire.openai_audio import transcription
from polyrelay.wire.openai_audio.transcription import TranscriptionRequest
from polyrelay.wire.openai_audio.transcription_replies import Events, Foreign, Json, Text
from polyrelay.wire.recording import Recording
from polyrelay.wire.spoken import EVENTS, JSON
from polyrelay.wire.whisper_asr.hearing import HEARING
from support.forms import Piece, field, file
from support.recordings import posted, wav

TOKENS = {
    "type": "tokens",
    "input_tokens": 14,
    "input_token_details": {"text_tokens": 4, "audio_tokens": 10},
    "output_tokens": 5,
    "total_tokens": 19,
}
ASR = {
    "text": " Hi there. Bye.",
    "language": "en",
    "segments": [
        {
            "id": 0,
            "seek": 0,
            "start": 0.0,
            "end": 1.0,
            "text": " Hi there.",
            "avg_logprob": -0.3,
            "words": [{"word": " Hi", "start": 0.0, "end": 0.4, "probability": 0.9}],
        },
        {"start": 1.0, "end": 2.0, "text": " Bye."},
    ],
}


def request(*pieces: Piece, translate: bool = False) -> TranscriptionRequest:
    incoming = posted(file("file", wav(2.5)), field("model", b"m"), *pieces)
    return transcription.read(incoming, HEARING, translate=translate)


def recorded() -> Recording:
    return request().recording


def observed(answer: object) -> Usage:
    seen = Json(recorded()).observe(json.dumps(answer).encode())
    assert (seen.garbled, seen.empty, seen.error) == (False, False, False)
    assert seen.usage is not None
    return seen.usage


def test_stated_tokens_count_beside_the_seconds_of_the_recording() -> None:
    assert observed({"text": "Hi", "usage": TOKENS}) == Usage(input_text=4, input_audio=10, output_text=5, seconds=3)


def test_tokens_without_details_are_sound() -> None:
    usage = {"type": "tokens", "input_tokens": 14, "output_tokens": 5}
    assert observed({"text": "Hi", "usage": usage}) == Usage(input_audio=14, output_text=5, seconds=3)


def test_stated_seconds_count_and_tokens_are_estimated_from_them() -> None:
    found = observed({"text": "Hi there", "usage": {"type": "duration", "seconds": 7.2}})
    assert found == Usage(input_audio=72, output_text=2, seconds=8, estimated=True)


@pytest.mark.parametrize("duration", [7.2, "7.2"])
def test_the_duration_of_verbose_json_counts(duration: object) -> None:
    assert observed({"text": "Hi there", "language": "english", "duration": duration}).seconds == 8


@pytest.mark.parametrize(
    "usage", [None, 5, {}, {"seconds": "x"}, {"input_tokens": True}, {"type": "duration", "seconds": -1}]
)
def test_without_usage_the_recording_counts(usage: object) -> None:
    found = observed({"text": "Hi there", "usage": usage})
    assert found == Usage(input_audio=25, output_text=2, seconds=3, estimated=True)


def test_silence_is_an_answer() -> None:
    assert observed({"text": ""}).seconds == 3


@pytest.mark.parametrize(
    ("body", "flaw"),
    [(b"", "empty"), (b" \n", "empty"), (b"<html>", "garbled"), (b"[]", "garbled"), (b"{}", "garbled"),
     (b'{"error":{"message":"x"}}', "error"), (b'{"text":5}', "garbled")],
)  # fmt: skip
def test_what_is_no_transcript(body: bytes, flaw: str) -> None:
    seen = Json(recorded()).observe(body)
    assert getattr(seen, flaw)


def test_the_charge_is_told_with_the_usage() -> None:
    body = json.dumps({"text": "Hi", "usage": TOKENS}).encode()
    reply = Json(recorded())
    assert json.loads(reply.rendered(body, b"0.25"))["usage"]["cost"] == 0.25
    assert reply.rendered(body, None) is body


@pytest.mark.parametrize("stated", [b"", b"text/plain; charset=utf-8", b"text/vtt"])
def test_a_text_keeps_its_media_type(stated: bytes) -> None:
    assert Text(recorded()).media_type(stated) == (stated or b"text/plain; charset=utf-8")


def test_a_text_is_measured_by_the_recording() -> None:
    seen = Text(recorded()).observe("Grüße\n".encode())
    assert seen.usage == Usage(input_audio=25, output_text=2, seconds=3, estimated=True)


def test_cues_tell_how_long_a_recording_with_a_false_header_is() -> None:
    seen = Text(recorded()).observe(b"1\n00:10:00,000 --> 00:10:30,000\nstill talking\n\n")
    assert seen.usage is not None
    assert (seen.usage.seconds, seen.usage.seconds_estimated) == (600, True)


def test_json_though_a_text_was_asked_for() -> None:
    reply = Text(recorded())
    assert reply.observe(b'{"error":{"message":"x"}}').error
    seen = reply.observe(json.dumps({"text": "Hi", "usage": TOKENS}).encode())
    assert seen.usage == Usage(input_text=4, input_audio=10, output_text=5, seconds=3)
    assert reply.observe(b'{"this is": what was said}').usage is not None


def event(**members: Any) -> bytes:
    return b"data: " + json.dumps(members).encode() + b"\n\n"


DELTAS = [event(type="transcript.text.delta", delta="Hi "), event(type="transcript.text.delta", delta="there")]
DONE = event(type="transcript.text.done", text="Hi there", usage=TOKENS)


def events(*pieces: Piece) -> Events:
    request_ = request(field("stream", b"true"), *pieces)
    reply = request_.outbound(request_.operations[0], None, "m", None).reply  # type: ignore[arg-type]
    assert isinstance(reply, Events)
    return reply


def test_events() -> None:
    tap = events().tap(None)
    assert b"".join(map(tap.feed, [*DELTAS, DONE])) == b"".join(DELTAS)
    assert (tap.meaningful, tap.final, tap.content_bytes) == (True, True, 8)
    assert tap.close() == b""
    assert tap.terminator == DONE
    assert tap.usage == Usage(input_text=4, input_audio=10, output_text=5, seconds=3)


def test_phrases_by_speaker_and_no_usage() -> None:
    phrase = event(type="transcript.text.segment", id="1", start=0, end=1, text="Hi there", speaker="A")
    tap = events(field("response_format", b"diarized_json")).tap(None)
    assert tap.feed(phrase * 2) == phrase * 2
    assert tap.content_bytes == 16
    tap.feed(event(type="transcript.text.done", text="Hi there Hi there"))
    tap.close()
    assert tap.usage == Usage(input_audio=25, output_text=5, seconds=3, estimated=True)


def test_one_object_instead_of_a_stream_is_told_as_events() -> None:
    whole = events().whole
    assert whole is not None
    body = json.dumps({"text": "Hi there", "usage": {"type": "duration", "seconds": 3}}).encode()
    assert whole.observe(body).usage == Usage(input_audio=30, output_text=2, seconds=3, estimated=True)
    told = whole.rendered(body, None).split(b"\n\n")
    assert [json.loads(each[6:]) for each in told if each] == [
        {"type": "transcript.text.delta", "delta": "Hi there"},
        {"text": "Hi there", "usage": {"type": "duration", "seconds": 3}, "type": "transcript.text.done"},
    ]
    assert whole.media_type(b"application/json") == EVENTS


def test_one_text_instead_of_a_stream_is_told_as_events() -> None:
    whole = events(field("response_format", b"text")).whole
    assert whole is not None
    assert b'"text":"Hi"' in whole.rendered(b"Hi\n", None)


def foreign(*pieces: Piece, translate: bool = False) -> tuple[bytes, bytes]:
    """Body and media type."""
    asked = request(*pieces, translate=translate)
    reply = Foreign(asked.recording, asked.fields, HEARING)
    body = json.dumps(ASR).encode()
    assert reply.observe(body).usage == Usage(input_audio=25, output_text=4, seconds=3, estimated=True)
    return reply.rendered(body, None), reply.media_type(b"text/plain")


def test_json_from_whisper_asr() -> None:
    body, kind = foreign()
    assert (json.loads(body), kind) == ({"text": "Hi there. Bye."}, JSON)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (b"text", "Hi there. Bye.\n"),
        (b"srt", "1\n00:00:00,000 --> 00:00:01,000\nHi there.\n\n2\n00:00:01,000 --> 00:00:02,000\nBye.\n\n"),
        (b"vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nHi there.\n\n00:00:01.000 --> 00:00:02.000\nBye.\n\n"),
    ],
)
def test_texts_from_whisper_asr(shape: bytes, expected: str) -> None:
    assert foreign(field("response_format", shape)) == (expected.encode(), b"text/plain; charset=utf-8")


def test_verbose_json_from_whisper_asr() -> None:
    words = field("timestamp_granularities[]", b"word"), field("timestamp_granularities[]", b"segment")
    body, _ = foreign(field("response_format", b"verbose_json"), *words)
    answer = json.loads(body)
    assert {name: answer[name] for name in ("task", "language", "duration", "text")} == {
        "task": "transcribe",
        "language": "english",
        "duration": 2.5,
        "text": "Hi there. Bye.",
    }
    assert answer["words"] == [{"word": "Hi", "start": 0.0, "end": 0.4}]
    assert answer["segments"][0]["avg_logprob"] == -0.3
    demanded = {"id", "seek", "start", "end", "text", "tokens", "temperature", "avg_logprob", "compression_ratio"}
    assert all(demanded | {"no_speech_prob"} == set(each) for each in answer["segments"])


def test_words_alone() -> None:
    body, _ = foreign(field("response_format", b"verbose_json"), field("timestamp_granularities[]", b"word"))
    assert "segments" not in json.loads(body)


def test_a_translation_is_english() -> None:
    body, _ = foreign(field("response_format", b"verbose_json"), translate=True)
    assert (json.loads(body)["task"], json.loads(body)["language"]) == ("translate", "english")


def test_events_from_whisper_asr() -> None:
    body, kind = foreign(field("stream", b"true"))
    assert kind == EVENTS
    assert body == (
        b'data: {"type":"transcript.text.delta","delta":"Hi there. Bye."}\n\n'
        b'data: {"type":"transcript.text.done","text":"Hi there. Bye."}\n\n'
    )


def test_what_whisper_asr_may_not_answer() -> None:
    asked = request()
    assert Foreign(asked.recording, asked.fields, HEARING).observe(b"plain text").garbled
