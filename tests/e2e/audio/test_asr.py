"""Recordings for whisper-asr-webservice by plain HTTP, against upstreams of either protocol."""

import base64
from math import ceil
from typing import Any

import pytest

from support import forms
from support.bills import bill, lines
from support.processes import RelayProcess, Vendor, http
from support.recordings import wav
from support.sounds import TEXT, asr, seconds


@pytest.mark.parametrize("path", ["/v1/asr", "/asr"])
@pytest.mark.parametrize("model", ["asr", "native"])
def test_every_output_from_either_upstream(served: RelayProcess, recording: bytes, model: str, path: str) -> None:
    """An answer is the same whoever gave it, as far as the outputs go."""
    named = {} if model == "asr" else {"model": model}
    texts = {
        output: asr(served, recording, path, output=output, **named) for output in ("txt", "vtt", "srt", "tsv", "json")
    }
    for output, answer in texts.items():
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/plain")
        assert f".{output}" in answer.headers["content-disposition"]
        assert answer.headers["asr-engine"] == ("openai_api" if model == "asr" else "openai_whisper")
    assert texts["txt"].text == "Hello there.\nHow are you today?\n"
    assert texts["vtt"].text.startswith("WEBVTT\n\n00:00.000 --> 00:0")
    assert texts["srt"].text.startswith("1\n00:00:00,000 --> ")
    assert texts["tsv"].text.startswith("start\tend\ttext\n0\t")
    found = texts["json"].json()
    assert (found["text"].strip(), found["language"]) == (TEXT, "en")
    assert [segment["text"].strip() for segment in found["segments"]] == ["Hello there.", "How are you today?"]
    charge = bill(served, texts["tsv"].headers["x-request-id"])
    assert lines(charge) == {"seconds": ceil(seconds(recording, "wav"))}


@pytest.mark.parametrize("model", ["asr", "native"])
def test_words_and_a_translation(served: RelayProcess, recording: bytes, model: str) -> None:
    found = asr(served, recording, name="file", model=model, output="json", word_timestamps="true").json()
    words = [word["word"].strip() for segment in found["segments"] for word in segment["words"]]
    assert words == TEXT.split()
    for segment in found["segments"]:
        assert "".join(word["word"] for word in segment["words"]) == segment["text"]
        assert all(0 <= word["probability"] <= 1 for word in segment["words"])
    assert asr(served, recording, model=model, task="translate").text.replace("\n", " ").strip() == TEXT


@pytest.mark.parametrize("path", ["/asr", "/v1/asr", "/detect-language", "/v1/detect-language"])
def test_the_key_may_be_the_password_in_the_address(served: RelayProcess, recording: bytes, path: str) -> None:
    """All that a client of a service without keys can be told."""

    def told(key: str) -> Any:
        address = served.url.replace("://", f"://x:{key}@")
        return http.post(address + path, params={"model": "native"}, files={"audio_file": ("a.wav", recording)})

    assert told(served.key).status_code == 200
    refused = told("pr-other")
    assert (refused.status_code, type(refused.json()["detail"])) == (401, str)
    assert refused.headers["www-authenticate"].startswith("Basic")


def test_natively_the_query_and_the_file_arrive(served: RelayProcess, fresh: Vendor) -> None:
    asr(served, wav(1), model="native", output="json", initial_prompt="a & b", diarize="true")
    seen = fresh.requests()[-1]
    assert seen["path"] == "/asr?output=json&initial_prompt=a+%26+b&diarize=true"
    assert all(name.lower() != "authorization" for name, _ in seen["headers"])
    body = base64.b64decode(seen["body_base64"])
    assert b'name="audio_file"; filename="my speech.wav"' in body


@pytest.mark.parametrize("model", ["asr", "native"])
@pytest.mark.parametrize("half", [b"", b"\0"])
def test_bare_samples_are_understood_by_either_upstream(
    served: RelayProcess, samples: bytes, model: str, half: bytes
) -> None:
    """As Bazarr sends them: the file's name has no suffix."""
    answer = http.post(
        f"{served.url}/asr",
        params={"task": "transcribe", "language": "en", "output": "srt", "encode": "false", "model": model},
        files={"audio_file": ("audio_file", samples + half)},
        headers={"authorization": f"Bearer {served.key}"},
    )
    assert [line for line in answer.text.splitlines() if line[:1].isalpha()] == ["Hello there.", "How are you today?"]
    charge = bill(served, answer.headers["x-request-id"])
    assert (lines(charge), charge["estimated"]) == ({"seconds": ceil(len(samples) / 32_000)}, False)


def test_bare_samples_are_sent_as_a_file(served: RelayProcess, fresh: Vendor) -> None:
    asr(served, bytes(3200), encode="false")
    seen = base64.b64decode(fresh.requests()[-1]["body_base64"])
    head = b'name="file"; filename="my speech.wav"\r\nContent-Type: audio/wav\r\n\r\nRIFF'
    assert head + (36 + 3200).to_bytes(4, "little") + b"WAVEfmt " in seen
    assert b"data" + (3200).to_bytes(4, "little") + bytes(3200) + b"\r\n" in seen


