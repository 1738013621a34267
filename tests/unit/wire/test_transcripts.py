"""One reader for the JSON of OpenAI and of each engine of whisper-asr-webservice."""

import json

import pytest

from polyrelay.exchange.sound import MOST_SECONDS
from polyrelay.exchange.transcript import Segment, Transcript, Word
from polyrelay.wire import transcripts

OPENAI = {
    "task": "transcribe",
    "language": "english",
    "duration": "8.47",
    "text": "Hi there.",
    "segments": [
        {"id": 0, "seek": 0, "start": 0.0, "end": 1.5, "text": " Hi there.", "tokens": [1], "avg_logprob": -0.2}
    ],
    "words": [{"word": "Hi", "start": 0.0, "end": 0.4}],
}
FASTER = {
    "language": "en",
    "segments": [
        {
            "id": 1,
            "start": 0.1,
            "end": 2,
            "text": " Hi.",
            "words": [{"word": " Hi", "start": 0.1, "end": 0.5, "probability": 0.9}],
        }
    ],
    "text": " Hi.",
}
WHISPERX = {
    "segments": [
        {
            "start": 0.1,
            "end": 2.0,
            "text": " Hi.",
            "words": [{"word": "Hi.", "start": 0.1, "end": 0.5, "score": 0.8, "speaker": "SPEAKER_00"}],
            "speaker": "SPEAKER_00",
        },
        {"start": 2.0, "end": 3.0, "text": " Bye."},
    ],
    "word_segments": [],
    "language": "en",
}


def read(value: object) -> Transcript | None:
    return transcripts.read(json.dumps(value).encode())


def test_openai() -> None:
    assert read(OPENAI) == Transcript(
        "Hi there.",
        "english",
        8.47,
        (Segment(0.0, 1.5, " Hi there.", details={"id": 0, "seek": 0, "tokens": [1], "avg_logprob": -0.2}),),
        (Word("Hi", 0.0, 0.4),),
    )


def test_faster_whisper() -> None:
    assert read(FASTER) == Transcript(
        " Hi.", "en", None, (Segment(0.1, 2.0, " Hi.", (Word(" Hi", 0.1, 0.5, 0.9),), details={"id": 1}),)
    )


def test_whisperx_has_no_text_of_its_own() -> None:
    found = read(WHISPERX)
    assert found is not None
    assert found.text == "Hi. Bye."
    assert found.segments[0].speaker == "SPEAKER_00"
    assert found.segments[0].words == (Word("Hi.", 0.1, 0.5, 0.8),)
    assert found.end == 3.0


@pytest.mark.parametrize("value", [None, [], "text", {}, {"text": 5}, {"segments": {}}, {"error": "x"}])
def test_what_is_no_transcript(value: object) -> None:
    assert read(value) is None


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 10_000])
def test_what_is_no_json(body: bytes) -> None:
    assert transcripts.read(body) is None


def test_members_of_a_wrong_type_are_absent() -> None:
    value = {
        "text": "x",
        "language": 5,
        "duration": True,
        "segments": [7, {"start": "a", "end": -1, "text": None, "words": 3, "speaker": 4}],
        "words": [{"word": 1, "start": 1e300, "probability": "?"}],
    }
    assert read(value) == Transcript("x", None, None, (Segment(0.0, 0.0, ""),), (Word("", 0.0, 0.0),))


@pytest.mark.parametrize(
    ("value", "found"),
    [(0, 0.0), (8.5, 8.5), ("8.5", 8.5), ("nan", None), ("inf", None), (-1, None), (True, None), (None, None),
     (MOST_SECONDS, float(MOST_SECONDS)), (MOST_SECONDS + 1, None), (10**400, None)],
)  # fmt: skip
def test_seconds(value: object, found: float | None) -> None:
    assert transcripts.seconds(value) == found
