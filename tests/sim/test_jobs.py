"""A fault at every step of the lives of jobs: each is charged or refunded once, and nothing stays held."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from polyrelay.jobs.job import Job
from polyrelay.jobs.lifecycle import State
from polyrelay.kernel import errors
from polyrelay.kernel.ids import ExchangeId
from polyrelay.service.bank import BankAway
from polyrelay.service.jobs.ports import JobStore
from polyrelay.storage.jobs.memory import MemoryJobStore
from polyrelay.storage.reports import audit
from sim.faults import Killed
from support.books import KINDS, SqlBooks
from support.jobs import TASK, House, housed
from support.stage import VirtualTime
from support.workshop import DOWN, SETTINGS, Reply, Vendor, Workshop, at_noon

PACE, AGE = SETTINGS.pace_seconds, SETTINGS.music_max_age_seconds
STRIDES = {"memory": 1, "sqlite": 7, "postgresql": 11}
"""Every step is tried in memory, some on a database, which takes its time."""

ANSWERS: list[Reply] = [DOWN, (400, {"error": "no"}), (200, b"?"), (200, {"id": "at once", "stage": "succeeded"})]
"""What a submission may get."""

TROUBLE: list[Reply] = [DOWN, (500, {"error": "?"}), (200, b"?"), (404, {"error": "?"})]
"""What a question may get."""

NO_FILES = "journal"
"""The audit's rule that these workers break: they keep no journal on a disk."""


@dataclass
class Gate:
    """Passed before and after each call of the store. `strike` counts down to the fault, which is the process's death
    or, when it is not `deadly`, an answer that does not come.
    """

    strike: int = 0
    deadly: bool = True
    dead: bool = False
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.dead:
            raise Killed
        if self.strike:
            self.strike -= 1
            if not self.strike:
                self.dead = self.deadly
                raise Killed if self.deadly else BankAway("no answer came")


@dataclass
class _Gated:
    store: JobStore
    gate: Gate

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.store, name)

        async def call(*values: Any) -> Any:
            self.gate.step()
            result = await method(*values)
            self.gate.step()
            return result

        return call


def process(house: House, vendor: Vendor, time: VirtualTime, worker: str, gate: Gate) -> Workshop:
    return Workshop(house, vendor, time, worker, store=cast("JobStore", _Gated(house.store, gate)))


# ── every step of one story ──────────────────────────────────────────────────────────────────────────────────────


async def story(shop: Workshop, told: dict[ExchangeId, Job | None]) -> None:
    """Jobs that succeed, fail, expire, are refused, fail over, and are done at once. `told` is what clients heard."""

    async def submit(number: int) -> None:
        commission = shop.commission(number)
        told[commission.exchange] = None
        try:
            told[commission.exchange] = await shop.submit(commission)
        except errors.Refusal:
            del told[commission.exchange]

    await submit(1)
    await submit(2)
    shop.vendor.script((400, {"error": "no"}))
    await submit(3)
    shop.vendor.script(DOWN)
    await submit(4)
    shop.vendor.script((200, {"id": "up_now", "stage": "succeeded"}))
    await submit(5)
    shop.vendor.say("running", "up_1", progress=10)
    await shop.round(PACE)
    shop.vendor.say("succeeded", "up_1")
    shop.vendor.say("failed", "up_2", reason="too loud")
    await shop.round(PACE)
    await shop.rounds([AGE - 2 * PACE, PACE])
    shop.vendor.say("succeeded")
    await shop.rounds([70.0, 70.0])


async def aftermath(house: House, vendor: Vendor, time: VirtualTime) -> None:
    """Another worker finds what the first one left, and brings it to its end."""
    heir = Workshop(house, vendor, time, "w2")
    await heir.rounds([10.0, PACE, PACE, AGE, PACE, PACE, 70.0, SETTINGS.late_watch_seconds, 10.0, 10.0])
    assert list(heir.board.rota) == []
    assert heir.board.endings == {}


async def prove(house: House, told: dict[ExchangeId, Job | None]) -> None:
    assert await house.held() == {}
    snapshot = await house.books.snapshot()
    snapshot.check()
    jobs = await everything(house)
    assert {job.id for job in jobs} == set(snapshot.exchanges)
    for job in jobs:
        assert job.state.over
        assert not job.watched
        charged, written_off = snapshot.exchanges[job.id]
        assert (charged, written_off) == ((TASK, 0) if job.state is State.SUCCEEDED else (None, 0))
        assert (job.result is not None) == (job.state is State.SUCCEEDED)
    states = {job.id: job.state for job in jobs}
    for name, shown in told.items():
        if shown is not None:
            assert states[name] not in {State.REFUSED, State.SUBMITTING}
            assert shown.state in {State.ACCEPTED, states[name]}
    if isinstance(house.books, SqlBooks):
        found = await house.books.database.read(lambda tx: audit.prove(tx, lambda: ((), ())))
        assert [offence for offence in found.offences if offence.rule != NO_FILES] == []


async def everything(house: House) -> list[Job]:
    if isinstance(house.store, MemoryJobStore):
        return list(house.store.jobs.values())
    assert isinstance(house.books, SqlBooks)
    rows = await house.books.database.read(lambda tx: tx.fetch("SELECT id FROM jobs"))
    return await house.store.load([row["id"] for row in rows])