def test_many_bare_samples_pass_from_disk(served: RelayProcess, fresh: Vendor) -> None:
    """25 MB with a header before them, and a length that is announced right."""
    size = 25 * 1024 * 1024
    answer = asr(served, bytes(size), encode="false")
    assert answer.status_code == 200
    assert fresh.requests()[-1]["body_size"] > size + 44
    assert lines(bill(served, answer.headers["x-request-id"])) == {"seconds": ceil(size / 32_000)}


def test_a_language(served: RelayProcess, recording: bytes) -> None:
    for path in ("/v1/detect-language", "/detect-language"):
        answer = asr(served, recording, path, model="native")
        assert answer.json() == {"detected_language": "english", "language_code": "en", "confidence": 0.99}
    assert lines(bill(served, answer.headers["x-request-id"])) == {"seconds": ceil(seconds(recording, "wav"))}


def test_a_language_is_told_by_whisper_asr_alone(served: RelayProcess, recording: bytes) -> None:
    answer = asr(served, recording, "/detect-language")
    assert (answer.status_code, answer.json()["detail"][0]["loc"][-1]) == (422, "model")


MISSING = {"type": "missing", "loc": ["body", "audio_file"], "msg": "Field required", "input": None}


@pytest.mark.parametrize("path", ["/asr", "/v1/asr", "/detect-language", "/v1/detect-language"])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (None, b""),
        ("application/json", b"{}"),
        ("application/x-www-form-urlencoded", b"audio_file=x"),
        (forms.content_type().decode(), forms.body(forms.field("other", b"x"))),
    ],
)
def test_without_a_recording_the_file_is_missing(
    served: RelayProcess, fresh: Vendor, path: str, kind: str | None, body: bytes
) -> None:
    headers = {"authorization": f"Bearer {served.key}", **({} if kind is None else {"content-type": kind})}
    answer = http.post(served.url + path, content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (422, {"detail": [MISSING]})
    assert fresh.requests() == []


@pytest.mark.parametrize(
    ("query", "kind"), [({"encode": "perhaps"}, "bool_parsing"), ({"min_speakers": "two"}, "int_parsing")]
)
def test_a_parameter_that_cannot_be_read(served: RelayProcess, query: dict[str, str], kind: str) -> None:
    answer = asr(served, wav(1), **query)
    (wrong,) = answer.json()["detail"]
    assert (answer.status_code, wrong["type"], wrong["loc"]) == (422, kind, ["query", *query])


def test_a_form_that_cannot_be_read(served: RelayProcess) -> None:
    headers = {"authorization": f"Bearer {served.key}", "content-type": "multipart/form-data"}
    answer = http.post(f"{served.url}/asr", content=b"x", headers=headers)
    assert (answer.status_code, type(answer.json()["detail"])) == (400, str)


def test_refusals_are_fastapis(served: RelayProcess, fresh: Vendor, recording: bytes) -> None:
    wrong = asr(served, recording, output="xml")
    assert wrong.status_code == 422
    assert wrong.json()["detail"][0]["loc"] == ["query", "output"]
    assert wrong.headers["x-should-retry"] == "false"
    missing = asr(served, recording, name="audio")
    assert missing.json()["detail"] == [MISSING]
    anonymous = http.post(f"{served.url}/asr", files={"audio_file": ("a.wav", recording)})
    assert (anonymous.status_code, type(anonymous.json()["detail"])) == (401, str)
    assert anonymous.headers["www-authenticate"].startswith("Basic")
    assert fresh.requests() == []


@pytest.mark.parametrize(("model", "call"), [("asr", "whisper-1"), ("native", "/asr")])
def test_failures_are_fastapis_too_and_cost_nothing(
    served: RelayProcess, fresh: Vendor, recording: bytes, model: str, call: str
) -> None:
    fresh.script(call, status=503, retry_after="7")
    answer = asr(served, recording, model=model)
    assert (answer.status_code, type(answer.json()["detail"]), answer.headers["retry-after"]) == (503, str, "7")
    assert bill(served, answer.headers["x-request-id"])["amount"] is None


def test_what_openai_rejects_is_told_in_its_words(served: RelayProcess, fresh: Vendor, recording: bytes) -> None:
    fresh.script("whisper-1", status=400)
    answer = asr(served, recording)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("The upstream provider rejected this request: ")
    assert bill(served, answer.headers["x-request-id"])["amount"] is None


def test_a_native_rejection_passes_in_its_own_words(served: RelayProcess, fresh: Vendor, recording: bytes) -> None:
    answer = asr(served, recording, model="native", language="klingon")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "language"]
