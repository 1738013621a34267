"""What an upstream's word means for a job: both sides of every boundary."""

from dataclasses import replace

import pytest

from polyrelay.exchange.job import Snapshot, Stage
from polyrelay.exchange.usage import Usage
from polyrelay.jobs.job import Job, Kind
from polyrelay.jobs.lifecycle import Event, State
from polyrelay.service.jobs import polling
from polyrelay.settings.jobs import JobSettings
from support.jobs import AT, LYRICS_ASK, TWO_CLIPS, accepted, ended, job

SETTINGS = JobSettings()
AGE = SETTINGS.music_max_age_seconds
LOST = SETTINGS.lost_seconds
NOW = AT + 30
OPEN = accepted(job())


def test_progress_is_noted_and_never_goes_back() -> None:
    step = polling.heard(OPEN, Snapshot(Stage.RUNNING, 30), NOW, SETTINGS)
    assert (step.event, step.changed, step.job.state, step.job.progress) == (None, True, State.RUNNING, 30)
    assert step.job.started_at == NOW
    again = polling.heard(step.job, Snapshot(Stage.RUNNING, 20), NOW + 5, SETTINGS)
    assert (again.changed, again.job) == (False, step.job)
    wild = polling.heard(step.job, Snapshot(Stage.RUNNING, 4000), NOW + 5, SETTINGS)
    assert wild.job.progress == 100


def test_what_was_made_so_far_stays() -> None:
    some = polling.heard(OPEN, Snapshot(Stage.RUNNING, 30, TWO_CLIPS, clips=("c1", "c2")), NOW, SETTINGS).job
    assert some.upstreamed is not None
    assert (some.upstreamed.ids, some.upstreamed.clips) == (("up_1", "up_2"), ("c1", "c2"))
    later = polling.heard(some, Snapshot(Stage.RUNNING, 40), NOW, SETTINGS).job
    assert (later.result, later.upstreamed) == (TWO_CLIPS, some.upstreamed)


def test_queued_is_not_begun() -> None:
    step = polling.heard(OPEN, Snapshot(Stage.QUEUED), NOW, SETTINGS)
    assert (step.job.state, step.job.started_at, step.changed) == (State.ACCEPTED, None, True)


@pytest.mark.parametrize("state", [OPEN, OPEN.after(Event.BEGIN)])
def test_success_is_charged_as_stated_or_as_asked_for(state: Job) -> None:
    step = polling.heard(state, Snapshot(Stage.SUCCEEDED, 10, TWO_CLIPS), NOW, SETTINGS)
    assert (step.event, step.job.state, step.job.progress) == (Event.SUCCEED, State.SUCCEEDED, 100)
    assert (step.job.result, step.job.finished_at, step.job.watched) == (TWO_CLIPS, NOW, False)
    assert step.usage == Usage(tasks=1)
    stated = polling.heard(state, Snapshot(Stage.SUCCEEDED, 0, TWO_CLIPS, usage=Usage(tasks=3)), NOW, SETTINGS)
    assert stated.usage == Usage(tasks=3)


def test_a_success_with_nothing_to_deliver_is_none() -> None:
    step = polling.heard(OPEN, Snapshot(Stage.SUCCEEDED), NOW, SETTINGS)
    assert step.event is None
    old = polling.heard(OPEN, Snapshot(Stage.SUCCEEDED), AT + AGE, SETTINGS)
    assert old.event is Event.EXPIRE


def test_failure_delivers_nothing() -> None:
    begun = polling.heard(OPEN, Snapshot(Stage.RUNNING, 30, TWO_CLIPS), NOW, SETTINGS).job
    step = polling.heard(begun, Snapshot(Stage.FAILED, reason="too loud"), NOW, SETTINGS)
    assert (step.event, step.job.state, step.job.reason) == (Event.FAIL, State.FAILED, "too loud")
    assert (step.job.result, step.job.watched, step.usage) == (None, False, None)
    nameless = polling.heard(OPEN, Snapshot(Stage.FAILED), NOW, SETTINGS)
    assert nameless.job.reason == polling.FAILED_WORDS


