"""Processes that handle jobs, on virtual time, any store, and a vendor that answers when the test says so."""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from polyrelay.access.principal import Principal
from polyrelay.background.poller import Poller
from polyrelay.exchange.call import Call, Demand
from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.exchange.job import Ask
from polyrelay.jobs.job import Job
from polyrelay.jobs.lifecycle import State
from polyrelay.kernel.ids import ExchangeId
from polyrelay.metering.book import TariffBook
from polyrelay.providers.outbound import OutboundRequest
from polyrelay.routing.catalog import Catalog
from polyrelay.routing.channel import Channel, Credential
from polyrelay.service.jobs.commission import Commission
from polyrelay.service.jobs.desk import JobDesk
from polyrelay.service.jobs.ports import JobStore
from polyrelay.service.jobs.rota import Rota
from polyrelay.service.jobs.works import Board, Works
from polyrelay.service.line import Lines
from polyrelay.service.ports import Record, Sink
from polyrelay.service.pricing import Pricing
from polyrelay.settings.jobs import JobSettings
from polyrelay.wire.dialect import Dialect
from support.jobs import AT, SONG, SONG_ASK, TASK, House, PlainDialect, housed, px
from support.stage import Shelf, VirtualTime
from support.till import holder

SETTINGS = JobSettings(jitter=0.0)
PATIENCE_SECONDS = 60.0
"""How long a test waits for what must come; only reached when it fails."""
HOLDER = holder("acc_1", "key_1")
CALL = Call("song", stream=False, input_bytes=100, demand=Demand(tasks=1))

Reply = Fault | tuple[int, object]
"""What a request gets: a fault, or a status and a body, which is JSON unless it is bytes."""


@dataclass
class Flight:
    sink: Sink | None
    request: OutboundRequest

    def cancel(self) -> None:
        self.sink = None

    def pause(self) -> None:
        raise AssertionError

    def resume(self) -> None:
        raise AssertionError


class Vendor:
    """Implements the port `Upstream` for `PlainDialect`. `songs` are its jobs by their ids, `replies` what the next
    requests get instead of the truth. With `silent` nothing is ever answered.
    """

    def __init__(self) -> None:
        self.songs: dict[str, dict[str, Any]] = {}
        self.made = 0
        self.replies: deque[Reply] = deque()
        self.requests: list[OutboundRequest] = []
        self.flights: deque[Flight] = deque()
        self.silent = False
        self.headers: list[tuple[bytes, bytes]] = []

    @property
    def asked(self) -> list[str]:
        """Paths of the questions about jobs so far."""
        return [request.url.partition("/v1")[2] for request in self.requests if request.method == "GET"]

    def script(self, *replies: Reply) -> None:
        self.replies.extend(replies)

    def say(self, stage: str, *songs: str, **more: Any) -> None:
        """From now on these songs, or all of them, are at a stage."""
        for song in songs or tuple(self.songs):
            self.songs[song] = {"stage": stage, **more}

    def send(self, request: OutboundRequest, sink: Sink) -> Flight:
        self.requests.append(request)
        flight = Flight(sink, request)
        self.flights.append(flight)
        return flight

    def deliver(self) -> bool:
        """Answer everything that was sent; whether there was anything."""
        told = False
        while self.flights and not self.silent:
            flight = self.flights.popleft()
            reply = self.replies.popleft() if self.replies else self._truth(flight.request)
            if flight.sink is not None:
                told = True
                self._answer(flight.sink, reply)
        return told

    def _answer(self, sink: Sink, reply: Reply) -> None:
        if isinstance(reply, Fault):
            sink.failed(reply)
            return
        status, body = reply
        sink.head(status, self.headers)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sink.data(data[:7])
        sink.data(data[7:])
        sink.ended()

    def _truth(self, request: OutboundRequest) -> Reply:
        if request.method == "POST":
            self.made += 1
            name = f"up_{self.made}"
            self.songs[name] = {"stage": "submitted"}
            return 200, {"id": name, "stage": "submitted"}
        names = request.url.partition("ids=")[2].split(",")
        return 200, {name: self.songs[name] for name in names if name in self.songs}


DOWN = Fault(FaultKind.CONNECT, "nobody there")


