"""What waits in memory, counted for as long as somebody has it."""

import gc

from hypothesis import given
from hypothesis import strategies as st

from polyrelay.service.room import Room


class Answer:
    def __init__(self, held_bytes: int) -> None:
        self.held_bytes = held_bytes


@given(sizes=st.lists(st.integers(0, 100), min_size=1, max_size=8), most=st.integers(0, 400))
def test_all_that_is_held_counts_once(sizes: list[int], most: int) -> None:
    room, answers = Room(), [Answer(size) for size in sizes]
    for count, answer in enumerate(answers, 1):
        assert room.fits(answer, most) is (sum(sizes[:count]) <= most)
        assert room.fits(answer, most) is (sum(sizes[:count]) <= most)


def test_who_goes_away_makes_room() -> None:
    room = Room()
    first, second = Answer(60), Answer(60)
    assert room.fits(first, 100)
    assert not room.fits(second, 100)
    del first
    gc.collect()
    assert room.fits(second, 100)


def test_what_has_left_makes_room() -> None:
    room = Room()
    first, second = Answer(60), Answer(60)
    assert room.fits(first, 100)
    first.held_bytes = 0
    assert room.fits(second, 100)
