"""Who is asked about when, on virtual time."""

import pytest

from polyrelay.service.jobs import rota
from polyrelay.service.jobs.rota import COMPANY, LONGEST_REST_SECONDS, MOST_IN_FLIGHT, PATIENT, Batch, Lane, Rota
from support.jobs import LYRICS_ASK, PLACE, SONG_ASK, accepted, job, px

PACE = 5.0


def steady() -> Rota:
    return Rota(lambda: 1.0)


def filled(count: int, delay: float = 0.0) -> tuple[Rota, Lane]:
    made = steady()
    for number in range(count):
        made.watch(accepted(job(number)), 0.0, delay)
    (lane,) = made.lanes()
    return made, lane


def asked(made: Rota, lane: Lane, now: float, most: int = 20) -> list[Batch]:
    made.prepare(lane, now, PACE)
    return list(made.batches(lane, now, most))


def numbers(batches: list[Batch]) -> list[list[int]]:
    names = {px(number): number for number in range(100)}
    return [[names[each.job.id] for each in batch.watched] for batch in batches]


def test_jobs_are_asked_about_in_full_batches() -> None:
    made, lane = filled(5)
    batches = asked(made, lane, 0.0, 2)
    assert numbers(batches) == [[0, 1], [2, 3], [4]]
    assert asked(made, lane, 99.0, 2) == []
    for batch in batches:
        made.answered(batch, 1.0, PACE, 0.0)
    assert asked(made, lane, 5.9) == []
    assert numbers(asked(made, lane, 6.0)) == [[0, 1, 2, 3, 4]]


def test_a_job_that_is_due_takes_those_along_that_soon_are() -> None:
    made = steady()
    made.watch(accepted(job(0)), 0.0, 1.0)
    made.watch(accepted(job(1)), 0.0, 1.0 + COMPANY * PACE)
    made.watch(accepted(job(2)), 0.0, 1.001 + COMPANY * PACE)
    (lane,) = made.lanes()
    assert asked(made, lane, 0.999) == []
    assert numbers(asked(made, lane, 1.0)) == [[0, 1]]
    made, lane = filled(1, delay=2.0)
    assert numbers(asked(made, lane, 2.0)) == [[0]]


def test_company_makes_no_batch_of_its_own() -> None:
    made = steady()
    for number, due in enumerate((0.0, 1.0, 2.0)):
        made.watch(accepted(job(number)), 0.0, due)
    (lane,) = made.lanes()
    assert numbers(asked(made, lane, 0.0, 2)) == [[0, 1]]


def test_the_pace_is_jittered() -> None:
    chances = iter([0.0, -1.0, 0.0, 1.0])
    made = Rota(lambda: next(chances))
    made.watch(accepted(job(0)), 0.0, 10.0)
    (lane,) = made.lanes()
    assert asked(made, lane, 4.9) == []
    (batch,) = asked(made, lane, 5.0)
    made.answered(batch, 5.0, PACE, 0.2)
    (batch,) = asked(made, lane, 9.0)
    made.answered(batch, 9.0, PACE, 0.2)
    assert asked(made, lane, 13.9) == []


def test_what_was_given_up_is_asked_about_slowly() -> None:
    made = steady()
    made.watch(accepted(job(0)), 0.0, 0.0, slow=60.0)
    (lane,) = made.lanes()
    (batch,) = asked(made, lane, 0.0)
    made.answered(batch, 0.0, PACE, 0.0)
    assert asked(made, lane, 59.9) == []
    assert len(asked(made, lane, 60.0)) == 1


def test_a_slow_upstream_is_not_flooded() -> None:
    made, lane = filled(MOST_IN_FLIGHT + 3)
    batches = asked(made, lane, 0.0, 1)
    assert len(batches) == MOST_IN_FLIGHT
    assert list(made.batches(lane, 0.0, 1)) == []
    made.drop(px(MOST_IN_FLIGHT))
    made.answered(batches[0], 0.0, PACE, 0.0)
    assert numbers(list(made.batches(lane, 0.0, 1))) == [[MOST_IN_FLIGHT + 1]]
    made.answered(batches[1], 0.0, PACE, 0.0)
    assert numbers(asked(made, lane, 0.0, 1)) == [[MOST_IN_FLIGHT + 2]]


def test_a_failing_upstream_rests_and_is_then_tried_with_one_question() -> None:
    made, lane = filled(6)
    for batch in asked(made, lane, 0.0, 2):
        made.failed(batch, 0.0, PACE, None)
    assert lane.failures == 3
    rest = PACE * 2**3 * 1.25
    assert asked(made, lane, rest - 0.1) == []
    (probe,) = asked(made, lane, rest, 2)
    assert asked(made, lane, rest, 2) == []
    made.answered(probe, rest, PACE, 0.0)
    assert numbers(asked(made, lane, rest, 2)) == [[2, 3], [4, 5]]