def channels(count: int = 1, provider: str = "suno_native", **more: Any) -> Catalog:
    """Channels `a`, `b`, … that make songs, in that order, each with credentials `#1` and `#2`."""

    def channel(number: int, name: str) -> Channel:
        credentials = (Credential("#1", f"secret-{name}"), Credential("#2", "spare"))
        base = f"https://{name}.example/v1"
        return Channel(name, provider, base, credentials, {"song": "vendor-song"}, number, **more)

    return Catalog(channel(number, name) for number, name in enumerate("abcdefgh"[:count]))


@dataclass
class Workshop:
    """One process. `visit` is what happens elsewhere whenever it pauses for funds."""

    house: House
    vendor: Vendor
    time: VirtualTime
    worker: str = "w1"
    settings: JobSettings = SETTINGS
    catalog: Catalog = field(default_factory=channels)
    dialects: dict[str, Dialect] = field(default_factory=lambda: {"suno_native": PlainDialect()})
    store: JobStore | None = None
    refused: list[Record] = field(default_factory=list)
    recalled: list[Sequence[str]] = field(default_factory=list)
    visit: Callable[[], Awaitable[object]] | None = None

    def __post_init__(self) -> None:
        self.records = Shelf()
        self.lines = Lines()
        self.works = Works(
            store=self.store or self.house.store,
            upstream=self.vendor,
            dialects=self.dialects,
            pricing=Pricing(TariffBook([SONG])),
            zones=ZoneInfo,
            records=self.records,
            refuse=lambda record, _: self.refused.append(record),
            clock=self.time,
            timers=self.time,
            user_agent="polyrelay/test",
            catalog=lambda: self.catalog,
            settings=lambda: self.settings,
            keeper=lambda: self.worker,
            recall=self._recall,
            pause=self._pause,
            lines=self.lines,
        )
        self.board = Board(Rota(lambda: -1.0))
        self.desk = JobDesk(self.works, self.board)
        self.poller = Poller(self.works, self.board)

    def commission(
        self, number: int = 1, ask: Ask = SONG_ASK, *, by: Principal = HOLDER, call: Call = CALL, **more: Any
    ) -> Commission:
        candidates = [tier[0][0] for tier in self.catalog.tiers("song")]
        values: dict[str, Any] = {
            "exchange": px(number, self.time.wall()), "principal": by, "surface": "suno", "ask": ask, "call": call,
            "candidates": candidates, **more,
        }  # fmt: skip
        return Commission(**values)

    async def submit(self, commission: Commission | None = None) -> Job:
        """To its end. Raises what the desk raises."""
        task = asyncio.ensure_future(self.desk.submit(commission or self.commission()))
        await self.until(task.done)
        return await task

    async def submitted(self, count: int = 1) -> list[ExchangeId]:
        """So many jobs that were accepted, by their ids."""
        return [(await self.submit(self.commission(number))).id for number in range(count)]

    async def state(self, name: ExchangeId) -> State:
        return (await self.house.one(name)).state

    async def until(self, done: Callable[[], bool]) -> None:
        """Deliver what the vendor says until something is so. Stores that use threads or sockets take their time."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not done():
                if not self.vendor.deliver():
                    await asyncio.sleep(0)

    async def round(self, seconds: float = 0.0) -> None:
        """Time passes; a round is made, the vendor answers, and what follows from that is written."""
        self.time.pass_(seconds)
        await self.poller.round()
        if self.vendor.deliver():
            await self.poller.round()

    async def rounds(self, seconds: Iterable[float]) -> None:
        for each in seconds:
            await self.round(each)

    async def _recall(self, meters: Sequence[str]) -> None:
        self.recalled.append(meters)

    async def _pause(self, seconds: float) -> None:
        self.time.pass_(seconds)
        if self.visit is not None:
            await self.visit()


def at_noon() -> VirtualTime:
    time = VirtualTime()
    time.now = AT
    return time


def play(scenario: Callable[[Workshop], Awaitable[None]], *, credit: int = 100 * TASK, **more: Any) -> Workshop:
    """On books in memory, proved afterwards."""

    async def run() -> Workshop:
        async with housed("memory", Path()) as house:
            if credit:
                await house.books.topup("acc_1", credit)
            shop = Workshop(house, Vendor(), at_noon(), **more)
            await scenario(shop)
            (await house.books.snapshot()).check()
            assert shop.board.submitting == set()
            assert len(shop.lines) == 0
            return shop

    return asyncio.run(run())
