"""Plain renderings of transcripts, and what their last cue tells."""

import pytest

from polyrelay.exchange.transcript import Segment
from polyrelay.wire import subtitles

SEGMENTS = (Segment(0.0, 1.5, " Hello there."), Segment(3661.0015, 3662.25, "a --> b\tc\n\nd"))


def test_lines() -> None:
    assert subtitles.lines(SEGMENTS) == "Hello there.\na --> b c d\n"


def test_srt() -> None:
    assert subtitles.srt(SEGMENTS) == (
        "1\n00:00:00,000 --> 00:00:01,500\nHello there.\n\n2\n01:01:01,002 --> 01:01:02,250\na -> b c d\n\n"
    )


def test_vtt() -> None:
    assert subtitles.vtt(SEGMENTS, hours=False) == (
        "WEBVTT\n\n00:00.000 --> 00:01.500\nHello there.\n\n01:01:01.002 --> 01:01:02.250\na -> b c d\n\n"
    )
    assert subtitles.vtt(SEGMENTS[:1], hours=True) == "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nHello there.\n\n"


def test_tsv() -> None:
    assert subtitles.tsv(SEGMENTS) == "start\tend\ttext\n0\t1500\tHello there.\n3661002\t3662250\ta --> b c d\n"


@pytest.mark.parametrize(
    "body",
    [subtitles.srt(SEGMENTS), subtitles.vtt(SEGMENTS, hours=False), subtitles.tsv(SEGMENTS)],
)
def test_the_last_cue_tells_how_long_it_was(body: str) -> None:
    assert subtitles.last_end(body.encode()) == 3662.25


@pytest.mark.parametrize("body", [b"", b"WEBVTT\n\n", b"start\tend\ttext\n", b"only words --> and an arrow", b"\xff"])
def test_without_a_cue_nothing_is_told(body: bytes) -> None:
    assert subtitles.last_end(body) == 0.0


def test_nothing_heard() -> None:
    assert (subtitles.lines(()), subtitles.srt(())) == ("", "")
