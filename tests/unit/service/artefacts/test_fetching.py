"""Fetching one thing: from where, by which rules, and what is not kept."""

import asyncio
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import pytest

from polyrelay.access.destinations import BadDestination, Rules
from polyrelay.exchange.music import Song
from polyrelay.exchange.video import Video
from polyrelay.jobs.artefacts import Artefact, File, State
from polyrelay.jobs.job import Job
from polyrelay.kernel.ids import ExchangeId
from polyrelay.providers.outbound import OutboundRequest
from polyrelay.routing.channel import Channel, Credential
from polyrelay.service.artefacts.fetching import REDIRECTS, Fetcher, Unfit
from polyrelay.service.outside import Errand, Unreachable
from polyrelay.settings.artefacts import ArtefactSettings
from polyrelay.settings.timeouts import Timeouts
from polyrelay.storage.delivery.memory import MemoryPlace
from polyrelay.upstream.recorded_outside import Recorded, RecordedOutside
from support.made import KEEPING, clip, job_id, kept

MP3 = ((b"content-type", b"audio/mpeg"),)
CREDENTIAL = Credential("#1", "sk-up")
CHANNEL = Channel(
    KEEPING, "sandbox", "http://10.1.2.3:9000/v1", (CREDENTIAL,), timeouts=Timeouts(connect=3, idle=4),
    proxy="http://proxy:1", ca_file="/ca.pem", http2=False,
)  # fmt: skip
SETTINGS = ArtefactSettings(largest_bytes=100)


def thing(slot: str) -> Artefact:
    return Artefact(id="art_1", job=job_id(1), account="acc_1", slot=slot, state=State.WANTED, attempts=1)


@dataclass
class Bench:
    """A fetcher with recorded answers."""

    answers: tuple[Recorded, ...]
    job: Job = field(default_factory=lambda: kept(1))
    channel: Channel | None = CHANNEL
    settings: ArtefactSettings = SETTINGS
    place: MemoryPlace = field(default_factory=MemoryPlace)
    errands: list[Errand] = field(default_factory=list)

    def fetch(self, slot: str = "0-audio") -> File:
        outside = RecordedOutside(self.answers)
        outside.errands = self.errands

        async def load(ids: Collection[ExchangeId]) -> Sequence[Job]:
            return [each for each in (self.job,) if each.id in ids]

        def keeps(job: Job) -> OutboundRequest | None:
            url = f"http://10.1.2.3:9000/v1/videos/{job.upstreamed.ids[0] if job.upstreamed else ''}/content"
            return OutboundRequest(CHANNEL, CREDENTIAL, url, ("authorization: Bearer sk-up",), ("x-a: 1",), b"")

        fetcher = Fetcher(load, lambda name: self.channel if name == KEEPING else None, keeps, self.place, outside)
        return asyncio.run(fetcher.fetch(thing(slot), self.settings))


def test_a_thing_is_kept_as_it_came() -> None:
    bench = Bench((Recorded(200, MP3, (b"ab", b"c")),))
    digest = hashlib.sha256(b"abc").hexdigest()
    assert bench.fetch() == File("0-audio.mp3", 3, "audio/mpeg", digest)
    assert bench.place.things == {(job_id(1), digest): b"abc"}
    (errand,) = bench.errands
    assert (errand.url, errand.rules, errand.body, errand.lines) == ("https://cdn.example.com/0.mp3", Rules(), None, ())
    wire = errand.wire
    assert (wire.connect, wire.idle, wire.proxy, wire.ca_file, wire.http2) == (3, 4, "http://proxy:1", "/ca.pem", False)


def test_the_channel_s_own_address_needs_no_rules_and_others_inside_do() -> None:
    own = kept(1, result=Song((clip(0, audio_url="http://10.1.2.3:9000/files/a.mp3"),)))
    bench = Bench((Recorded(200, MP3, (b"abc",)),), own)
    assert bench.fetch().size == 3
    assert bench.errands[0].rules is None
    for url in ("http://10.1.2.3:9001/a.mp3", "https://10.1.2.3:9000/a.mp3", "http://10.1.2.4:9000/a.mp3"):
        other = kept(1, result=Song((clip(0, audio_url=url),)))
        with pytest.raises(BadDestination):
            Bench((Recorded(200, MP3, (b"abc",)),), other).fetch()


