import pytest

from polyrelay.exchange.music import AlignedWord
from polyrelay.wire.dialect import Garbled
from polyrelay.wire.suno import alignment


def test_words_keep_their_spaces() -> None:
    given = {"word": "[Verse]\nla ", "start_s": 1, "end_s": 2.5, "success": True, "p_align": 0.5, "id": "theirs"}
    assert alignment.read([given]) == (AlignedWord("[Verse]\nla ", 1.0, 2.5, success=True, p_align=0.5),)


@pytest.mark.parametrize("odd", [{"start_s": None}, {"end_s": "soon"}, {"start_s": -1}, {"end_s": True}])
def test_words_without_a_time_are_left_out(odd: dict[str, object]) -> None:
    word = {"word": "la", "start_s": 1, "end_s": 2}
    assert alignment.read([{**word, **odd}, 5, None, word]) == (AlignedWord("la", 1.0, 2.0),)


def test_what_is_odd_beside_the_time_is_as_if_it_were_not_there() -> None:
    (word,) = alignment.read([{"word": 5, "start_s": 1, "end_s": 2, "success": "yes", "p_align": "high"}])
    assert word == AlignedWord("", 1.0, 2.0)


def test_answers_are_bounded() -> None:
    word = {"word": "x" * (alignment.MOST_CHARACTERS + 1), "start_s": 0, "end_s": 1}
    found = alignment.read([word] * (alignment.MOST_WORDS + 1))
    assert (len(found), len(found[0].word)) == (alignment.MOST_WORDS, alignment.MOST_CHARACTERS)


@pytest.mark.parametrize("value", [None, {}, "la", 5])
def test_what_is_no_list(value: object) -> None:
    with pytest.raises(Garbled):
        alignment.read(value)
