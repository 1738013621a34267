import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyrelay.sandbox.audio import transcript
from polyrelay.sandbox.audio.transcript import Stretch, Transcript

TEXTS = st.text("abc .!?\n。字", min_size=1, max_size=80)
SECONDS = st.floats(min_value=0, max_value=4000)
SAID = Transcript("Hello there. How are you?\n", 4.0, "en")


@given(text=TEXTS, seconds=SECONDS)
def test_stretches_follow_each_other_within_the_recording(text: str, seconds: float) -> None:
    said = Transcript(text, seconds, "en")
    for stretches in (said.segments, said.words):
        ends = [end for stretch in stretches for end in (stretch.start, stretch.end)]
        assert ends == sorted(ends)
        assert all(0 <= end <= seconds + 0.001 for end in ends)


@given(text=TEXTS, seconds=st.floats(min_value=1, max_value=4000))
def test_no_word_is_lost(text: str, seconds: float) -> None:
    said = Transcript(text, seconds, "en")
    assert "".join(said.pieces) == (text if text.strip() else "")
    assert [word.text for word in said.words] == text.split()
    assert "".join("".join(segment.text for segment in said.segments).split()) == "".join(text.split())


def test_sentences_are_segments_with_their_words() -> None:
    assert [segment.text for segment in SAID.segments] == ["Hello there.", "How are you?"]
    assert [word.text for word in SAID.words_of(SAID.segments[1])] == ["How", "are", "you?"]
    assert SAID.segments[0].start == 0


def test_a_recording_without_words_is_one_segment() -> None:
    assert Transcript("", 2.0, "en").segments == [Stretch("", 0.0, 2.0)]


def test_text_formats() -> None:
    said = Transcript("One. Two.", 9.0, "en")
    assert (
        transcript.srt(said) == "1\n00:00:00,000 --> 00:00:04,000\nOne.\n\n2\n00:00:05,000 --> 00:00:09,000\nTwo.\n\n"
    )
    assert transcript.vtt(said).startswith("WEBVTT\n\n00:00:00.000 --> 00:00:04.000\nOne.\n\n")
    assert transcript.vtt(said, hours=False).startswith("WEBVTT\n\n00:00.000 --> 00:04.000\n")
    assert transcript.tsv(said) == "start\tend\ttext\n0\t4000\tOne.\n5000\t9000\tTwo.\n"
    assert transcript.lines(said) == "One.\nTwo.\n"


@pytest.mark.parametrize(("seconds", "clock"), [(3661.5, "01:01:01.500"), (3599.0, "59:59.000")])
def test_hours(seconds: float, clock: str) -> None:
    assert f"--> {clock}\n" in transcript.vtt(Transcript("x", seconds, "en"), hours=False)
