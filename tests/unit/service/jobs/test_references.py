"""Asks that build on earlier jobs: whose name of what they carry, and to whom they may go."""

from collections.abc import Callable

import msgspec
import pytest

from polyrelay.exchange import names
from polyrelay.exchange.job import Upstreamed
from polyrelay.exchange.music import Clip, ClipStatus, Concat, MusicAsk, Song, Stems
from polyrelay.exchange.video import VideoAsk
from polyrelay.jobs.job import Job
from polyrelay.jobs.lifecycle import Event
from polyrelay.kernel import errors
from polyrelay.routing.channel import Candidate, Channel, Credential
from polyrelay.service.jobs import references
from support.jobs import LYRICS_ASK, PLACE, SONG_ASK, accepted, done, job, px

SONG = done(accepted(job()))[0]
TASK_SONG = done(accepted(job(), upstreamed=Upstreamed(("t_1",), ("c_1", "c_2"))))[0]
VIDEO = done(accepted(job(ask=VideoAsk("sora", "a cat"))))[0]
SECOND = names.clip(px(1), 1)


def test_most_asks_stand_alone() -> None:
    for ask in (SONG_ASK, LYRICS_ASK, VideoAsk("sora", "a cat")):
        assert references.named(ask) is None


@pytest.mark.parametrize("ask", [MusicAsk("v4", continue_clip=SECOND, continue_at=9.5), Concat(SECOND), Stems(SECOND)])
def test_a_clip_is_named_as_its_upstream_does(ask: MusicAsk | Concat | Stems) -> None:
    named = references.named(ask)
    assert named is not None
    assert (named.job, named.number) == (px(1), 1)
    sent = references.outgoing(ask, named, SONG)
    assert (sent.continue_clip if isinstance(sent, MusicAsk) else getattr(sent, "clip", None)) == "up_2"


def test_an_upstream_that_knows_songs_by_task_is_told_the_task() -> None:
    ask = MusicAsk("v4", continue_clip=SECOND, extra={"other": px(1), "keep": 1})
    named = references.named(ask)
    assert named is not None
    sent = references.outgoing(ask, named, TASK_SONG)
    assert isinstance(sent, MusicAsk)
    assert (sent.continue_clip, sent.continue_job) == ("c_2", "t_1")
    assert sent.extra == {"other": "t_1", "keep": 1}
    other = references.outgoing(ask, named, SONG)
    assert isinstance(other, MusicAsk)
    assert (other.continue_clip, other.continue_job) == ("up_2", "up_1")


def test_a_remix_names_the_video() -> None:
    ask = VideoAsk("sora", "again", remix_of=px(1))
    named = references.named(ask)
    assert named is not None
    sent = references.outgoing(ask, named, VIDEO)
    assert isinstance(sent, VideoAsk)
    assert sent.remix_of == "up_1"


@pytest.mark.parametrize(
    ("ask", "source"),
    [
        (Concat(SECOND), None),
        (Concat(SECOND), accepted(job())),
        (Concat(SECOND), VIDEO),
        (Stems(SECOND), VIDEO),
        (Concat(names.clip(px(1), 2)), SONG),
        (VideoAsk("sora", "again", remix_of=px(1)), SONG),
        (Concat(SECOND), accepted(job()).after(Event.FAIL)),
    ],
)
def test_what_leads_nowhere_is_refused(ask: Concat | Stems | VideoAsk, source: Job | None) -> None:
    named = references.named(ask)
    assert named is not None
    with pytest.raises(errors.InvalidRequest) as refusal:
        references.outgoing(ask, named, source)
    assert refusal.value.param == named.member


@pytest.mark.parametrize("made", [1, 2])
@pytest.mark.parametrize("of", [Concat, Stems, lambda clip: MusicAsk("v4", continue_clip=clip)])
def test_nothing_is_built_on_a_clip_that_failed(made: int, of: Callable[[str], Concat | Stems | MusicAsk]) -> None:
    """Beside one that did not: then the song has succeeded."""
    clips = (Clip("up_1", ClipStatus.COMPLETE), Clip("up_2", ClipStatus.ERROR))[:made]
    source = msgspec.structs.replace(SONG, result=Song(clips))
    for number, whole in ((0, True), (1, False)):
        ask = of(names.clip(px(1), number))
        named = references.named(ask)
        assert named is not None
        if whole:
            references.outgoing(ask, named, source)
            continue
        with pytest.raises(errors.InvalidRequest) as refusal:
            references.outgoing(ask, named, source)
        assert refusal.value.param == named.member


def test_a_strange_name_is_refused_at_once() -> None:
    for name in ("", "up_1", "00000000-0000-0000-0000-000000000000"):
        with pytest.raises(errors.InvalidRequest) as refusal:
            references.named(Concat(name))
        assert refusal.value.param == "clip_id"
        with pytest.raises(errors.InvalidRequest) as refusal:
            references.named(Stems(name))
        assert refusal.value.param == "audio_id"


def test_a_stem_is_a_clip_like_others() -> None:
    stems = done(accepted(job(ask=Stems(names.clip(px(9), 0)))))[0]
    ask = MusicAsk("v4", continue_clip=SECOND)
    named = references.named(ask)
    assert named is not None
    sent = references.outgoing(ask, named, stems)
    assert isinstance(sent, MusicAsk)
    assert sent.continue_clip == "up_2"


def test_only_who_made_it_may_go_on() -> None:
    channel, other = (
        Channel(name, "suno_native", "https://x", (Credential("#1", "a"), Credential("#2", "b")))
        for name in ("suno", "spare")
    )
    candidates = [Candidate(each, credential) for each in (other, channel) for credential in each.credentials]
    assert references.serving(candidates, SONG) == (candidates[2],)
    assert PLACE.channel == "suno"
