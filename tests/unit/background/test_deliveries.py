"""Deliveries over the twins: tried again until they arrive or are given up, and shared fairly."""

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import pytest

from polyrelay.background.deliveries import Deliveries
from polyrelay.jobs.job import Job, Payer
from polyrelay.jobs.lifecycle import Event
from polyrelay.kernel.ids import ExchangeId
from polyrelay.service.webhooks.courier import Courier
from polyrelay.service.webhooks.ports import State
from polyrelay.settings.webhooks import WebhookSettings
from polyrelay.storage.delivery.memory import MemoryArtefactStore, MemoryDeliveryStore
from polyrelay.upstream.recorded_outside import Recorded, RecordedOutside
from support.books import HandClock
from support.made import made, rendered


class Secrets:
    async def of(self, key: str) -> bytes | None:
        return key.encode().ljust(32)


@dataclass
class Bench:
    settings: WebhookSettings = field(default_factory=lambda: WebhookSettings(enabled=True, attempts=3))
    clock: HandClock = field(default_factory=HandClock)
    outside: RecordedOutside = field(default_factory=RecordedOutside)
    jobs: list[Job] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = MemoryDeliveryStore(self.clock, MemoryArtefactStore(self.clock))

    def end(self, job: Job) -> str:
        self.jobs.append(job)
        self.store.ended(job, Event.SUCCEED)
        return list(self.store.rows)[-1]

    def round(self) -> None:
        asyncio.run(self._round())

    async def _round(self) -> None:
        async def load(ids: Collection[ExchangeId]) -> Sequence[Job]:
            return [job for job in self.jobs if job.id in ids]

        courier = Courier(load, {"suno_native": rendered}, Secrets(), self.outside, self.clock)
        deliveries = Deliveries(self.store, courier, lambda: self.settings, self.clock, lambda: 0.0)
        running = asyncio.create_task(deliveries.run())
        for _ in range(100):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def test_it_is_told_until_it_was_heard() -> None:
    bench = Bench()
    name = bench.end(made(1))
    bench.outside.script(Recorded(500), Recorded(None, fault="curl 28"), Recorded(200))
    for delay in (30.0, 90.0):
        bench.round()
        bench.round()
        row = bench.store.rows[name]
        assert (row.state, row.next_at) == (State.PENDING, bench.clock.now + delay)
        bench.clock.now += delay
    bench.round()
    assert bench.store.rows[name].state is State.DELIVERED
    errors = [attempt.error for attempt in bench.store.rows[name].attempts.values()]
    assert errors == ["status 500", "curl 28", None]
    ids = {line for errand in bench.outside.errands for line in errand.lines if line.startswith("webhook-id")}
    assert ids == {f"webhook-id: {name}"}


def test_it_is_given_up_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(WebhookSettings(enabled=True, attempts=1))
    name = bench.end(made(1))
    bench.outside.script(Recorded(500))
    with caplog.at_level(logging.WARNING):
        bench.round()
    assert bench.store.rows[name].state is State.FAILED
    assert caplog.messages == [f"webhook of job {made(1).id} was given up at attempt 1: status 500"]


def test_nobody_is_called_while_it_is_off_and_everybody_afterwards() -> None:
    bench = Bench(WebhookSettings(enabled=False))
    bench.end(made(1))
    bench.outside.script(Recorded(200))
    bench.round()
    assert bench.outside.errands == []
    bench.settings = WebhookSettings(enabled=True)
    bench.round()
    assert len(bench.outside.errands) == 1


def test_one_account_gets_an_eighth_at_most() -> None:
    bench = Bench(WebhookSettings(enabled=True, concurrency=16))
    for number in range(20):
        owner = "acc_hog" if number < 10 else f"acc_{number}"
        bench.end(made(number, payer=Payer(owner, None, "key_1", "default", ())))
    bench.outside.script(*[Recorded(None, fault="hangs")] * 20)

    async def claim() -> list[str]:
        async def load(ids: Collection[ExchangeId]) -> Sequence[Job]:
            return []

        courier = Courier(load, {}, Secrets(), bench.outside, bench.clock)
        deliveries = Deliveries(bench.store, courier, lambda: bench.settings, bench.clock, lambda: 0.0)
        return [each.account for each in await deliveries._claim(16, [])]

    assert asyncio.run(claim()).count("acc_hog") == 2
