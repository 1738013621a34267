import msgspec
import pytest

from polyrelay.exchange.job import Stage, Upstreamed
from polyrelay.exchange.music import AlignedWord, Clip, ClipStatus, Concat, Lyrics, LyricsAsk, MusicAsk, Song, Stems
from polyrelay.kernel.errors import InvalidRequest, NotFound
from polyrelay.wire.suno import view
from polyrelay.wire.suno.view import JobView

JOB = "px_" + "0a" * 14
OTHER = "px_" + "0b" * 14
A, B = "aaaaaaaa-1111-4111-8111-111111111111", "bbbbbbbb-2222-4222-8222-222222222222"
ASK = MusicAsk("mine", prompt="la", tags="pop", title="T", negative_tags="n")
MADE = JobView(
    job_id=JOB,
    ask=ASK,
    model="mine",
    stage=Stage.RUNNING,
    created=1_700_000_000,
    upstreamed=Upstreamed(("task-1",), (A, B)),
    result=Song((Clip(A, ClipStatus.COMPLETE, audio_url="https://a"), Clip(B, ClipStatus.STREAMING, title="Theirs"))),
)


def changed(**members: object) -> JobView:
    return msgspec.structs.replace(MADE, **members)


def test_clips_bear_the_relays_names_and_what_was_asked() -> None:
    first, second = view.takes(MADE)
    assert (first.id, second.id) == (f"{JOB}-0", f"{JOB}-1")
    assert (first.status, second.status) == (ClipStatus.COMPLETE, ClipStatus.STREAMING)
    assert (first.title, second.title) == ("T", "Theirs")
    assert (first.lyrics, first.tags, first.negative_tags, first.model) == ("la", "pop", "n", "mine")
    assert first.created_at == "2023-11-14T22:13:20.000Z"
    assert first.audio_url == "https://a"


@pytest.mark.parametrize(("ask", "count"), [(ASK, 2), (Concat("c"), 1), (LyricsAsk("p"), 0)])
def test_clips_that_nobody_spoke_of_yet(ask: view.Asked, count: int) -> None:
    shown = view.takes(changed(ask=ask, result=None, stage=Stage.SUBMITTED, upstreamed=Upstreamed(("task-1",))))
    assert [clip.id for clip in shown] == [f"{JOB}-{index}" for index in range(count)]
    assert {clip.status for clip in shown} <= {ClipStatus.SUBMITTED}
    assert all(clip.kind == ("concat" if isinstance(ask, Concat) else "gen") for clip in shown)


def test_a_failed_job_gives_nothing_away() -> None:
    for result in (MADE.result, None):
        shown = view.takes(changed(stage=Stage.FAILED, reason=f"clip {A} was flagged", result=result))
        assert [clip.id for clip in shown] == [f"{JOB}-0", f"{JOB}-1"]
        for clip in shown:
            assert clip.status is ClipStatus.ERROR
            assert clip.error_message == "clip … was flagged"
            assert (clip.audio_url, clip.video_url, clip.image_url, clip.image_large_url) == ("", "", "", "")


@pytest.mark.parametrize("theirs", [None, "cccccccc-3333-4333-8333-333333333333"])
def test_a_stem_tells_what_it_is_of(theirs: str | None) -> None:
    """By our name, whether its upstream says it or not, and whether that name is at hand or not."""
    ask = Stems(f"{OTHER}-1")
    song = Song((Clip(A, ClipStatus.COMPLETE, metadata={"stem_from_id": theirs}), Clip(B, ClipStatus.COMPLETE)))
    for known in ({}, {theirs or "x": f"{OTHER}-1"}):
        shown = view.takes(changed(ask=ask, result=song, known=known))
        assert [clip.metadata["stem_from_id"] for clip in shown] == [f"{OTHER}-1"] * 2
    assert [clip.status for clip in view.takes(changed(ask=ask, result=None))] == [ClipStatus.SUBMITTED] * 2