def test_a_channel_that_is_gone_is_done_without() -> None:
    bench = Bench((Recorded(200, MP3, (b"abc",)),), channel=None)
    assert bench.fetch().size == 3
    assert bench.errands[0].wire.proxy is None


def test_what_is_handed_out_by_name_is_asked_for_with_the_credential() -> None:
    bench = Bench((Recorded(200, ((b"content-type", b"video/mp4"),), (b"abc",)),), kept(1, result=Video()))
    assert bench.fetch("video").name == "video.mp4"
    (errand,) = bench.errands
    assert (errand.url, errand.rules) == ("http://10.1.2.3:9000/v1/videos/up-0/content", None)
    assert errand.lines == ("authorization: Bearer sk-up", "x-a: 1")


def test_redirects_are_judged_and_told_nothing() -> None:
    moved = Recorded(302, ((b"location", b"https://cdn.example.com/v.mp4"),))
    bench = Bench((moved, Recorded(200, (), (b"abc",))), kept(1, result=Video()))
    assert bench.fetch("video").media_type == "video/mp4"
    assert [(each.rules, each.lines) for each in bench.errands[1:]] == [(Rules(), ())]
    with pytest.raises(BadDestination):
        Bench((Recorded(302, ((b"location", b"http://169.254.169.254/latest"),)),)).fetch()
    relative = Bench((Recorded(307, ((b"location", b"/other.mp3"),)), Recorded(200, MP3, (b"abc",))))
    relative.fetch()
    assert relative.errands[1].url == "https://cdn.example.com/other.mp3"
    own = Bench((Recorded(302, ((b"location", b"http://10.1.2.3:9000/f.mp3"),)), Recorded(200, MP3, (b"abc",))))
    assert own.fetch().size == 3
    assert (own.errands[1].rules, own.errands[1].lines) == (None, ())
    with pytest.raises(Unreachable, match="leads nowhere"):
        Bench((Recorded(302),)).fetch()
    with pytest.raises(Unreachable, match="more than 3 redirects"):
        Bench((moved,) * (REDIRECTS + 1)).fetch()


@pytest.mark.parametrize("status", [204, 206, 304, 404, 500])
def test_other_answers_are_tried_again(status: int) -> None:
    with pytest.raises(Unreachable, match=f"status {status}"):
        Bench((Recorded(status, MP3, (b"abc",)),)).fetch()


def test_what_breaks_off_is_not_kept() -> None:
    bench = Bench((Recorded(200, MP3, (b"abc",), fault="cut: curl 18"),))
    with pytest.raises(Unreachable, match="cut"):
        bench.fetch()
    assert bench.place.things == {}


def test_sizes() -> None:
    assert Bench((Recorded(200, MP3, (b"x" * 100,)),)).fetch().size == 100
    with pytest.raises(Unreachable, match="more than 100 bytes"):
        Bench((Recorded(200, MP3, (b"x" * 101,)),)).fetch()
    with pytest.raises(Unfit, match="101 bytes"):
        Bench((Recorded(200, (*MP3, (b"content-length", b"101")), ()),)).fetch()
    nothing = Bench((Recorded(200, MP3, ()),))
    with pytest.raises(Unreachable, match="empty"):
        nothing.fetch()
    assert nothing.place.things == {}


@pytest.mark.parametrize(
    ("coding", "kept"), [(b"gzip", False), (b"BR", False), (b"identity", True), (b"", True), (b"aws-chunked", True)]
)
def test_what_comes_coded_is_not_kept(coding: bytes, *, kept: bool) -> None:
    """It was asked for as it is, and would be handed out without a word of its coding."""
    bench = Bench((Recorded(200, (*MP3, (b"content-encoding", coding)), (b"abc",)),))
    if kept:
        assert bench.fetch().size == 3
    else:
        with pytest.raises(Unfit, match="was not asked for"):
            bench.fetch()


def test_what_is_no_such_thing_is_not_kept() -> None:
    with pytest.raises(Unfit, match="text/html"):
        Bench((Recorded(200, ((b"content-type", b"text/html"),), (b"<html>",)),)).fetch()
    with pytest.raises(Unfit, match="made no such thing"):
        Bench(()).fetch("7-audio")
    with pytest.raises(Unfit, match="not there any more"):
        Bench((), kept(2)).fetch()
