"""The promises of artefacts, their rows in memory, SQLite and PostgreSQL, their bytes in memory and in a folder."""

import asyncio
import hashlib
import os
import resource
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import boto3
import msgspec
import pytest
from moto.server import ThreadedMotoServer

from polyrelay.jobs.artefacts import Artefact, File, State
from polyrelay.jobs.lifecycle import Event
from polyrelay.service.artefacts import ports
from polyrelay.service.artefacts.ports import Absent, PlaceAway
from polyrelay.settings.artefacts import ArtefactSettings
from polyrelay.storage.delivery import bucket as bucket_place
from polyrelay.storage.delivery import folder
from polyrelay.storage.delivery.bucket import open_bucket
from polyrelay.storage.delivery.folder import FolderPlace
from polyrelay.storage.delivery.memory import MemoryPlace
from support.made import KINDS, Sequel, job_id, kept, made, opened, slots

Scenario = Callable[[Sequel], Awaitable[None]]
Play = Callable[[Scenario], None]

FILE = File("0-audio.mp3", 3, "audio/mpeg", "a" * 64)
EVERY_SLOT = ["0-audio", "0-image", "1-audio", "1-image"]


@pytest.fixture(params=KINDS)
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    async def run(scenario: Scenario) -> None:
        async with opened(request.param, tmp_path / "data") as sequel:
            await scenario(sequel)

    return lambda scenario: asyncio.run(run(scenario))


def stored(thing: Artefact, **changes: object) -> Artefact:
    place = {"state": State.STORED, "file": FILE, "place": "folder", "stored_at": 5.0}
    return msgspec.structs.replace(thing, **{**place, **changes})


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_a_job_made_is_wanted_when_its_channel_keeps_it(play: Play) -> None:
    async def scenario(sequel: Sequel) -> None:
        await sequel.end(kept(1))
        await sequel.end(made(2))
        await sequel.end(kept(3, result=None), Event.FAIL)
        await sequel.end(kept(4), Event.EXPIRE)
        found = await sequel.artefacts.claim(99, 60)
        assert slots(found) == EVERY_SLOT
        assert {(each.job, each.account, each.state, each.attempts) for each in found} == {
            (job_id(1), "acc_1", State.WANTED, 1)
        }
        assert len({each.id for each in found}) == 4

    play(scenario)


def test_what_is_claimed_is_nobody_else_s_until_the_lease_ends(play: Play) -> None:
    async def scenario(sequel: Sequel) -> None:
        await sequel.end(kept(1))
        first = await sequel.artefacts.claim(3, 60)
        assert len(first) == 3
        (last,) = await sequel.artefacts.claim(3, 60)
        assert slots([*first, last]) == EVERY_SLOT
        await sequel.pass_by(61)
        assert {each.attempts for each in await sequel.artefacts.claim(9, 60)} == {2}

    play(scenario)


def test_claims_at_once_share_what_is_wanted(play: Play) -> None:
    async def scenario(sequel: Sequel) -> None:
        for number in range(3):
            await sequel.end(kept(number))
        found = await asyncio.gather(*(sequel.artefacts.claim(4, 60) for _ in range(4)))
        rest = await sequel.artefacts.claim(99, 60)
        names = [each.id for claim in (*found, rest) for each in claim]
        assert len(names) == len(set(names)) == 12

    play(scenario)


def test_what_is_stored_is_found_by_its_job_and_its_id(play: Play) -> None:
    async def scenario(sequel: Sequel) -> None:
        await sequel.end(kept(1))
        first, *others = await sequel.artefacts.claim(9, 60)
        await sequel.artefacts.conclude(stored(first), None, None)
        await sequel.artefacts.conclude(msgspec.structs.replace(others[0], state=State.FAILED), None, "status 404")
        assert await sequel.artefacts.stored([job_id(1), job_id(2)]) == [stored(first)]
        assert await sequel.artefacts.find(first.id) == stored(first)
        failed = await sequel.artefacts.find(others[0].id)
        assert failed is not None
        assert (failed.state, failed.file) == (State.FAILED, None)
        assert await sequel.artefacts.find("art_none") is None
        await sequel.pass_by(61)
        assert len(await sequel.artefacts.claim(9, 60)) == 2

    play(scenario)


