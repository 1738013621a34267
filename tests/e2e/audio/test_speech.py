"""Speech by the official SDK: what comes back, and what it costs."""

import base64
import json
from math import ceil
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from support.bills import bill, lines
from support.processes import RelayProcess, Vendor, http
from support.sounds import FORMATS, TEXT, seconds


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
    headers = {"authorization": f"Bearer {served.key}"}
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
