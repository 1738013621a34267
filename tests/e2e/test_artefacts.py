"""What a job made is fetched by a real relay, kept, and handed out by links, to a real client."""

import asyncio
import hashlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from polyrelay.exchange.music import Song
from polyrelay.jobs import artefacts
from polyrelay.jobs.job import Job
from polyrelay.storage.delivery.artefacts import SqlArtefactStore
from polyrelay.storage.secrecy.derived import DerivedSecrets
from polyrelay.storage.sql.database import opened
from polyrelay.storage.sql.transaction import Database
from support.made import KEEPING, clip, kept, write
from support.processes import RelayProcess, channel, http, relay, running, until
from support.receiver import Receiver, Reply, receiver

SONG = bytes(range(256)) * 1000
COVER = b"\x89PNG" + bytes(500)


@pytest.fixture(scope="module")
def vendor() -> Iterator[Receiver]:
    with receiver() as made:
        made.answers["/song.mp3"] = [Reply(200, {"content-type": "audio/mpeg"}, SONG)]
        made.answers["/cover.png"] = [Reply(200, {"content-type": "image/png"}, COVER)]
        yield made


@pytest.fixture(scope="module")
def served(vendor: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with relay(tmp_path_factory.mktemp("relay"), config(vendor)) as found:
        yield found


def config(vendor: Receiver, extra: str = "") -> str:
    """The vendor's things lie beside its API, under its own address."""
    settings = "[artefacts]\nfirst_delay_seconds = 0.05\nattempts = 3\n"
    return settings + channel(KEEPING, vendor.url("/v1"), '"song"', 'artefacts = "store"\n') + extra


def within(data: Path, use: Any) -> Any:
    async def work() -> Any:
        async with opened("", data) as database:
            return await use(database)

    return asyncio.run(work())


def end(data: Path, number: int, *urls: str) -> Job:
    job = kept(number, notify=None, result=Song(tuple(clip(0, audio_url=url, image_url="") for url in urls)))
    within(data, lambda database: write(database, job))
    return job


def states(data: Path, job: Job) -> list[str]:
    async def use(database: Database) -> list[str]:
        sql = "SELECT state FROM artefacts WHERE job_id = $1 ORDER BY id"
        return [row["state"] for row in await database.read(lambda tx: tx.fetch(sql, job.id))]

    return list(within(data, use))


def link(data: Path, job: Job, slot: str, seconds: float = 60) -> str:
    """Path and query as a job's answer has them."""

    async def use(database: Database) -> str:
        found = await SqlArtefactStore(database).stored([job.id])
        (thing,) = (each for each in found if each.slot == slot)
        key = DerivedSecrets(data, database).link_keys()[0]
        return artefacts.path(thing, key, int(time.time() + seconds))

    return str(within(data, use))


def get(served: RelayProcess, where: str, **headers: str) -> httpx2.Response:
    return http.get(served.url + where, headers={name.replace("_", "-"): value for name, value in headers.items()})


def data(served: RelayProcess) -> Path:
    return served.config.parent / "data"


def test_things_are_kept_and_handed_out(served: RelayProcess, vendor: Receiver) -> None:
    at = data(served)
    job = end(at, 1, vendor.url("/song.mp3"), vendor.url("/cover.png"))
    until(lambda: states(at, job) == ["stored", "stored"])
    assert "authorization" not in vendor.calls("/song.mp3")[0].headers
    where = link(at, job, "0-audio")
    answer = get(served, where)
    assert (answer.status_code, answer.content) == (200, SONG)
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.headers["etag"] == f'"{hashlib.sha256(SONG).hexdigest()}"'
    part = get(served, where, range="bytes=1000-1999", if_range=answer.headers["etag"])
    assert (part.status_code, part.content) == (206, SONG[1000:2000])
    assert get(served, where, range="bytes=-1").content == SONG[-1:]
    assert get(served, where, range=f"bytes={len(SONG)}-").status_code == 416
    assert http.head(served.url + where).headers["content-length"] == str(len(SONG))
    assert get(served, link(at, job, "1-audio")).content == COVER
    assert get(served, where.replace("0-audio", "1-audio")).status_code == 403
    expired = get(served, link(at, job, "0-audio", -1))
    assert (expired.status_code, expired.json()["error"]["code"]) == (403, "link_expired")


def test_a_vendor_that_fails_once_and_one_that_has_nothing(served: RelayProcess, vendor: Receiver) -> None:
    vendor.answers["/late.mp3"] = [Reply(503), *vendor.answers["/song.mp3"]]
    vendor.answers["/gone.mp3"] = [Reply(404)]
    vendor.answers["/page.mp3"] = [Reply(200, {"content-type": "text/html"}, b"<script>")]
    job = end(data(served), 2, *(vendor.url(f"/{name}.mp3") for name in ("late", "gone", "page")))
    until(lambda: states(data(served), job) == ["stored", "failed", "failed"])
    assert [len(vendor.calls(f"/{name}.mp3")) for name in ("late", "gone", "page")] == [2, 3, 1]


def test_what_lies_inside_is_not_fetched(served: RelayProcess, vendor: Receiver) -> None:
    """Not from another port of the vendor's machine, and not by a redirect."""
    with receiver() as inside:
        vendor.answers["/moved.mp3"] = [Reply(302, {"location": inside.url("/secret.mp3")})]
        job = end(data(served), 3, inside.url("/secret.mp3"), vendor.url("/moved.mp3"))
        until(lambda: states(data(served), job) == ["failed", "failed"])
        assert inside.heard == []


def test_a_key_s_holder_asks_for_its_secret(served: RelayProcess) -> None:
    where = f"{served.base_url}/webhooks/secret"
    answer = http.get(where, headers={"authorization": f"Bearer {served.key}"})
    assert (answer.status_code, answer.json()["enabled"]) == (200, False)
    assert answer.json()["secret"].startswith("whsec_")
    assert http.get(where).status_code == 401


def test_a_relay_that_is_killed_while_it_fetches_begins_anew(tmp_path: Path, vendor: Receiver) -> None:
    vendor.answers["/hangs.mp3"] = [Reply(hangs=True), *vendor.answers["/song.mp3"]]
    at = tmp_path / "data"
    with relay(tmp_path, config(vendor)) as served:
        job = end(at, 1, vendor.url("/hangs.mp3"))
        until(lambda: len(vendor.calls("/hangs.mp3")) == 1)
        served.process.stop(signal.SIGKILL)
        within(at, _end_leases)
        with running(tmp_path / "second.log", "serve", "--config", str(served.config)) as process:
            until(lambda: states(at, job) == ["stored"])
            assert http.get(process.said["url"] + link(at, job, "0-audio")).content == SONG


async def _end_leases(database: Database) -> None:
    await database.write(lambda tx: tx.execute("UPDATE artefacts SET next_at = next_at - 1000"))
