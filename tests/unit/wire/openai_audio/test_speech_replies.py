"""What speech is measured at, as bytes and as events."""

import base64
import json
from math import ceil
from typing import Any

import pytest

from polyrelay.exchange.usage import Usage
from polyrelay.wire.openai_audio.said import PCM_BYTES_A_SECOND, Said
from polyrelay.wire.openai_audio.schema import Coding
from polyrelay.wire.openai_audio.speech_replies import Events, Sound
from polyrelay.wire.spoken import MEASURED_BYTES

WAV = (
    b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0\1\0"
    + (24000).to_bytes(4, "little")
    + (48000).to_bytes(4, "little")
    + b"\2\0\x10\0data\xff\xff\xff\xff"
)


def said(coding: Coding = "wav") -> Said:
    """Ten characters, which usually take five seconds."""
    return Said(characters=10, text_bytes=14, coding=coding, seconds=5.0)


def cut(data: bytes, coding: Coding) -> Usage:
    return Sound(said(coding)).cut(data[:MEASURED_BYTES], data[-MEASURED_BYTES:], len(data))


def measured(data: bytes, coding: Coding) -> Usage:
    return Sound(said(coding)).measure(data[:MEASURED_BYTES], data[-MEASURED_BYTES:], len(data))


def test_every_unit_is_counted_and_the_seconds_are_those_of_the_sound() -> None:
    assert measured(WAV + bytes(72_000), "wav") == Usage(
        input_text=4, output_audio=30, seconds=2, characters=10, estimated=True
    )


def test_bare_samples_have_a_known_rate() -> None:
    found = measured(bytes(3 * PCM_BYTES_A_SECOND), "pcm")
    assert (found.seconds, found.output_audio, found.seconds_estimated) == (3, 60, False)


def test_samples_in_a_file_though_bare_ones_were_asked_for() -> None:
    assert measured(WAV + bytes(PCM_BYTES_A_SECOND), "pcm").seconds == 1


def test_what_cannot_be_read_is_a_guess_by_size() -> None:
    found = measured(b"?" * 160_000, "mp3")
    assert (found.seconds, found.output_audio, found.seconds_estimated) == (10, 200, True)


@pytest.mark.parametrize("size", [1, 44, 1000])
def test_sound_that_has_begun_counts_a_second(size: int) -> None:
    assert measured((WAV + bytes(size))[:size], "wav").seconds == 1


@pytest.mark.parametrize(
    ("seconds", "characters"), [(0.01, 1), (0.5, 1), (0.51, 2), (2.5, 5), (4.5, 9), (4.51, 10), (5, 10), (60, 10)]
)
def test_of_a_text_that_breaks_off_what_is_usually_said_in_that_time_counts(seconds: float, characters: int) -> None:
    samples = bytes(int(seconds * PCM_BYTES_A_SECOND))
    for found in (cut(samples, "pcm"), cut(WAV + samples, "wav")):
        assert found.characters == characters
        assert found.characters_estimated is (characters < 10)
        assert (found.seconds, found.input_text, found.seconds_estimated) == (max(ceil(seconds), 1), 4, False)


def test_what_a_head_says_of_the_whole_is_no_matter_for_a_part() -> None:
    """A FLAC file of a minute, of which only the head has come."""
    info = b"\x10\0\x10\0" + bytes(6) + (24_000 << 44 | 15 << 36 | 60 * 24_000).to_bytes(8, "big") + bytes(16)
    head = b"fLaC\x80\0\0\x22" + info
    assert measured(head, "flac").seconds == 60
    found = cut(head, "flac")
    assert (found.seconds, found.characters, found.seconds_estimated) == (1, 1, True)


def test_a_part_that_cannot_be_read_is_rather_too_short() -> None:
    found = cut(b"?" * 80_000, "mp3")
    assert (found.seconds, found.characters, found.seconds_estimated) == (2, 4, True)
    assert measured(b"?" * 80_000, "mp3").seconds == 5


def event(**members: Any) -> bytes:
    return b"data: " + json.dumps(members).encode() + b"\n\n"


DELTA = event(type="speech.audio.delta", audio=base64.b64encode(bytes(48_000)).decode())
DONE = event(type="speech.audio.done", usage={"input_tokens": 7, "output_tokens": 41, "total_tokens": 48})


def test_events_state_their_usage() -> None:
    tap = Events(said()).tap(None)
    assert tap.feed(DELTA) == DELTA
    assert (tap.usage, tap.content_bytes, tap.meaningful) == (None, 48_000, True)
    assert tap.feed(DELTA + DONE) == DELTA
    assert tap.final
    assert tap.close() == b""
    assert tap.terminator == DONE
    assert tap.usage == Usage(input_text=7, output_audio=41, seconds=2, characters=10, seconds_estimated=True)


def test_events_that_break_off_count_by_the_bytes_of_their_sound() -> None:
    tap = Events(said()).tap(None)
    tap.feed(DELTA)
    found = tap.cut()
    assert found == Usage(
        input_text=4,
        output_audio=10,
        seconds=1,
        characters=1,
        estimated=True,
        seconds_estimated=True,
        characters_estimated=True,
    )


def test_tokens_that_were_stated_before_the_break_count_as_they_are() -> None:
    tap = Events(said()).tap(None)
    tap.feed(event(type="speech.audio.delta", audio="AAAA", usage={"input_tokens": 7, "output_tokens": 41}))
    found = tap.cut()
    assert found is not None
    assert (found.input_text, found.output_audio, found.estimated, found.characters) == (7, 41, False, 1)


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": None}, {"input_tokens": "7"}])
def test_without_usage_there_is_none(usage: object) -> None:
    tap = Events(said()).tap(None)
    tap.feed(DELTA + event(type="speech.audio.done", usage=usage))
    tap.close()
    assert tap.usage is None
    assert said().by_size(tap.content_bytes).seconds == 1


def test_the_charge_is_told_in_the_last_event() -> None:
    tap = Events(said()).tap(lambda usage: b"%d.5" % usage.characters)
    tap.feed(DELTA + DONE)
    tap.close()
    assert tap.terminator is not None
    assert json.loads(tap.terminator[6:])["usage"]["cost"] == 10.5


def test_an_error_is_an_error() -> None:
    tap = Events(said()).tap(None)
    tap.feed(event(type="error", error={"message": "no"}))
    assert (tap.meaningful, tap.error is not None) == (False, True)