@pytest.mark.parametrize(("asked_for", "rest"), [(None, 12.5), (90.0, 90.0), (9e9, LONGEST_REST_SECONDS)])
def test_an_upstream_may_say_how_long_to_rest(asked_for: float | None, rest: float) -> None:
    made, lane = filled(1)
    (batch,) = asked(made, lane, 0.0)
    made.failed(batch, 0.0, PACE, asked_for)
    assert lane.rests_until == rest


def test_rests_grow_to_a_bound() -> None:
    made, lane = filled(1)
    now = 0.0
    for _ in range(20):
        now = max(now, lane.rests_until)
        (batch,) = asked(made, lane, now)
        made.failed(batch, now, PACE, None)
    assert lane.rests_until - now == LONGEST_REST_SECONDS * 1.25


def test_a_senseless_answer_parts_its_jobs() -> None:
    made, lane = filled(3)
    (batch,) = asked(made, lane, 0.0)
    made.senseless(batch, 0.0, PACE)
    batches = asked(made, lane, PACE)
    assert numbers(batches) == [[0], [1], [2]]
    assert all(batch.alone for batch in batches)
    made.senseless(batches[1], PACE, PACE)
    made.answered(batches[0], PACE, PACE, 0.0)
    made.answered(batches[2], PACE, PACE, 0.0)
    assert numbers(asked(made, lane, 2 * PACE)) == [[0], [2]]
    assert numbers(asked(made, lane, 3 * PACE)) == [[1]]


def test_jobs_asked_about_alone_do_not_keep_others_from_their_turn() -> None:
    made, lane = filled(1)
    (batch,) = asked(made, lane, 0.0)
    made.senseless(batch, 0.0, PACE)
    made.watch(accepted(job(1)), 0.0, 8.0)
    made.watch(accepted(job(2)), 0.0, 11.0)
    assert numbers(asked(made, lane, 8.0)) == [[1]]
    assert numbers(asked(made, lane, 10.0)) == [[0]]


def test_nobody_is_heard_of_for_long() -> None:
    made, lane = filled(1)
    (watched,) = lane.watched.values()
    now = 0.0
    for count in range(PATIENT):
        assert not rota.hopeless(lane, watched), count
        (batch,) = asked(made, lane, now)
        made.senseless(batch, now, PACE)
        now = watched.due
    assert rota.hopeless(lane, watched)
    (batch,) = asked(made, lane, now)
    made.answered(batch, now, PACE, 0.0)
    assert not rota.hopeless(lane, watched)


def test_lanes_are_of_one_credential_and_kind() -> None:
    made = steady()
    for number, ask in enumerate([SONG_ASK, LYRICS_ASK, SONG_ASK]):
        made.watch(accepted(job(number, ask=ask)), 0.0, 0.0)
    other = type(PLACE)(PLACE.channel, PLACE.provider, "#2")
    made.watch(accepted(job(3), place=other), 0.0, 0.0)
    assert [len(lane.watched) for lane in made.lanes()] == [2, 1, 1]
    assert len(made) == 4
    assert px(3) in made
    assert set(made) == {px(number) for number in range(4)}


def test_a_job_that_is_dropped_is_forgotten_whatever_comes_back() -> None:
    made, lane = filled(2)
    (batch,) = asked(made, lane, 0.0)
    first, second = batch.watched
    made.drop(first.job.id)
    made.drop(first.job.id)
    assert not made.holds(first)
    assert made.holds(second)
    made.watch(first.job, 0.0, 0.0)
    assert not made.holds(first), "it is watched anew"
    made.answered(batch, 0.0, PACE, 0.0)
    assert numbers(asked(made, lane, 0.0)) == [[0]]
    for each in (first, second):
        made.drop(each.job.id)
    assert made.lanes() == [lane], "a question is under way"


def test_an_empty_lane_goes() -> None:
    made, lane = filled(1)
    (batch,) = asked(made, lane, 0.0)
    made.drop(px(0))
    made.failed(batch, 0.0, PACE, None)
    assert made.lanes() == []
    made.watch(job(1), 0.0, 0.0)
    assert len(made) == 0, "it has no place"


def test_watching_again_changes_nothing() -> None:
    made, lane = filled(1)
    (batch,) = asked(made, lane, 0.0)
    made.watch(batch.watched[0].job, 0.0, 0.0)
    assert made.holds(batch.watched[0])
    assert asked(made, lane, 0.0) == []