def test_only_complete_clips_are_aligned() -> None:
    assert view.alignable(MADE, f"{JOB}-0") == 0
    with pytest.raises(InvalidRequest) as caught:
        view.alignable(MADE, f"{JOB}-1")
    assert (caught.value.code, "'streaming'" in caught.value.message) == ("clip_not_complete", True)
    with pytest.raises(InvalidRequest):
        view.alignable(changed(stage=Stage.FAILED), f"{JOB}-0")
    for name in (JOB, f"{JOB}-7", f"{OTHER}-0", A, ""):
        with pytest.raises(NotFound):
            view.alignable(MADE, name)
    (word,) = view.aligned(MADE, [AlignedWord(f"see {A} ", 0, 1)])
    assert word.word == f"see {JOB}-0 "


def test_an_extension_tells_what_it_extends() -> None:
    upstream = "cccccccc-3333-4333-8333-333333333333"
    ask = msgspec.structs.replace(ASK, continue_clip=f"{OTHER}-1", continue_at=30)
    told = Clip(A, ClipStatus.QUEUED, metadata={"audio_prompt_id": upstream, "history": [{"id": upstream, "x": 1}]})
    for result in (None, Song((Clip(A, ClipStatus.QUEUED),))):
        metadata = view.takes(changed(ask=ask, result=result))[0].metadata
        assert metadata["audio_prompt_id"] == f"{OTHER}-1"
        assert metadata["history"][0]["id"] == f"{OTHER}-1"
        assert metadata["history"][0]["continue_at"] == 30
    known = changed(ask=ask, result=Song((told,)), known={upstream: f"{OTHER}-1"})
    assert view.takes(known)[0].metadata == {
        "audio_prompt_id": f"{OTHER}-1",
        "history": [{"id": f"{OTHER}-1", "x": 1}],
    }
    unknown = changed(ask=ask, result=Song((told,)))
    assert view.takes(unknown)[0].metadata["audio_prompt_id"] == f"{OTHER}-1"
    assert upstream not in str(view.takes(unknown)[0])


def test_picking_by_clip_and_by_job() -> None:
    other = changed(job_id=OTHER, result=None)
    wanted = [f"{OTHER}-1", JOB, "unknown", f"{JOB}-0", f"{JOB}-2", f"{OTHER}-1"]
    assert [clip.id for clip in view.picked([MADE, other], wanted)] == [f"{OTHER}-1", f"{JOB}-0", f"{JOB}-1"]
    assert view.picked([], wanted) == []


def test_an_announced_clip_that_was_not_made() -> None:
    lone = changed(result=Song((Clip(A, ClipStatus.COMPLETE),)), upstreamed=Upstreamed((A,), (A,)))
    (waiting,) = view.picked([lone], [f"{JOB}-1"])
    assert waiting.status is ClipStatus.SUBMITTED
    (missing,) = view.picked([msgspec.structs.replace(lone, stage=Stage.SUCCEEDED)], [f"{JOB}-1"])
    assert (missing.status, missing.error_message) == (ClipStatus.ERROR, view.NOT_MADE)
    assert len(view.takes(lone)) == 1


@pytest.mark.parametrize("name", [JOB, f"{JOB}-2", f"{OTHER}-0", "x", A])
def test_one_clip_by_a_name_that_is_none(name: str) -> None:
    with pytest.raises(NotFound):
        view.one(MADE, name)


def test_one_clip() -> None:
    assert view.one(MADE, f"{JOB}-1").title == "Theirs"


def test_lyrics() -> None:
    asked = changed(ask=LyricsAsk("p"), result=Lyrics("la", "T"), stage=Stage.SUCCEEDED)
    assert view.lyrics(asked) == Lyrics("la", "T")
    assert view.lyrics(msgspec.structs.replace(asked, stage=Stage.FAILED)) == Lyrics()
    assert view.lyrics(msgspec.structs.replace(asked, result=None)) == Lyrics()


def test_major_versions_follow_the_model() -> None:
    asked = changed(result=None, model="chirp-auk")
    assert view.takes(asked)[0].major_version == "v4.5"
    assert view.takes(changed(result=None))[0].major_version == ""
