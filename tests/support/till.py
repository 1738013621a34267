"""Workers of the books without a server: treasury, teller and journal as in a relay, on virtual time and any bank."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from polyrelay.access.principal import Principal
from polyrelay.background.recovery import Recovery
from polyrelay.background.settler import Settler
from polyrelay.background.teller import TICK_SECONDS, Bell, Host, Teller
from polyrelay.exchange.call import Call
from polyrelay.exchange.outcome import Outcome
from polyrelay.exchange.usage import Usage
from polyrelay.kernel import errors
from polyrelay.kernel.ids import AccountId, ExchangeId, KeyId
from polyrelay.metering import read
from polyrelay.metering.book import TariffBook
from polyrelay.metering.tariff import Source, Tariff
from polyrelay.service.bank import Bank
from polyrelay.service.ports import Hold, Order, Record, Wait
from polyrelay.service.posting import Transcript
from polyrelay.service.pricing import Pricing
from polyrelay.service.purses import Purse, Purses
from polyrelay.service.treasury import Reserved, Treasury
from polyrelay.storage.journaling.journals import JournalFolder
from support.stage import VirtualTime

MACHINE = "here"
LEASE = 60.0


@dataclass
class Outcomes(list[object]):
    """Implements `Funding`: what an exchange that waited was told."""

    def funded(self, hold: Hold) -> None:
        self.append(hold)

    def unfunded(self, refusal: errors.Refusal) -> None:
        self.append(refusal)


@dataclass
class DoorBell:
    """The bell of one machine."""

    number: int = 0

    def ring(self) -> None:
        self.number += 1


def transcript() -> Transcript:
    return Transcript(ZoneInfo)


@dataclass
class Till:
    """One worker. `name` is as `JournalFolder` wants it (`wk_1`); `folder` instead of a plain one in `data`.

    `crash` leaves its journal and slices behind as `kill -9` does.
    """

    data: Path
    bank: Bank
    clock: VirtualTime
    book: TariffBook
    name: str
    bell: DoorBell = field(default_factory=DoorBell)
    folder: JournalFolder | None = None
    unsynced: Callable[[], None] | None = None
    exchanges: int = 0

    def __post_init__(self) -> None:
        self.journals = self.folder or JournalFolder(self.data, "off")
        self.pricing = Pricing(self.book)
        self.purses = Purses(ZoneInfo)
        self.treasury = Treasury(self.pricing, self.purses, self.clock, wake=self._wake, unsynced=self.unsynced)
        self.settler = Settler(self.treasury, self.bank, self.journals, transcript)
        bell = Bell(lambda: self.bell.number, self.bell.ring)
        self.teller = Teller(self.treasury, self.bank, self.settler, self.clock, Host(MACHINE, 1, LEASE), bell)
        self.recovery = Recovery(self.bank, self.journals, transcript, MACHINE)

    def _wake(self) -> None:
        self.teller.wake()

    async def open(self) -> "Till":
        await self.teller.open(self.name, self.journals)
        return self

    def order(self, holder: Principal, call: Call) -> Order:
        self.exchanges += 1
        return Order(ExchangeId(f"px_{self.name}_{self.exchanges}"), holder, call, "openai_chat")

    def ask(self, holder: Principal, call: Call) -> tuple[Hold | Wait, Outcomes]:
        """Reserve, and where the answer comes if it has to be waited for."""
        told = Outcomes()
        return self.treasury.reserve(self.order(holder, call), told), told

    async def reserve(self, holder: Principal, call: Call, rounds: int = 40) -> Reserved:
        """A hold, after as many rounds as it takes. Raises the refusal."""
        got, told = self.ask(holder, call)
        if isinstance(got, Reserved):
            return got
        await self.rounds(rounds, until=lambda: bool(told))
        (answer,) = told
        if isinstance(answer, errors.Refusal):
            raise answer
        assert isinstance(answer, Reserved)
        return answer

    async def rounds(self, count: int, *, until: Callable[[], bool] = lambda: False) -> None:
        """Rounds as they follow each other while somebody waits."""
        for _ in range(count):
            await self.teller.round()
            if until():
                return
            self.clock.pass_(TICK_SECONDS)

    def settle(self, hold: Reserved, usage: Usage, outcome: Outcome = Outcome.COMPLETE) -> int:
        left: list[bool] = []
        charged = self.treasury.settle(hold, record(hold, usage, outcome), lambda: left.append(True))
        assert left == [True]
        return charged

    def void(self, hold: Reserved) -> None:
        self.treasury.void(hold, record(hold, None, Outcome.UPSTREAM_ERROR))

    def purse(self, meter: str) -> Purse:
        found = self.purses.get(meter)
        assert found is not None, meter
        return found

    async def close(self) -> None:
        await self.teller.close()

    def crash(self) -> None:
        for segment in self.settler.segments:
            segment.close()


def record(hold: Reserved, usage: Usage | None, outcome: Outcome) -> Record:
    principal = hold.order.principal
    return Record(
        exchange=hold.exchange,
        label=None,
        surface=hold.order.surface,
        account=principal.account,
        key=principal.key_id,
        model=hold.order.call.model,
        channel="main",
        status=200,
        outcome=outcome,
        attempts=1,
        seconds=0.5,
        first_token=0.1,
        usage=usage,
        finish="stop",
        error=None,
        billing=None,
        provider="openai",
    )


def holder(account: str, key: str = "", **terms: object) -> Principal:
    return Principal(KeyId(key or f"key_{account}"), AccountId(account), account, **terms)  # type: ignore[arg-type]


def tariff(model: str, sell: dict[str, object], version: str = "1", **more: object) -> Tariff:
    """From the document of a file: `sell` in decimal strings."""
    document = {"model": model, "id": f"t-{model}", "version": version, "sell": sell, **more}
    return read.tariff(document, source=Source.FILE, zones=ZoneInfo)


TOKEN_NANOS = 1000
CALL_NANOS = 10_000_000

BOOK = TariffBook(
    [
        tariff("chat", {"input_text": "1", "output_text": "1"}, maxima={"overhead": 0, "output": 10_000}),
        tariff("call", {"per_request": "0.01"}),
        tariff("free", {"free": True}),
    ]
)
"""`chat` costs TOKEN_NANOS a token, `call` CALL_NANOS each, `free` nothing."""


def chat(input_bytes: int = 0, max_output: int | None = 1000) -> Call:
    return Call("chat", stream=True, input_bytes=input_bytes, max_output=max_output)


def one_call() -> Call:
    return Call("call", stream=False, input_bytes=100)
