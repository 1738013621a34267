"""Speech, transcripts and translations by the official SDK, and recordings for whisper-asr-webservice by plain HTTP,
against upstreams of either protocol: what comes back, and what it costs.
"""

import base64
import json
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from polyrelay.wire.containers import duration
from support import forms
from support.bills import bill, lines, tell
from support.processes import RelayProcess, Vendor, channel, http, relay
from support.recordings import wav

TEXT = "Hello there. How are you today?"
FORMATS = ["mp3", "opus", "aac", "flac", "wav", "pcm"]
deprecated = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SPOKEN = (
    '"tts-1", "gpt-4o-mini-tts", { name = "by-second", upstream = "tts-1" }, '
    '{ name = "said-by-events", upstream = "gpt-4o-mini-tts" }, "whisper-1", "gpt-4o-transcribe", '
    '"gpt-4o-transcribe-diarize", { name = "asr", upstream = "whisper-1" }, "both"'
)
SELL = {
    "tts-1": 'per_character = "0.000015"',
    "by-second": 'per_second = "0.01"',
    "said-by-events": 'per_character = "0.000015"',
    "gpt-4o-mini-tts": 'input_text = "0.60", output_text = "12"',
    **dict.fromkeys(("whisper-1", "asr", "native", "both"), 'per_second = "0.0001"'),
    **dict.fromkeys(
        ("gpt-4o-transcribe", "gpt-4o-transcribe-diarize"), 'input_text = "2.50", input_audio = "6", output_text = "10"'
    ),
}
TARIFFS = "".join(
    f'[[tariffs]]\nmodel = "{model}"\nsell = {{ {sell} }}\nmaxima = {{ context = 16000 }}\n'
    for model, sell in SELL.items()
)


def whisper_asr(name: str, sandbox: Vendor, models: str, extra: str = "") -> str:
    """Without a credential: it asks for none."""
    root = sandbox.base_url.removesuffix("/v1")
    return (
        f'[[channels]]\nname = "{name}"\nprovider = "whisper_asr"\nbase_url = "{root}"\nmodels = [{models}]\n{extra}\n'
    )


@pytest.fixture(scope="module")
def served(sandbox: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    """`native` is served by whisper-asr alone; `both` by a broken channel first, then by whisper-asr."""
    config = channel("main", sandbox.base_url, SPOKEN)
    config += whisper_asr("recorder", sandbox, '"native", "both"', "priority = 1")
    config += "[answers]\nreveal_channel = true\n" + TARIFFS
    with relay(tmp_path_factory.mktemp("audio"), config) as found:
        yield found
        audit = tell(found, "ledger", "audit")
        assert (audit["clean"], audit["offences"]) == (True, [])


@pytest.fixture(autouse=True)
def plain(sandbox: Vendor) -> None:
    """What one test scripts is not for the next."""
    sandbox.clear()


@pytest.fixture(scope="module")
def client(served: RelayProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=served.base_url, api_key=served.key, max_retries=0) as found:
        yield found


@pytest.fixture(scope="module")
def recording(client: openai.OpenAI, sandbox: Vendor) -> bytes:
    """The sandbox's own speech: it hears there what it said."""
    sandbox.clear()
    return client.audio.speech.create(model="tts-1", input=TEXT, voice="alloy", response_format="wav").content


def seconds(sound: bytes, kind: str) -> float:
    found = duration.of(lambda size, offset: sound[offset : offset + size], len(sound))
    if kind == "pcm":
        return len(sound) / 48_000
    assert found is not None
    return found.seconds


# ── speech ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", FORMATS)
def test_speech_in_every_format_streamed_to_a_file(
    client: openai.OpenAI, served: RelayProcess, tmp_path: Path, kind: Any
) -> None:
    path = tmp_path / "said"
    with client.audio.speech.with_streaming_response.create(
        model="by-second", input=TEXT, voice="alloy", response_format=kind
    ) as answer:
        answer.stream_to_file(path)
        exchange, media = answer.headers["x-request-id"], answer.headers["content-type"]
    assert media.startswith("audio/")
    charge = bill(served, exchange)
    assert lines(charge) == {"seconds": ceil(seconds(path.read_bytes(), kind))}
    assert charge["estimated"] is False


def test_speech_by_its_characters(client: openai.OpenAI, served: RelayProcess) -> None:
    text = "Grüße, 世界!"
    answer = client.audio.speech.with_raw_response.create(model="tts-1", input=text, voice="alloy")
    charge = bill(served, answer.headers["x-request-id"])
    assert (lines(charge), charge["amount"], charge["estimated"]) == ({"characters": 10}, "0.000150000", False)


def test_speech_by_tokens_that_nobody_states(client: openai.OpenAI, served: RelayProcess) -> None:
    answer = client.audio.speech.with_raw_response.create(
        model="gpt-4o-mini-tts", input=TEXT, voice="alloy", response_format="pcm", instructions="Softly."
    )
    charge = bill(served, answer.headers["x-request-id"])
    spoken = ceil(len(answer.content) / 48_000 * 20)
    assert lines(charge) == {"input_text": 10, "output_audio": spoken}
    assert charge["estimated"] is True


def test_speech_as_events(client: openai.OpenAI, served: RelayProcess) -> None:
    with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", input=TEXT, voice="alloy", response_format="wav", stream_format="sse"
    ) as answer:
        exchange = answer.headers["x-request-id"]
        events = [json.loads(line[5:]) for line in answer.iter_lines() if line.startswith("data:")]
    assert [events[0]["type"], events[-1]["type"]] == ["speech.audio.delta", "speech.audio.done"]
    sound = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    assert sound.startswith(b"RIFF")
    charge = bill(served, exchange)
    usage = events[-1]["usage"]
    assert lines(charge) == {"input_text": usage["input_tokens"], "output_audio": usage["output_tokens"]}
    assert charge["estimated"] is False


