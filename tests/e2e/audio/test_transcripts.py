"""Transcripts and translations by the official SDK, against upstreams of either protocol."""

import base64
from math import ceil
from typing import Any

import httpx2
import openai
import pytest

from support import forms
from support.bills import bill, lines
from support.processes import RelayProcess, Vendor, http
from support.recordings import wav
from support.sounds import TEXT, asr, seconds

deprecated = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@deprecated
@pytest.mark.parametrize("model", ["whisper-1", "native"])
def test_a_transcript_in_every_format_from_either_upstream(client: openai.OpenAI, recording: bytes, model: str) -> None:
    """Two phrases; their words and times are the same whoever writes them down."""

    def heard(**options: Any) -> Any:
        return client.audio.transcriptions.create(model=model, file=("said.wav", recording), **options)

    assert heard().text == TEXT
    assert heard(response_format="text") == f"{TEXT}\n"
    srt, vtt = heard(response_format="srt"), heard(response_format="vtt")
    assert srt.startswith("1\n00:00:00,000 --> 00:00:0")
    assert [line for line in srt.splitlines() if line[:1].isalpha()] == ["Hello there.", "How are you today?"]
    assert vtt == "WEBVTT\n\n" + "".join(
        line + "\n" for line in srt.replace(",", ".").splitlines() if not line.isdigit()
    )
    verbose = heard(response_format="verbose_json", timestamp_granularities=["word", "segment"])
    assert (verbose.text, verbose.language) == (TEXT, "english")
    assert float(verbose.duration) == pytest.approx(seconds(recording, "wav"), abs=0.01)
    assert [word.word for word in verbose.words] == TEXT.split()
    assert [segment.text.strip() for segment in verbose.segments] == ["Hello there.", "How are you today?"]


@deprecated
@pytest.mark.parametrize("model", ["whisper-1", "native"])
def test_a_translation_from_either_upstream(client: openai.OpenAI, recording: bytes, model: str) -> None:
    verbose = client.audio.translations.create(
        model=model, file=("said.wav", recording), response_format="verbose_json"
    )
    assert (verbose.text, verbose.language) == (TEXT, "english")
    assert client.audio.translations.create(model=model, file=("said.wav", recording)).text == TEXT


@pytest.mark.parametrize("model", ["gpt-4o-transcribe", "whisper-1", "native"])
def test_a_transcript_as_a_stream(client: openai.OpenAI, recording: bytes, model: str) -> None:
    """Whisper-1 and whisper-asr know no streams: their answers are told as events."""
    with client.audio.transcriptions.create(model=model, file=("said.wav", recording), stream=True) as stream:
        events: list[Any] = list(stream)
    assert "".join(event.delta for event in events[:-1]) == TEXT == events[-1].text
    assert events[-1].type == "transcript.text.done"


def test_speakers_and_known_voices(client: openai.OpenAI, recording: bytes) -> None:
    voice = "data:audio/wav;base64," + base64.b64encode(wav(2)).decode()
    answer: Any = client.audio.transcriptions.create(
        model="gpt-4o-transcribe-diarize",
        file=("said.wav", recording),
        response_format="diarized_json",
        chunking_strategy={"type": "server_vad", "threshold": 0.4},
        known_speaker_names=["ada"],
        known_speaker_references=[voice],
    )
    assert answer.segments[0].speaker == "ada"


def transcribe(served: RelayProcess, recording: bytes, path: str = "transcriptions", **fields: str) -> httpx2.Response:
    return http.post(
        f"{served.base_url}/audio/{path}",
        files={"file": ("said.wav", recording)},
        data=fields,
        headers={"authorization": f"Bearer {served.key}"},
    )


@pytest.mark.parametrize("shape", ["json", "verbose_json", "text", "srt", "vtt"])
@pytest.mark.parametrize("model", ["whisper-1", "native"])
def test_seconds_are_charged_whether_stated_or_not(
    served: RelayProcess, recording: bytes, model: str, shape: str
) -> None:
    answer = transcribe(served, recording, model=model, response_format=shape)
    assert answer.status_code == 200
    charge = bill(served, answer.headers["x-request-id"])
    assert (lines(charge), charge["estimated"]) == ({"seconds": ceil(seconds(recording, "wav"))}, False)
    assert answer.headers["x-polyrelay-cost"] == charge["amount"]