async def life(kind: str, folder: Path, gate: Gate) -> bool:
    """One story, struck where the gate says; whether it was."""
    async with housed(kind, folder) as house:
        await house.books.topup("acc_1", 100 * TASK)
        vendor, time = Vendor(), at_noon()
        shop = process(house, vendor, time, "w1", gate)
        told: dict[ExchangeId, Job | None] = {}
        planned = gate.strike
        try:
            await story(shop, told)
        except Killed:
            await house.die("w1")
            vendor.replies.clear()
            await aftermath(house, vendor, time)
        else:
            if gate.deadly:
                await house.die("w1")
                await aftermath(house, vendor, time)
            else:
                await shop.rounds([10.0, PACE, PACE, AGE, PACE, 70.0, SETTINGS.late_watch_seconds, 10.0, 10.0])
        await prove(house, told)
        return planned > 0 and not gate.strike


@pytest.mark.parametrize("deadly", [True, False], ids=["kill", "away"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_at_every_step(kind: str, deadly: bool, tmp_path: Path) -> None:
    async def run() -> int:
        step = 1
        while await life(kind, tmp_path / f"{step}", Gate(step, deadly)):
            step += STRIDES[kind]
        return step

    assert asyncio.run(run()) > 60, "the story has that many steps"


# ── chance ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", range(60))
def test_lives_by_chance(seed: int, tmp_path: Path) -> None:
    async def run() -> None:
        async with housed("memory", tmp_path) as house:
            chance = Random(seed)
            await house.books.topup("acc_1", chance.choice((3, 8, 1000)) * TASK)
            await Chance(house, chance).run(120)

    asyncio.run(run())


class Chance:
    """Two processes, whatever happens to them, and a vendor that does as it likes."""

    def __init__(self, house: House, chance: Random) -> None:
        self.house = house
        self.chance = chance
        self.vendor, self.time = Vendor(), at_noon()
        self.told: dict[ExchangeId, Job | None] = {}
        self.numbers: Iterator[int] = iter(range(1, 10_000))
        self.hired = 0
        self.shops: list[tuple[Workshop, Gate]] = []

    async def run(self, turns: int) -> None:
        await self.hire()
        await self.hire()
        acts: list[Callable[[], Any]] = [
            self.submit, self.submit, self.round, self.round, self.round, self.round, self.vendor_works,
            self.vendor_works, self.vendor_fails, self.forgotten, self.lease, self.strike,
        ]  # fmt: skip
        for _ in range(turns):
            await self.chance.choice(acts)()
            (await self.house.books.snapshot()).check()
        for number in range(self.hired):
            await self.house.die(f"wk_{number + 1}")
        self.vendor.replies.clear()
        await self.house.work("last", lease=60.0)
        heir = Workshop(self.house, self.vendor, self.time, "last")
        await heir.rounds([10.0, PACE, 400.0, AGE, 400.0, 400.0, SETTINGS.late_watch_seconds, 400.0, 400.0])
        await prove(self.house, self.told)

    async def hire(self) -> None:
        self.hired += 1
        worker, gate = f"wk_{self.hired}", Gate()
        await self.house.work(worker)
        self.shops.append((process(self.house, self.vendor, self.time, worker, gate), gate))

    async def submit(self) -> None:
        shop, _ = self.chance.choice(self.shops)
        if self.chance.random() < 0.2:
            self.vendor.script(self.chance.choice(ANSWERS))
        commission = shop.commission(next(self.numbers))
        self.told[commission.exchange] = None
        try:
            self.told[commission.exchange] = await shop.submit(commission)
        except errors.Refusal:
            del self.told[commission.exchange]
        except Killed:
            await self.replaced(shop)
        self.vendor.replies.clear()

    async def round(self) -> None:
        shop, _ = self.chance.choice(self.shops)
        try:
            await shop.round(self.chance.choice((0.1, 1.0, PACE, PACE, 60.0, AGE / 3)))
        except Killed:
            await self.replaced(shop)

    async def replaced(self, shop: Workshop) -> None:
        self.shops = [each for each in self.shops if each[0] is not shop]
        if self.chance.random() < 0.8:
            await self.house.die(shop.worker)
        await self.hire()

    async def vendor_works(self) -> None:
        for song in [song for song, is_ in self.vendor.songs.items() if is_["stage"] not in {"succeeded", "failed"}]:
            if self.chance.random() < 0.4:
                stage = self.chance.choice(("queued", "running", "running", "succeeded", "failed"))
                self.vendor.say(stage, song, progress=self.chance.randint(0, 100))

    async def vendor_fails(self) -> None:
        self.vendor.script(*[self.chance.choice(TROUBLE)] * 2)

    async def forgotten(self) -> None:
        if self.vendor.songs and self.chance.random() < 0.3:
            del self.vendor.songs[self.chance.choice(list(self.vendor.songs))]

    async def lease(self) -> None:
        """A worker loses its lease, or has it again."""
        shop, _ = self.chance.choice(self.shops)
        await self.house.books.bank.renew(shop.worker, self.chance.choice((-1.0, 60.0, 60.0)))

    async def strike(self) -> None:
        _, gate = self.chance.choice(self.shops)
        gate.strike, gate.deadly = self.chance.randint(1, 12), self.chance.random() < 0.5