def test_who_comes_back_after_its_lease_decides_nothing(play: Play) -> None:
    async def scenario(sequel: Sequel) -> None:
        await sequel.end(kept(1))
        late, *_ = await sequel.artefacts.claim(1, 60)
        await sequel.pass_by(61)
        found = await sequel.artefacts.claim(9, 60)
        again = next(each for each in found if each.id == late.id)
        await sequel.artefacts.conclude(msgspec.structs.replace(late, state=State.FAILED), None, "late")
        await sequel.artefacts.conclude(stored(again), None, None)
        await sequel.artefacts.conclude(msgspec.structs.replace(again, state=State.FAILED), None, "again")
        assert await sequel.artefacts.stored([job_id(1)]) == [stored(again)]

    play(scenario)


def test_jobs_whose_time_is_over_are_forgotten_with_everything(play: Play) -> None:
    async def scenario(sequel: Sequel) -> None:
        await sequel.end(kept(1))
        await sequel.end(kept(2))
        first, second, *_ = await sequel.artefacts.claim(9, 60)
        for thing, until in ((first, 1.0), (second, None)):
            await sequel.artefacts.conclude(stored(thing, expires_at=until), None, None)
        assert await sequel.artefacts.expired(9) == [first.job]
        assert await sequel.artefacts.expired(0) == []
        await sequel.artefacts.forget([first.job])
        await sequel.artefacts.forget([])
        assert await sequel.artefacts.find(first.id) is None
        assert await sequel.artefacts.expired(9) == []
        await sequel.pass_by(61)
        assert {each.job for each in await sequel.artefacts.claim(9, 60)} == {job_id(1), job_id(2)} - {first.job}

    play(scenario)


def test_what_a_client_throws_away_is_let_go(play: Play) -> None:
    """At once; its bytes go when nothing can be on its way any more."""

    async def scenario(sequel: Sequel) -> None:
        await sequel.end(kept(1))
        await sequel.end(kept(2))
        kept_now, under_way, *_ = [each for each in await sequel.artefacts.claim(9, 60) if each.job == job_id(1)]
        await sequel.artefacts.conclude(stored(kept_now), None, None)
        await sequel.throw_away(job_id(1))
        await sequel.throw_away(job_id(1))
        found = await sequel.artefacts.find(kept_now.id)
        assert found is not None
        assert found.state is State.FAILED
        assert await sequel.artefacts.stored([job_id(1)]) == []
        await sequel.artefacts.conclude(stored(under_way), None, None)
        assert await sequel.artefacts.stored([job_id(1)]) == []
        assert await sequel.artefacts.expired(9) == []
        await sequel.pass_by(61)
        assert await sequel.artefacts.expired(9) == [job_id(1)]
        assert {each.job for each in await sequel.artefacts.claim(9, 60)} == {job_id(2)}
        await sequel.throw_away(job_id(3))

    play(scenario)