def test_the_vendor_sees_its_own_model_and_every_other_byte(served: RelayProcess, fresh: Vendor) -> None:
    body = b'{ "model":"by-second", "input":"Gr\\u00fc\\u00dfe","voice":{"id":"v_1"},"vendor_extra":[1, 2] }'
    headers = {"authorization": f"Bearer {served.key}", "content-type": "application/json"}
    assert http.post(f"{served.base_url}/audio/speech", content=body, headers=headers).status_code == 200
    seen = fresh.requests()[-1]
    assert base64.b64decode(seen["body_base64"]) == body.replace(b'"by-second"', b'"tts-1"')


def test_speech_that_breaks_off_is_cut_and_charged_as_far_as_it_came(served: RelayProcess, fresh: Vendor) -> None:
    fresh.script("tts-1", seconds=4, cut=96_044, pace=0.001)
    body = {"model": "by-second", "input": TEXT, "voice": "alloy", "response_format": "wav"}
    headers = {"authorization": f"Bearer {served.key}", "x-request-id": "cut-speech"}
    with pytest.raises(httpx2.RemoteProtocolError):
        http.post(f"{served.base_url}/audio/speech", json=body, headers=headers)
    record = served.record("cut-speech")
    assert record["outcome"] == "truncated"
    assert lines(bill(served, record["exchange"])) == {"seconds": 2}


LONG = "The relay passes sound on as it comes, and counts it. " * 4
"""18 seconds at the usual pace of 12 letters a second."""


def cut_speech(served: RelayProcess, fresh: Vendor, label: str, **script: Any) -> dict[str, Any]:
    """The charge of a text by its characters, of which the vendor says a part."""
    fresh.script("tts-1", **script)
    body = {"model": "tts-1", "input": LONG, "voice": "alloy", "response_format": "pcm"}
    headers = {"authorization": f"Bearer {served.key}", "x-request-id": label}
    with pytest.raises(httpx2.RemoteProtocolError):
        http.post(f"{served.base_url}/audio/speech", json=body, headers=headers)
    record = served.record(label)
    assert record["outcome"] == "truncated"
    return bill(served, record["exchange"])


def test_a_text_is_charged_as_far_as_it_was_said(served: RelayProcess, fresh: Vendor) -> None:
    charge = cut_speech(served, fresh, "cut-text", seconds=20, cut=3 * 48_000)
    assert (lines(charge), charge["amount"], charge["estimated"]) == ({"characters": 36}, "0.000540000", True)


def test_a_cut_after_the_last_byte_costs_at_most_the_whole(served: RelayProcess, fresh: Vendor) -> None:
    charge = cut_speech(served, fresh, "cut-at-the-end", seconds=20, length=1)
    assert (lines(charge), charge["estimated"]) == ({"characters": len(LONG)}, False)


def test_a_cut_before_the_first_byte_is_free(served: RelayProcess, fresh: Vendor) -> None:
    fresh.script("tts-1", cut=0)
    body = {"model": "tts-1", "input": LONG, "voice": "alloy"}
    answer = http.post(f"{served.base_url}/audio/speech", json=body, headers={"authorization": f"Bearer {served.key}"})
    assert answer.status_code == 502
    assert bill(served, answer.headers["x-request-id"])["amount"] is None


