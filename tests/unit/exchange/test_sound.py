"""Seconds, tokens and bounds of sound."""

from polyrelay.exchange import languages, sound
from polyrelay.exchange.sound import Length


def test_begun_seconds_and_tokens_count() -> None:
    length = Length(1.01, guessed=False)
    assert (length.whole, sound.heard_tokens(length), sound.spoken_tokens(length)) == (2, 11, 21)
    assert Length(37.0, guessed=False).whole == 37


def test_by_size_is_a_guess() -> None:
    assert sound.by_size(80_000) == Length(10.0, guessed=True)


def test_what_was_heard_may_prove_a_recording_longer() -> None:
    told = Length(3.0, guessed=False)
    assert sound.at_least(told, 2.9) is told
    assert sound.at_least(told, 40.0) == Length(40.0, guessed=True)


def test_languages_go_both_ways_and_others_stand_for_themselves() -> None:
    assert languages.name("en") == "english"
    assert languages.code("English") == "en"
    assert languages.code("haitian creole") == "ht"
    assert (languages.name("tlh"), languages.code("tlh")) == ("tlh", "tlh")
    assert len(languages.NAMES) == len(languages.CODES) == 100
