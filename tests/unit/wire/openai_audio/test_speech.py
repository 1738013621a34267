"""Requests for speech: what is refused, what is sent, what is held."""

import json
from typing import Any

import pytest

from polyrelay.exchange.call import Demand
from polyrelay.exchange.operation import Operation
from polyrelay.exchange.usage import Usage
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire.openai_audio import speech
from polyrelay.wire.openai_audio.speech_replies import Events, Sound
from polyrelay.wire.spoken import Upstream

GOOD: dict[str, Any] = {"model": "tts-1", "input": "Hello, 世界!", "voice": "alloy"}


class Anything:
    takes_stream_options = True
    cap_field = "max_tokens"
    only_cap_field = False
    scripts: frozenset[str] = frozenset()


UPSTREAM: Upstream = Anything()


def read(**changes: Any) -> speech.SpeechRequest:
    return speech.read(json.dumps({**GOOD, **changes}).encode())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"voice": {"id": "voice_123"}},
        {"voice": "my-own-voice"},
        {"speed": 0.25},
        {"speed": 4},
        {"instructions": "x" * 4096, "input": "y" * 4096},
        {"vendor_extra": {"emotion": "happy"}},
        {"response_format": None, "speed": None, "stream_format": None},
        *({"response_format": name} for name in ("mp3", "opus", "aac", "flac", "wav", "pcm")),
    ],
)
def test_what_the_contract_allows_passes_byte_for_byte(changes: dict[str, Any]) -> None:
    request = read(**changes)
    sent = request.outbound(Operation.SPEECH, UPSTREAM, "tts-1", None)
    assert sent.body is request.body
    assert sent.content_type is None
    assert isinstance(sent.reply, Sound)


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"input": "x" * 4097}, "input", "string_above_max_length"),
        ({"input": ""}, "input", "empty_string"),
        ({"input": 5}, "input", "invalid_type"),
        ({"voice": 5}, "voice", "invalid_type"),
        ({"voice": {}}, "voice.id", "missing_required_parameter"),
        ({"model": ""}, "model", "empty_string"),
        ({"speed": 0.24}, "speed", "decimal_below_min_value"),
        ({"speed": 4.01}, "speed", "decimal_above_max_value"),
        ({"response_format": "ogg"}, "response_format", "invalid_value"),
        ({"stream_format": "ws"}, "stream_format", "invalid_value"),
        ({"instructions": "x" * 4097}, "instructions", "string_above_max_length"),
        ({"Input": "again"}, "Input", "unknown_parameter"),
    ],
)
def test_a_breach_names_its_field(changes: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**changes)
    assert (caught.value.param, caught.value.code) == (param, code)


@pytest.mark.parametrize("missing", ["model", "input", "voice"])
def test_what_is_missing_is_named(missing: str) -> None:
    body = json.dumps({name: value for name, value in GOOD.items() if name != missing}).encode()
    with pytest.raises(InvalidRequest) as caught:
        speech.read(body)
    assert caught.value.param == missing


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"input":"a","input":"b"}', b'{"model":"\xff"}'])
def test_no_json_object(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        speech.read(body)


def test_only_the_models_name_is_spliced() -> None:
    body = b'{ "model" : "tts-1", "input":"\\u00e9", "voice":"alloy","vendor_extra":[1, 2] }'
    sent = speech.read(body).outbound(Operation.SPEECH, UPSTREAM, "upstream-tts", None)
    assert sent.body == body.replace(b'"tts-1"', b'"upstream-tts"')


def test_the_hold_covers_slow_speech() -> None:
    call = read(speed=0.5).call
    assert call.demand == Demand(seconds=10, characters=10)
    assert call.max_output == 250
    assert (call.capped, call.stream) == (False, False)


@pytest.mark.parametrize(
    ("text", "speed", "seconds"),
    [
        ("a" * 120, 1.0, 10.0),
        ("世" * 40, 1.0, 10.0),
        ("7" * 40, 1.0, 10.0),
        ("a" * 120, 2.0, 5.0),
        ("a" * 120, None, 10.0),
    ],
)
def test_how_long_a_text_usually_takes(text: str, speed: float | None, seconds: float) -> None:
    assert read(input=text, speed=speed, instructions="Slowly.").said.seconds == seconds


def test_events_are_asked_for_by_stream_format() -> None:
    request = read(stream_format="sse")
    assert request.call.stream
    assert isinstance(request.outbound(Operation.SPEECH, UPSTREAM, "tts-1", None).reply, Events)


def test_a_text_counts_in_full_when_nothing_more_is_known() -> None:
    assert read().unstated(0, None) == Usage(
        input_text=4, characters=10, seconds=1, estimated=True, seconds_estimated=True
    )