def test_tokens_are_charged_as_stated(served: RelayProcess, recording: bytes) -> None:
    answer = transcribe(served, recording, model="gpt-4o-transcribe", prompt="polyrelay")
    usage = answer.json()["usage"]
    charge = bill(served, answer.headers["x-request-id"])
    assert lines(charge) == {
        "input_text": usage["input_token_details"]["text_tokens"],
        "input_audio": usage["input_token_details"]["audio_tokens"],
        "output_text": usage["output_tokens"],
    }
    assert charge["estimated"] is False


def test_tokens_that_nobody_states_are_estimated(served: RelayProcess, fresh: Vendor, recording: bytes) -> None:
    fresh.script("gpt-4o-transcribe", usage="none")
    charge = bill(served, transcribe(served, recording, model="gpt-4o-transcribe").headers["x-request-id"])
    assert lines(charge) == {
        "input_audio": ceil(seconds(recording, "wav") * 10),
        "output_text": ceil(len(TEXT) / 4),
    }
    assert charge["estimated"] is True


def test_a_large_recording_passes_whole(served: RelayProcess, fresh: Vendor) -> None:
    """25 MB, most of it on disk meanwhile; the length is read from its head."""
    large = wav(25 * 1024 * 1024 / 8000)
    answer = transcribe(served, large, model="whisper-1", response_format="text")
    assert answer.status_code == 200
    assert fresh.requests()[-1]["body_size"] > len(large)
    assert lines(bill(served, answer.headers["x-request-id"])) == {"seconds": ceil(25 * 1024 * 1024 / 8000)}


def test_the_vendor_sees_every_byte_but_the_models_name(served: RelayProcess, fresh: Vendor) -> None:
    parts = [
        forms.field("chunking_strategy[type]", b"server_vad"),
        forms.field("model", b"asr"),
        forms.file("file", wav(1), "said.wav", "audio/wav"),
        forms.field("timestamp_granularities[]", b"word"),
        forms.field("timestamp_granularities[]", b"segment"),
        forms.field("response_format", b"verbose_json"),
        forms.field("vendor_extra", "Grüße".encode()),
    ]
    headers = {"authorization": f"Bearer {served.key}", "content-type": forms.content_type().decode()}
    answer = http.post(f"{served.base_url}/audio/transcriptions", content=forms.body(*parts), headers=headers)
    assert answer.json()["words"]
    parts[1] = forms.field("model", b"whisper-1")
    assert base64.b64decode(fresh.requests()[-1]["body_base64"]) == forms.body(*parts)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "model"),
        ({"model": "whisper-1", "response_format": "xml"}, "response_format"),
        ({"model": "whisper-1", "temperature": "2"}, "temperature"),
        ({"model": "whisper-1", "chunking_strategy": "never"}, "chunking_strategy"),
    ],
)
def test_a_wrong_form_is_refused_before_anybody_is_asked(
    served: RelayProcess, fresh: Vendor, fields: dict[str, str], param: str
) -> None:
    answer = transcribe(served, wav(1), **fields)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert fresh.requests() == []


def test_a_form_is_asked_for(served: RelayProcess) -> None:
    headers = {"authorization": f"Bearer {served.key}"}
    answer = http.post(f"{served.base_url}/audio/transcriptions", json={"model": "whisper-1"}, headers=headers)
    assert answer.status_code == 415


def test_what_the_vendor_rejects_costs_nothing(served: RelayProcess, fresh: Vendor) -> None:
    fresh.script("whisper-1", status=400)
    answer = transcribe(served, wav(1), model="whisper-1")
    assert answer.status_code == 400
    assert bill(served, answer.headers["x-request-id"])["amount"] is None


def test_what_whisper_asr_rejects_is_told_in_its_words(served: RelayProcess, fresh: Vendor, recording: bytes) -> None:
    answer = transcribe(served, recording, model="native", language="klingon")
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "upstream_rejected")
    assert error["message"].endswith(": language: Input should be the code of a language")
    assert bill(served, answer.headers["x-request-id"])["amount"] is None


def test_before_commit_an_upstream_of_the_other_protocol_answers(
    served: RelayProcess, fresh: Vendor, recording: bytes
) -> None:
    fresh.script("both", status=500)
    answer = transcribe(served, recording, model="both")
    assert (answer.json()["text"], answer.headers["x-polyrelay-channel"]) == (TEXT, "recorder")
    charge = bill(served, answer.headers["x-request-id"])
    assert lines(charge) == {"seconds": ceil(seconds(recording, "wav"))}
    asked = asr(served, recording, output="txt", model="both")
    assert (asked.text, asked.headers["x-polyrelay-channel"]) == ("Hello there.\nHow are you today?\n", "recorder")
