"""What happens in the world, drawn by a seeded random: customers, workers, the operator, and misfortune."""

from collections.abc import Awaitable, Callable
from random import Random

from polyrelay.access.principal import Principal
from polyrelay.background.teller import TICK_SECONDS
from polyrelay.exchange.call import Call
from polyrelay.exchange.outcome import Outcome
from polyrelay.exchange.usage import Usage
from polyrelay.kernel import errors
from polyrelay.ledger import meters
from polyrelay.service.treasury import Reserved
from sim.faults import Killed
from sim.model import Exchange
from sim.world import BOOKS, UNIT, Worker, World
from support.till import record

MOST_WORKERS = 4
CALM_SECONDS = 1.0
"""Longer than anybody waits for funds while nothing is wrong."""

TIMES = (0.01, 0.05, 0.1, 0.3, 0.3, 1.0, 5.0, 31.0, 70.0, 13 * 3600.0)
"""Seconds: ticks, patience, idleness, past a lease, over midnight."""


class Drawn:
    """Draws operations and does them. `diary` tells what was done."""

    def __init__(self, world: World, random: Random) -> None:
        self.world = world
        self.random = random
        self.diary: list[str] = []
        self._down = False
        self._weights: dict[Callable[[], Awaitable[str] | str], int] = {
            self.reserve: 100,
            self.end: 75,
            self.sent: 15,
            self.cancel: 5,
            self.refuse: 2,
            self.round: 90,
            self.faulty_round: 15,
            self.busy_round: 40,
            self.time: 25,
            self.topup: 5,
            self.promotion: 4,
            self.lapse: 2,
            self.overdraft: 2,
            self.limit: 4,
            self.recall: 4,
            self.reload: 4,
            self.tariffs: 4,
            self.disk: 2,
            self.outage: 2,
            self.mend: 8,
            self.calm: 6,
            self.close: 3,
            self.kill: 2,
            self.hire: 12,
            self.recover: 8,
            self.sync: 20,
            self.power: 1,
        }

    async def begin(self) -> None:
        """Some money and two workers."""
        for number in (1, 2, 3):
            await self.world.books.topup(f"acc_{number}", 80 * UNIT)
        for _ in range(2):
            await self.world.hire()

    async def step(self) -> None:
        """One operation, and the books after it."""
        (operation,) = self.random.choices(list(self._weights), list(self._weights.values()))
        self.diary.append(f"{operation.__name__} …")
        done = operation()
        told = done if isinstance(done, str) else await done
        self.diary[-1] = f"{operation.__name__} {told}"
        await self.world.check()

    # ── customers ──

    def reserve(self, worker: Worker | None = None) -> str:
        visiting = worker is not None
        worker, customer, random = worker or self._worker(), self._customer(), self.random
        if worker is None:
            return "nowhere"
        call = Call(
            random.choice(("chat", "chat", "chat", "call", "free")),
            stream=True,
            input_bytes=random.choice((0, 40, 2000)),
            max_output=random.choice((None, 10, 300, 3000, 12000)),
        )
        if random.random() < 0.005 and not visiting:
            worker.gate.kill = random.randint(1, 4)
        try:
            self.world.reserve(worker, customer, call)
        except errors.Refusal as refusal:
            return f"{worker.till.name} refuses: {refusal}"
        except Killed:
            self.world.bury(worker)
            return f"{worker.till.name} dies of it"
        worker.gate.kill = 0
        return f"{call.model} {call.max_output} for {customer.key_id} at {worker.till.name}"

    def sent(self) -> str:
        worker, exchange = self._live()
        if worker is None or exchange is None or exchange.hold is None:
            return "nothing"
        worker.till.treasury.sent(exchange.hold, "main")
        return exchange.hold.exchange

    def end(self, worker: Worker | None = None) -> str:
        """Settle or void."""
        visiting = worker is not None
        worker, exchange = self._live(worker)
        if worker is None or exchange is None or exchange.hold is None:
            return "nothing"
        if self.random.random() < 0.01 and not visiting:
            worker.gate.kill = self.random.randint(1, 3)
        exchange.ending = True
        try:
            told = self._end(worker, exchange, exchange.hold)
        except Killed:
            self.world.bury(worker)
            return f"{exchange.hold.exchange}, and {worker.till.name} dies of it"
        worker.gate.kill = 0
        exchange.ending = False
        return f"{exchange.hold.exchange} {told}"

    def _end(self, worker: Worker, exchange: Exchange, hold: Reserved) -> str:
        treasury = worker.till.treasury
        if self.random.random() < 0.2 and not hold.sent:
            treasury.void(hold, record(hold, None, Outcome.UPSTREAM_ERROR))
            exchange.voided = True
            treasury.void(hold, record(hold, None, Outcome.UPSTREAM_ERROR))
            return "voided"

        def then() -> None:
            exchange.complete = True

        usage = self._usage(hold)
        told = treasury.price(hold, usage)
        exchange.due = treasury.settle(hold, record(hold, usage, Outcome.COMPLETE), then)
        assert exchange.due == told
        assert exchange.complete or self.world.patient
        treasury.void(hold, record(hold, None, Outcome.CLIENT_GONE))
        return f"settled for {exchange.due} of {hold.amount}"

    def _usage(self, hold: Reserved) -> Usage:
        """Nothing, less than was held, exactly that, or more; sometimes without a price."""
        call = hold.order.call
        most = hold.cap if hold.cap is not None else call.max_output or 8000
        if call.model == "call":
            return Usage() if self.random.random() < 0.9 else Usage(requests=0, output_text=7)
        part = self.random.choice((0.0, 0.1, 0.1, 0.5, 1.0, 1.0, 1.5, 4.0))
        return Usage(input_text=int(call.input_bytes * part), output_text=int(most * part))

    def cancel(self, worker: Worker | None = None) -> str:
        worker = worker or self._worker()
        if worker is None or not worker.waiting:
            return "nobody"
        name = self.random.choice(list(worker.waiting))
        waiting = worker.waiting.pop(name)
        waiting.cancel()
        waiting.cancel()
        self.world.forget(worker, name)
        return name

    def refuse(self) -> str:
        worker, exchange = self._live()
        if worker is None or exchange is None or exchange.hold is None:
            return "nothing"
        name = f"px_{worker.till.name}_refused_{len(self.world.refused)}"
        self.world.refused.add(name)
        hold = exchange.hold
        made = record(hold, None, Outcome.UPSTREAM_ERROR)
        told = type(made)(**{each: getattr(made, each) for each in made.__struct_fields__} | {"exchange": name})
        worker.till.treasury.refuse(told, hold.order.principal)
        return name

    # ── workers ──

    async def round(self) -> str:
        worker = self._worker()
        if worker is None:
            return "nobody"
        await self.world.attempt(worker, worker.till.teller.round())
        return worker.till.name

    async def faulty_round(self) -> str:
        worker = self._worker()
        if worker is None:
            return "nobody"
        gate = worker.gate
        if self.random.random() < 0.15:
            gate.kill = self.random.randint(1, 40)
        else:
            gate.away = self.random.randint(1, 14)
        told = f"{worker.till.name} kill {gate.kill} away {gate.away}"
        await self.world.attempt(worker, worker.till.teller.round())
        return told

    async def busy_round(self) -> str:
        """Customers come and go at the worker while it waits for the bank."""
        worker = self._worker()
        if worker is None:
            return "nobody"
        told: list[str] = []

        def visit() -> None:
            told.append(self.random.choice((self.reserve, self.reserve, self.end, self.cancel))(worker))
            worker.gate.visit = self.random.randint(1, 6)

        worker.gate.visit, worker.gate.visitor = self.random.randint(1, 6), visit
        await self.world.attempt(worker, worker.till.teller.round())
        return f"{worker.till.name} {told}"

    async def calm(self) -> str:
        """Nothing is wrong for a while: then nobody waits any more."""
        self.mend()
        for _ in range(int(CALM_SECONDS / TICK_SECONDS)):
            for worker in self.world.workers:
                await worker.till.teller.round()
            self.world.clock.pass_(TICK_SECONDS)
        for worker in self.world.workers:
            assert not worker.waiting, "somebody was never answered"
            assert worker.till.treasury.unposted == 0, "something was never posted"
        return ""

    def time(self) -> str:
        seconds = self.random.choice(TIMES)
        self.world.clock.pass_(seconds)
        return f"{seconds}"

    def sync(self) -> str:
        worker = self._worker()
        if worker is None or not self.world.patient:
            return "nobody"
        for segment in worker.till.settler.segments:
            worker.till.treasury.durable(segment, segment.sync())
        return worker.till.name

    async def hire(self) -> str:
        if len(self.world.workers) == MOST_WORKERS or self._down:
            return "nobody"
        return (await self.world.hire()).till.name

    async def close(self) -> str:
        """Graceful, though perhaps with exchanges that did not end in time, or a bank that goes away."""
        worker = self._worker()
        if worker is None:
            return "nobody"
        for name in list(worker.waiting):
            worker.waiting.pop(name).cancel()
            self.world.forget(worker, name)
        if self.random.random() < 0.3:
            worker.gate.away = self.random.randint(1, 8)
        if await self.world.attempt(worker, worker.till.close()):
            self.world.bury(worker)
        return worker.till.name

    def kill(self) -> str:
        worker = self._worker()
        if worker is None:
            return "nobody"
        self.world.bury(worker)
        return worker.till.name

    async def recover(self) -> str:
        """One worker looks, or two at once; one of them may die of it."""
        workers = self.random.sample(self.world.workers, min(len(self.world.workers), self.random.randint(1, 2)))
        fate = self.random.random()
        if workers and fate < 0.3:
            workers[0].gate.away = self.random.randint(1, 8)
        elif workers and fate < 0.4:
            workers[0].gate.kill = self.random.randint(1, 8)
        await self.world.recover(*workers)
        return " ".join(worker.till.name for worker in workers)

    # ── the operator ──

    async def topup(self) -> str:
        account, amount = self._account(), self.random.randint(1, 40 * UNIT)
        await self.world.books.topup(account, amount)
        return f"{account} {amount}"

    async def promotion(self) -> str:
        account, amount = self._account(), self.random.randint(1, 20 * UNIT)
        expires = 4e9 + len(self.world.promotions)
        self.world.promotions.append(await self.world.books.promote(account, amount, expires))
        return f"{account} {amount}"

    async def lapse(self) -> str:
        if self.world.promotions:
            pot = self.world.promotions.pop()
            self.world.lapsed.add(pot)
            await self.world.books.lapse(pot)
        await self.world.books.bank.expire()
        return ""

    async def overdraft(self) -> str:
        amount = self.random.choice((0, 5 * UNIT))
        await self.world.books.overdraft("acc_2", amount)
        return f"{amount}"

    async def limit(self) -> str:
        """Raised or lowered."""
        found = [purse.meter for worker in self.world.workers for purse in worker.till.purses]
        budgets = sorted({meter.id for meter in found if meter.scope != "wallet"})
        if not budgets:
            return "none"
        meter, amount = self.random.choice(budgets), self.random.randint(0, 200 * UNIT)
        await self.world.books.limit(meter, amount)
        return f"{meter} {amount}"

    async def recall(self) -> str:
        account = self._account()
        await self.world.books.bank.recall([meters.wallet(account).id])
        self.world.bell.ring()
        return account

    def reload(self) -> str:
        """The key directory reads a key anew."""
        number = self.random.randrange(len(self.world.customers))
        known = self.world.customers[number]
        self.world.customers[number] = Principal(**{name: getattr(known, name) for name in known.__slots__})
        return known.key_id

    def tariffs(self) -> str:
        self.world.version = self.random.randrange(len(BOOKS))
        for worker in self.world.workers:
            worker.till.pricing.adopt(BOOKS[self.world.version])
        return f"{self.world.version}"

    # ── misfortune ──

    def disk(self) -> str:
        worker = self._worker()
        if worker is None:
            return "none"
        worker.gate.disk_full = True
        return f"of {worker.till.name} is full"

    def outage(self) -> str:
        self._down = True
        for worker in self.world.workers:
            worker.gate.down = True
        return "begins"

    def mend(self) -> str:
        """The database is back, and there is room on every disk."""
        self._down = False
        for worker in self.world.workers:
            worker.gate.heal()
            worker.gate.down = worker.gate.disk_full = False
        return ""

    def power(self) -> str:
        if not self.world.patient:
            return "stays"
        for worker in list(self.world.workers):
            self.world.bury(worker, power=True)
        return "cut"

    # ── the end ──

    async def finish(self) -> None:
        """Everybody goes home; then the books are complete."""
        self.mend()
        for worker in list(self.world.workers):
            for exchange in worker.live():
                assert exchange.hold is not None
                self._end(worker, exchange, exchange.hold)
        await self.calm()
        await self.world.check()
        for worker in list(self.world.workers):
            await worker.till.close()
            self.world.bury(worker)
        last = await self.world.hire()
        await self.world.recover(last)
        await last.till.close()
        self.world.bury(last)
        self.world.clock.pass_(100.0)
        assert not await self.world.books.bank.orphans(), "a worker was never brought to its end"
        snapshot = await self.world.books.snapshot()
        snapshot.check()
        self.world.model.check(await self.world.filed(), snapshot, self.world.refused)

    # ── draws ──

    def _worker(self) -> Worker | None:
        return self.random.choice(self.world.workers) if self.world.workers else None

    def _live(self, worker: Worker | None = None) -> tuple[Worker | None, Exchange | None]:
        worker = worker or self._worker()
        live = worker.live() if worker is not None else []
        return worker, self.random.choice(live) if live else None

    def _customer(self) -> Principal:
        return self.random.choice(self.world.customers)

    def _account(self) -> str:
        return f"acc_{self.random.randint(1, 3)}"
