"""Speech, images and transcripts that break off: what came is charged, and never more than the whole."""

import base64
import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyrelay.exchange.usage import Usage
from polyrelay.sandbox.audio.formats import FORMATS
from polyrelay.sandbox.audio.speech import speak
from polyrelay.wire.openai_audio import speech
from polyrelay.wire.openai_audio.said import Said
from polyrelay.wire.openai_audio.speech_replies import Events
from polyrelay.wire.openai_audio.transcription_tap import TranscriptTap
from polyrelay.wire.openai_images import usage as images
from polyrelay.wire.openai_images.tap import ImageTap
from polyrelay.wire.recording import Recording, find, measure
from polyrelay.wire.spoken import MEASURED_BYTES
from support.forms import field, file
from support.recordings import posted, wav

TEXTS = st.text(min_size=1, max_size=400).filter(lambda text: text.isprintable())
ENDS = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.none(), st.text(max_size=3))
SPEEDS = st.sampled_from([0.25, 1.0, 4.0])


@cache
def sound(kind: str) -> bytes:
    return FORMATS[kind].write(speak("One two three, and so on.").lasting(2.5))


def said(kind: str, text: str, speed: float = 1.0, **more: Any) -> Said:
    body = {"model": "m", "input": text, "voice": "v", "response_format": kind, "speed": speed, **more}
    return speech.read(json.dumps(body).encode()).said


def cut(request: Said, data: bytes) -> Usage:
    return request.cut(data[:MEASURED_BYTES], data[-MEASURED_BYTES:], len(data))


def no_more(one: Usage, other: Usage) -> bool:
    return all(
        getattr(one, unit) <= getattr(other, unit) for unit in ("characters", "seconds", "input_text", "output_audio")
    )


@pytest.mark.parametrize("kind", sorted(FORMATS))
@given(text=TEXTS, speed=SPEEDS, places=st.tuples(st.integers(1), st.integers(1)))
def test_a_cut_costs_what_came_and_never_more_than_the_whole(
    kind: str, text: str, speed: float, places: tuple[int, int]
) -> None:
    request, data = said(kind, text, speed), sound(kind)
    less, more = sorted(1 + place % len(data) for place in places)
    whole = request.measured(data[:MEASURED_BYTES], data[-MEASURED_BYTES:], len(data))
    assert no_more(cut(request, data[:less]), cut(request, data[:more]))
    assert no_more(cut(request, data[:more]), whole)
    assert cut(request, data[:less]).characters >= 1


@given(text=TEXTS, kind=st.sampled_from(sorted(FORMATS)), sizes=st.lists(st.integers(1, 5000), min_size=1, max_size=9))
def test_the_same_of_events(text: str, kind: str, sizes: list[int]) -> None:
    tap = Events(said(kind, text, stream_format="sse")).tap(None)
    before = Usage()
    for size in sizes:
        audio = base64.b64encode(bytes(size)).decode()
        tap.feed(b'data: {"type":"speech.audio.delta","audio":"%b"}\n\n' % audio.encode())
        now = tap.cut()
        assert now is not None
        assert no_more(before, now)
        assert now.characters <= len(text)
        before = now


@given(pieces=st.lists(st.text(max_size=30), min_size=1, max_size=12), ends=st.lists(ENDS, max_size=12))
def test_a_transcript_that_breaks_off_is_no_more_than_its_recording(pieces: list[str], ends: list[float]) -> None:
    incoming = posted(file("file", wav(2.5)), field("model", b"m"))
    assert incoming.form is not None
    assert incoming.upload is not None
    recording: Recording = measure(find(incoming.form, ("file",)), incoming.upload, "")
    tap, before = TranscriptTap(recording, None), 1
    for at, piece in enumerate(pieces):
        end = {"end": ends[at]} if at < len(ends) else {}
        tap.feed(b"data: " + json.dumps({"type": "transcript.text.delta", "delta": piece, **end}).encode() + b"\n\n")
        now = tap.cut()
        assert now is not None
        assert before <= now.seconds <= 3
        before = now.seconds


@given(kinds=st.lists(st.sampled_from(["partial_image", "completed", "queued"]), max_size=8), count=st.integers(1, 3))
def test_images_that_break_off_are_those_that_were_finished(kinds: list[str], count: int) -> None:
    asked = images.asked(count, None, None, 7)
    tap = ImageTap(asked, None)
    for kind in kinds:
        tap.feed(b'data: {"type":"image_generation.%b"}\n\n' % kind.encode())
    now = tap.cut()
    assert sum(image.count for image in now.images) == min(kinds.count("completed"), count)
    left = tap.usage or asked.unstated
    assert sum(image.count for image in now.images) <= sum(image.count for image in left.images)
    assert now.output_image <= max(left.output_image, 0)