# ── bytes ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def bucket_server() -> Iterator[str]:
    """A server that speaks S3's protocol, with an empty bucket `things`."""
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["memory", "folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ports.Place:
    if request.param != "s3":
        return MemoryPlace() if request.param == "memory" else FolderPlace(tmp_path)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    return bucket(request.getfixturevalue("bucket_server"), tmp_path)


def bucket(endpoint: str, data: Path) -> ports.Place:
    client = boto3.session.Session().client("s3", endpoint_url=endpoint, region_name="us-east-1")
    client.create_bucket(Bucket="things")
    settings = ArtefactSettings(place="s3", s3_bucket="things", s3_endpoint=endpoint, s3_region="us-east-1")
    return open_bucket(settings, data)


async def put(place: ports.Place, number: int, *pieces: bytes) -> str:
    async with place.draft(job_id(number)) as draft:
        for piece in pieces:
            await draft.write(piece)
        size, digest = await draft.keep()
    assert size == sum(map(len, pieces))
    assert digest == hashlib.sha256(b"".join(pieces)).hexdigest()
    return digest


async def got(place: ports.Place, number: int, digest: str, start: int, length: int) -> bytes:
    return b"".join([piece async for piece in place.read(job_id(number), digest, start, length)])


def test_what_is_kept_can_be_read_in_parts(place: ports.Place) -> None:
    async def scenario() -> None:
        whole = bytes(range(256)) * 4096
        digest = await put(place, 1, whole[:1000], whole[1000:])
        assert await put(place, 1, whole) == digest
        for start, length in ((0, len(whole)), (0, 1), (len(whole) - 1, 1), (300_000, 600_000), (5, 0)):
            assert await got(place, 1, digest, start, length) == whole[start : start + length]

    asyncio.run(scenario())


def test_what_is_not_kept_is_absent(place: ports.Place) -> None:
    async def scenario() -> None:
        digest = await put(place, 1, b"abc")
        async with place.draft(job_id(2)) as draft:
            await draft.write(b"abc")
        for number, name in ((2, digest), (1, "0" * 64)):
            with pytest.raises(Absent):
                await got(place, number, name, 0, 3)

    asyncio.run(scenario())


def test_deleting_a_job_s_things_leaves_others_theirs(place: ports.Place) -> None:
    async def scenario() -> None:
        digest = await put(place, 1, b"abc")
        assert await put(place, 2, b"abc") == digest
        await place.delete(job_id(1))
        await place.delete(job_id(1))
        with pytest.raises(Absent):
            await got(place, 1, digest, 0, 3)
        assert await got(place, 2, digest, 0, 3) == b"abc"

    asyncio.run(scenario())


def test_drafts_of_the_dead_are_tidied_up_and_nobody_else_s(tmp_path: Path) -> None:
    async def scenario() -> None:
        place = FolderPlace(tmp_path)
        await place.tidy(10)
        async with place.draft(job_id(1)) as draft:
            await draft.write(b"abc")
            (path,) = (tmp_path / folder.ROOT / folder.DRAFTS).iterdir()
            left = path.with_name("left")
            left.write_bytes(b"of a process that was killed")
            os.utime(left, (1, 1))
            await place.tidy(10)
            assert path.exists()
            assert not left.exists()
            await draft.keep()
        assert not path.exists()

    asyncio.run(scenario())


@pytest.mark.parametrize("size", [2_000, 200_000])
def test_a_full_disk_leaves_no_draft(tmp_path: Path, size: int) -> None:
    """Whether it is found full while writing, or only when what is buffered leaves; files may have 1000 bytes here."""

    async def fill() -> None:
        async with FolderPlace(tmp_path).draft(job_id(1)) as draft:
            await draft.write(bytes(size))
            await draft.keep()

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))
    try:
        with pytest.raises(PlaceAway):
            asyncio.run(fill())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_only_the_owner_can_look_at_what_is_kept(tmp_path: Path) -> None:
    async def scenario() -> None:
        await put(FolderPlace(tmp_path), 1, b"abc")
        (found,) = (path for path in (tmp_path / folder.ROOT).rglob("*") if path.is_file())
        assert found.stat().st_mode & 0o777 == 0o600

    asyncio.run(scenario())


def test_a_folder_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / folder.ROOT).write_text("in the way")

    async def scenario() -> None:
        with pytest.raises(PlaceAway, match="artefacts"):
            async with FolderPlace(tmp_path).draft(job_id(1)):
                raise AssertionError

    asyncio.run(scenario())


def test_a_file_that_was_cut_is_noticed(tmp_path: Path) -> None:
    async def scenario() -> None:
        place = FolderPlace(tmp_path)
        digest = await put(place, 1, b"abcdef")
        (path,) = (found for found in (tmp_path / folder.ROOT).rglob(digest))
        path.write_bytes(b"abc")
        with pytest.raises(PlaceAway, match="cut short"):
            await got(place, 1, digest, 0, 6)

    asyncio.run(scenario())


def test_a_bucket_that_is_not_there_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    settings = ArtefactSettings(place="s3", s3_bucket="none", s3_endpoint="http://127.0.0.1:1", s3_region="us-east-1")
    monkeypatch.setattr(bucket_place, "ATTEMPTS", 1)

    async def scenario() -> None:
        place = open_bucket(settings, tmp_path)
        with pytest.raises(PlaceAway, match="cannot be used"):
            await put(place, 1, b"abc")
        with pytest.raises(PlaceAway, match="cannot be used"):
            await got(place, 1, "0" * 64, 0, 3)

    asyncio.run(scenario())
