import pytest

from polyrelay.exchange.job import Stage
from polyrelay.exchange.music import Clip, ClipStatus
from polyrelay.wire.suno import progress

S, Q, T, C, E = ClipStatus


def takes(*statuses: ClipStatus) -> list[Clip]:
    return [Clip(str(index), status) for index, status in enumerate(statuses)]


@pytest.mark.parametrize(
    ("statuses", "stage", "percent"),
    [
        ((S, S), Stage.SUBMITTED, 0),
        ((S, Q), Stage.QUEUED, 5),
        ((Q, Q), Stage.QUEUED, 10),
        ((S, T), Stage.RUNNING, 25),
        ((T, T), Stage.RUNNING, 50),
        ((C, T), Stage.RUNNING, 75),
        ((C, S), Stage.RUNNING, 50),
        ((C, C), Stage.SUCCEEDED, 100),
        ((C, E), Stage.SUCCEEDED, 100),
        ((E, E), Stage.FAILED, 100),
        ((E, S), Stage.SUBMITTED, 50),
        ((E, Q), Stage.QUEUED, 55),
        ((C,), Stage.SUCCEEDED, 100),
        ((E,), Stage.FAILED, 100),
    ],
)
def test_two_clips_make_one_stage(statuses: tuple[ClipStatus, ...], stage: Stage, percent: int) -> None:
    seen = progress.snapshot(takes(*statuses))
    assert (seen.stage, seen.progress) == (stage, percent)
    assert progress.stage(takes(*reversed(statuses))) is stage
    assert seen.clips == tuple(str(index) for index in range(len(statuses)))


def test_the_first_complaint_is_the_reason() -> None:
    failed = [Clip("a", E), Clip("b", E, error_type="moderation"), Clip("c", E, error_message="flagged")]
    assert progress.snapshot(failed).reason == "moderation"
    assert progress.snapshot([Clip("a", E, error_message="x"), Clip("b", C)]).reason is None


def test_clips_keep_their_numbers() -> None:
    made = [Clip("b", C), Clip("new", T), Clip("a", Q)]
    assert [clip.id for clip in progress.arranged(made, ("a", "b"))] == ["a", "b", "new"]
    arranged = progress.arranged([Clip("b", C)], ("a", "b"))
    assert [(clip.id, clip.status) for clip in arranged] == [("a", S), ("b", C)]
