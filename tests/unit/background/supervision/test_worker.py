import pytest

from polyrelay.background.supervision.worker import FIRST_DELAY, LONGEST_DELAY, STEADY_SECONDS, Worker, delay, ending


def test_waiting_doubles_up_to_a_ceiling() -> None:
    waits = [delay(failures) for failures in range(12)]
    assert waits[:4] == [0, FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY]
    assert waits[-1] == LONGEST_DELAY


@pytest.mark.parametrize(("served", "failures"), [(None, 3), (STEADY_SECONDS - 0.1, 3), (STEADY_SECONDS, 0)])
def test_who_served_long_enough_is_replaced_at_once(served: float | None, failures: int) -> None:
    worker = Worker(0)
    worker.failures = 2
    worker._serving_since = None if served is None else 100 - served
    pause = worker.fell(100)
    assert (worker.failures, worker.serving) == (failures, False)
    assert worker.due == 100 + pause == 100 + delay(failures)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended with code 0"),
        (3, "ended with code 3"),
        (-9, "was killed by SIGKILL"),
        (-99, "was killed by signal 99"),
    ],
)
def test_an_ending_in_words(code: int, words: str) -> None:
    assert ending(code) == words
