"""Things of results, and links to them."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from polyrelay.exchange.music import Clip, ClipStatus, Lyrics, Song
from polyrelay.exchange.video import Video
from polyrelay.jobs import artefacts
from polyrelay.jobs.artefacts import Artefact, File, Medium, Sort, State
from support.made import SONG, job_id

KEY, OTHER = b"k" * 32, b"o" * 32
FILE = File("0-audio.mp3", 3, "audio/mpeg", "a" * 64)
URLS = st.sampled_from(["", "https://cdn.example.com/a.mp3", "https://cdn.example.com/b.png?x=1"])
CLIPS = st.builds(
    Clip, st.just("up"), st.just(ClipStatus.COMPLETE), audio_url=URLS, video_url=URLS, image_url=URLS,
    image_large_url=URLS,
)  # fmt: skip
RESULTS = st.one_of(
    st.lists(CLIPS, max_size=4).map(lambda clips: Song(tuple(clips))),
    st.builds(Video, url=URLS | st.none(), cover_url=URLS | st.none()),
    st.just(Lyrics("la")),
)


def thing(**changes: object) -> Artefact:
    made = Artefact(
        id=artefacts.identify(job_id(1), 0), job=job_id(1), account="acc_1", slot="0-audio", state=State.STORED
    )
    return msgspec.structs.replace(made, **{"file": FILE, **changes})


def test_things_of_a_song_and_of_a_video() -> None:
    assert [each.slot for each in artefacts.media(SONG)] == ["0-audio", "0-image", "1-audio", "1-image"]
    assert artefacts.media(Video()) == (Medium("video", Sort.VIDEO, None),)
    assert artefacts.media(Video("https://v", "https://c"))[1] == Medium("cover", Sort.IMAGE, "https://c")
    assert artefacts.media(Lyrics("la")) == artefacts.media(None) == ()


@given(RESULTS)
def test_links_stand_where_the_things_were_and_nothing_else_changes(result: Song | Video | Lyrics) -> None:
    made = artefacts.media(result)
    urls = {medium.slot: f"https://relay/{medium.slot}" for medium in made}
    shown = artefacts.linked(result, urls)
    assert {each.slot: each.url for each in artefacts.media(shown)} == urls
    back = artefacts.linked(shown, {medium.slot: medium.url for medium in made})  # type: ignore[misc]
    assert artefacts.media(back) == made
    assert artefacts.linked(result, {}) == result
    assert len({medium.slot for medium in made}) == len(made)


def test_a_job_of_many_takes_has_a_bound() -> None:
    song = Song(tuple(Clip("c", ClipStatus.COMPLETE, audio_url="https://a") for _ in range(100)))
    assert len(artefacts.media(song)) == artefacts.MOST_OF_A_JOB
    assert len(artefacts.identify(job_id(1), artefacts.MOST_OF_A_JOB)) <= 40


@given(st.floats(0, 4e9), st.floats(1, 1e7))
def test_a_link_works_as_long_as_promised_and_not_much_longer(now: float, seconds: float) -> None:
    end = artefacts.end(now, seconds)
    assert seconds <= end - now <= seconds * 1.25 + 6


def test_a_link_stays_the_same_for_a_while() -> None:
    assert (
        artefacts.end(86400.0, 86400) == artefacts.end(86400.0 + 21599, 86400) != artefacts.end(86400.0 + 21600, 86400)
    )


def test_a_genuine_link_and_all_that_are_not() -> None:
    where, _, query = artefacts.path(thing(), KEY, 2_000_000_000).partition("?")
    assert where == f"/artefacts/{thing().id}/0-audio.mp3"
    assert artefacts.is_genuine(where, query, KEY)
    assert artefacts.ends(query) == 2_000_000_000
    assert not artefacts.is_genuine(where, query, OTHER)
    assert not artefacts.is_genuine(where.replace("mp3", "mp4"), query, KEY)
    assert not artefacts.is_genuine(where, query.replace("2000000000", "2000000001"), KEY)
    assert not artefacts.is_genuine(where, query + "&x=1", KEY)
    assert not artefacts.is_genuine(where, "x=1&" + query, KEY)


@given(st.text(max_size=40))
def test_any_query_is_read_without_trouble(query: str) -> None:
    artefacts.ends(query)
    assert not artefacts.is_genuine("/artefacts/a/b", query, KEY)