def test_events_of_speech_that_break_off_cost_what_they_brought(served: RelayProcess, fresh: Vendor) -> None:
    fresh.script("gpt-4o-mini-tts", seconds=20, cut=400_000)
    body = {
        "model": "said-by-events",
        "input": LONG,
        "voice": "alloy",
        "response_format": "pcm",
        "stream_format": "sse",
    }
    headers = {"authorization": f"Bearer {served.key}", "x-request-id": "cut-events"}
    answer = http.post(f"{served.base_url}/audio/speech", json=body, headers=headers)
    events = [json.loads(line[5:]) for line in answer.text.splitlines() if line.startswith("data:")]
    assert events.pop()["error"]["code"] == "stream_cut"
    size = sum(len(base64.b64decode(event["audio"])) for event in events)
    charge = bill(served, answer.headers["x-request-id"])
    assert lines(charge) == {"characters": pytest.approx(size / 48_000 * 12, abs=1)}
    assert charge["estimated"] is True


@pytest.mark.parametrize(
    ("changes", "param"),
    [({"input": "x" * 4097}, "input"), ({"speed": 5}, "speed"), ({"response_format": "ogg"}, "response_format")],
)
def test_wrong_speech_is_refused_before_anybody_is_asked(
    client: openai.OpenAI, fresh: Vendor, changes: Any, param: str
) -> None:
    arguments: Any = {"model": "tts-1", "input": TEXT, "voice": "alloy", **changes}
    with pytest.raises(openai.BadRequestError) as caught:
        client.audio.speech.create(**arguments)
    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")
    assert fresh.requests() == []


@pytest.mark.parametrize("script", [{"status": 500}, {"html": 1}, {"empty": "body"}, {"status": 401}])
def test_speech_that_fails_costs_nothing(served: RelayProcess, fresh: Vendor, script: Any) -> None:
    fresh.script("tts-1", **script)
    body = {"model": "tts-1", "input": TEXT, "voice": "alloy"}
    answer = http.post(f"{served.base_url}/audio/speech", json=body, headers={"authorization": f"Bearer {served.key}"})
    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "upstream_error"
    record = bill(served, answer.headers["x-request-id"])
    assert record["amount"] is None


# ── transcripts ──────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── asr ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def asr(served: RelayProcess, recording: bytes, path: str = "/v1/asr", name: str = "audio_file", **query: str) -> Any:
    return http.post(
        served.url + path,
        params=query,
        files={name: ("my speech.wav", recording)},
        headers={"authorization": f"Bearer {served.key}"},
    )


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
    assert asr(served, recording, model=model, task="translate").text.replace("\n", " ").strip() == TEXT


def test_natively_the_query_and_the_file_arrive(served: RelayProcess, fresh: Vendor) -> None:
    asr(served, wav(1), model="native", output="json", initial_prompt="a & b", diarize="true")
    seen = fresh.requests()[-1]
    assert seen["path"] == "/asr?output=json&initial_prompt=a+%26+b&diarize=true"
    assert all(name.lower() != "authorization" for name, _ in seen["headers"])
    body = base64.b64decode(seen["body_base64"])
    assert b'name="audio_file"; filename="my speech.wav"' in body


def test_a_language(served: RelayProcess, recording: bytes) -> None:
    for path in ("/v1/detect-language", "/detect-language"):
        answer = asr(served, recording, path, model="native")
        assert answer.json() == {"detected_language": "english", "language_code": "en", "confidence": 0.99}
    assert lines(bill(served, answer.headers["x-request-id"])) == {"seconds": ceil(seconds(recording, "wav"))}


def test_a_language_is_told_by_whisper_asr_alone(served: RelayProcess, recording: bytes) -> None:
    answer = asr(served, recording, "/detect-language")
    assert (answer.status_code, type(answer.json()["detail"])) == (404, str)


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
    assert fresh.requests() == []


@pytest.mark.parametrize(("model", "call"), [("asr", "whisper-1"), ("native", "/asr")])
def test_failures_are_fastapis_too_and_cost_nothing(
    served: RelayProcess, fresh: Vendor, recording: bytes, model: str, call: str
) -> None:
    fresh.script(call, status=503, retry_after="7")
    answer = asr(served, recording, model=model)
    assert (answer.status_code, type(answer.json()["detail"]), answer.headers["retry-after"]) == (503, str, "7")
    assert bill(served, answer.headers["x-request-id"])["amount"] is None


def test_a_native_rejection_passes_in_its_own_words(served: RelayProcess, fresh: Vendor, recording: bytes) -> None:
    answer = asr(served, recording, model="native", language="klingon")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "language"]