@pytest.mark.parametrize(("age", "event"), [(AGE - 0.001, None), (AGE, Event.EXPIRE)])
def test_a_job_is_given_up_at_its_age(age: float, event: Event | None) -> None:
    step = polling.heard(OPEN, Snapshot(Stage.RUNNING, 99, TWO_CLIPS), AT + age, SETTINGS)
    assert step.event is event
    alone = polling.overdue(OPEN, AT + age, SETTINGS)
    assert (alone is not None) == (event is not None)
    if event is not None:
        assert (step.job.state, step.job.result, step.job.watched) == (State.EXPIRED, None, True)
        unwatched = polling.overdue(OPEN, AT + age, replace(SETTINGS, late_watch_seconds=0.0))
        assert unwatched is not None
        assert not unwatched.job.watched


def test_success_at_its_age_is_a_success() -> None:
    step = polling.heard(OPEN, Snapshot(Stage.SUCCEEDED, 0, TWO_CLIPS), AT + 10 * AGE, SETTINGS)
    assert step.event is Event.SUCCEED


def test_each_kind_has_its_age() -> None:
    settings = JobSettings(music_max_age_seconds=1, lyrics_max_age_seconds=2, video_max_age_seconds=3)
    ages = {kind: polling.most_age(kind, settings) for kind in Kind}
    assert ages == {Kind.MUSIC: 1, Kind.CONCAT: 1, Kind.STEMS: 1, Kind.LYRICS: 2, Kind.VIDEO: 3}
    lyrics = accepted(job(ask=LYRICS_ASK))
    assert polling.overdue(lyrics, AT + SETTINGS.lyrics_max_age_seconds, SETTINGS) is not None


@pytest.mark.parametrize(
    ("gone", "event"), [(SETTINGS.lost_seconds - 0.001, None), (SETTINGS.lost_seconds, Event.LOSE)]
)
def test_an_unknown_job_is_lost_after_a_while(gone: float, event: Event | None) -> None:
    step = polling.unknown(OPEN, NOW, NOW + gone, SETTINGS)
    assert (step.event, step.changed) == (event, event is not None)
    if event is not None:
        assert (step.job.state, step.job.reason, step.job.watched) == (State.LOST, polling.LOST_WORDS, True)


def test_an_unknown_job_ages_too() -> None:
    assert polling.unknown(OPEN, AT + AGE, AT + AGE, SETTINGS).event is Event.EXPIRE


def test_a_stranded_submission_is_lost() -> None:
    step = polling.stranded(job(), NOW)
    assert (step.event, step.job.state, step.job.watched) == (Event.STRAND, State.LOST, False)


# ── after it was given up ────────────────────────────────────────────────────────────────────────────────────────

GIVEN_UP = ended(OPEN, Event.EXPIRE, watched=True)[0]
END = GIVEN_UP.finished_at or 0.0


def test_a_late_success_is_recorded_and_not_delivered() -> None:
    step = polling.heard(GIVEN_UP, Snapshot(Stage.SUCCEEDED, 100, TWO_CLIPS), END + 9, SETTINGS)
    assert (step.event, step.job.state, step.job.late_at) == (Event.LATE, State.EXPIRED, END + 9)
    assert (step.job.result, step.job.watched, step.usage) == (None, False, None)


def test_a_late_failure_ends_the_watch() -> None:
    step = polling.heard(GIVEN_UP, Snapshot(Stage.FAILED), END + 9, SETTINGS)
    assert (step.event, step.job.watched, step.job.late_at) == (None, False, None)


@pytest.mark.parametrize(("after", "watched"), [(-0.001, True), (0.0, False)])
def test_the_watch_ends(after: float, watched: bool) -> None:
    now = END + SETTINGS.late_watch_seconds + after
    for step in (
        polling.heard(GIVEN_UP, Snapshot(Stage.RUNNING, 50, TWO_CLIPS), now, SETTINGS),
        polling.unknown(GIVEN_UP, now, now, SETTINGS),
    ):
        assert (step.job.watched, step.changed, step.job.result) == (watched, not watched, None)
    assert (polling.overdue(GIVEN_UP, now, SETTINGS) is None) == watched
