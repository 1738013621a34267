from dataclasses import replace

import pytest

from polyrelay.kernel import errors
from polyrelay.routing.channel import Candidate, Channel, Credential
from polyrelay.service.line import RETRY_SECONDS, Entry, Lines

KEY = Credential("#1", "secret")


def candidate(name: str = "a", concurrency: int = 1, waiting: int = 8) -> Candidate:
    return Candidate(Channel(name, "sdwebui", "http://x", (KEY,), concurrency=concurrency, waiting=waiting), KEY)


class Queue:
    """Calls by name, and the order in which they began, with the channel."""

    def __init__(self, lines: Lines | None = None) -> None:
        self.lines = Lines() if lines is None else lines
        self.begun: list[tuple[str, str]] = []
        self.at_once: set[str] = set()
        self.entries: dict[str, Entry] = {}

    def come(self, name: str, *candidates: Candidate) -> Entry:
        def begin(chosen: Candidate) -> None:
            self.begun.append((name, chosen.channel.name))
            if name in self.at_once:
                self.entries[name].leave()

        entry = self.entries[name] = Entry(self.lines, candidates or (candidate(),), begin)
        entry.seek()
        return entry


def test_one_at_a_time_first_come_first_served() -> None:
    queue = Queue()
    first, second, third = (queue.come(name) for name in ("1", "2", "3"))
    assert queue.begun == [("1", "a")]
    first.leave()
    assert queue.begun == [("1", "a"), ("2", "a")]
    second.leave()
    third.leave()
    assert queue.begun == [("1", "a"), ("2", "a"), ("3", "a")]
    assert len(queue.lines) == 0


def test_who_leaves_the_line_lets_the_next_one_up() -> None:
    queue = Queue()
    first, second, third = (queue.come(name) for name in ("1", "2", "3"))
    second.leave()
    second.leave()
    first.leave()
    first.leave()
    assert queue.begun == [("1", "a"), ("3", "a")]
    third.leave()
    assert len(queue.lines) == 0


def test_as_many_at_once_as_there_are_places() -> None:
    queue = Queue()
    two = candidate(concurrency=2)
    entries = [queue.come(str(n), two) for n in range(4)]
    assert len(queue.begun) == 2
    entries[1].leave()
    assert queue.begun[-1] == ("2", "a")


def test_a_full_line_takes_nobody_in() -> None:
    queue = Queue()
    short = candidate(waiting=1)
    first, second = queue.come("1", short), queue.come("2", short)
    with pytest.raises(errors.Overloaded) as caught:
        queue.come("3", short)
    assert (caught.value.code, caught.value.retry_after) == ("queue_full", RETRY_SECONDS)
    queue.entries["3"].leave()
    second.leave()
    fourth = queue.come("4", short)
    first.leave()
    assert queue.begun == [("1", "a"), ("4", "a")]
    fourth.leave()
    assert len(queue.lines) == 0


def test_a_line_without_room_refuses_who_would_wait() -> None:
    queue = Queue()
    queue.come("1", candidate(waiting=0))
    with pytest.raises(errors.Overloaded):
        queue.come("2", candidate(waiting=0))


def test_of_several_channels_one_that_is_free_is_taken() -> None:
    queue = Queue()
    a, b = candidate("a"), candidate("b")
    queue.come("1", a, b)
    queue.come("2", a, b)
    third = queue.come("3", a, b)
    fourth = queue.come("4", b)
    assert queue.begun == [("1", "a"), ("2", "b")]
    queue.entries["2"].leave()
    assert queue.begun[-1] == ("3", "b")
    queue.entries["1"].leave()
    assert len(queue.begun) == 3, "the fourth waits for b alone"
    third.leave()
    assert queue.begun[-1] == ("4", "b")
    fourth.leave()
    assert len(queue.lines) == 0


def test_a_channel_without_bounds_is_always_free() -> None:
    queue = Queue()
    a, free = candidate("a"), candidate("free", concurrency=0)
    queue.come("1", a, free)
    for n in range(2, 5):
        queue.come(str(n), a, free).leave()
    assert queue.begun == [("1", "a"), ("2", "free"), ("3", "free"), ("4", "free")]


def test_who_stands_in_a_full_line_still_gets_the_other_place() -> None:
    queue = Queue()
    a, b = candidate("a", waiting=0), candidate("b", waiting=1)
    first, second = queue.come("1", a), queue.come("2", b)
    third = queue.come("3", a, b)
    first.leave()
    assert len(queue.begun) == 2, "it had no room in the line of a"
    second.leave()
    assert queue.begun[-1] == ("3", "b")
    third.leave()
    assert len(queue.lines) == 0


def test_a_thousand_that_end_at_once_are_no_recursion() -> None:
    queue = Queue()
    long = candidate(waiting=2000)
    first = queue.come("first", long)
    for n in range(2000):
        queue.come(str(n), long)
    queue.at_once = {str(n) for n in range(2000)}
    first.leave()
    assert len(queue.begun) == 2001
    assert len(queue.lines) == 0


def test_a_changed_configuration_keeps_the_order() -> None:
    queue = Queue()
    old = candidate()
    new = Candidate(replace(old.channel), KEY)
    first, second, third = queue.come("1", old), queue.come("2", old), queue.come("3", new)
    first.leave()
    second.leave()
    assert [name for name, _ in queue.begun] == ["1", "2", "3"]
    third.leave()


def test_more_places_let_those_go_who_wait() -> None:
    queue = Queue()
    for name in ("1", "2", "3"):
        queue.come(name)
    queue.come("4", candidate(concurrency=3))
    assert [name for name, _ in queue.begun] == ["1", "2", "3"]


def test_fewer_places_count_for_those_who_come() -> None:
    queue = Queue()
    two = candidate(concurrency=2)
    first, second = queue.come("1", two), queue.come("2", two)
    queue.come("3", candidate(concurrency=1))
    first.leave()
    assert len(queue.begun) == 2
    second.leave()
    assert len(queue.begun) == 3


@pytest.mark.parametrize(("workers", "index", "places"), [(1, 0, 3), (2, 0, 2), (2, 1, 1), (8, 7, 1)])
def test_each_worker_has_its_share_and_at_least_one(workers: int, index: int, places: int) -> None:
    queue = Queue(Lines(workers, index))
    three = candidate(concurrency=3)
    for n in range(5):
        queue.come(str(n), three)
    assert len(queue.begun) == places
