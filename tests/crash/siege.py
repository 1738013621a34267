"""A relay under load whose processes are killed at random instants, and what must be in its books afterwards."""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from support import customers
from support.customers import Answer
from support.processes import Process, Vendor, channel, make_key, prices, running, until
from support.proof import Entry, Ledger, Proof

MODELS = {"quick": "sandbox:tokens=8,pace=2ms", "slow": "sandbox:tokens=30,pace=20ms", "late": "sandbox:first=200ms"}
PAUSE_SECONDS = (0.1, 1.2)
"""Between two kills. A worker takes about a second to come back, so that some come back to a kill."""

LEAVES_EARLY = 0.05
"""Part of the streams whose client has seen enough before the end."""

CLOCK_SECONDS = 0.05
"""Between a process's death and our noting it."""

RECOVER_SECONDS = 30.0
"""For the workers of killed parents, which drain, and for what they leave."""

STOP_SECONDS = 60.0
"""For a worker that was about to start; on a busy machine that alone takes seconds."""


@dataclass(frozen=True)
class Plan:
    """How hard, and with which dice. `database` is a URL, empty for SQLite."""

    kills: int
    clients: int = 32
    workers: int = 2
    seed: int = 1
    database: str = ""


@dataclass(frozen=True)
class Kill:
    """A process that was killed; Unix seconds before and after."""

    began: float
    ended: float
    pid: int
    parent: bool


class Station:
    """One relay through all its lives. `port` is 0 while it has none."""

    def __init__(self, folder: Path, vendor: Vendor, plan: Plan) -> None:
        self.folder = folder
        self.ledger = Ledger(plan.database, folder / "data")
        self.port = 0
        self.starts = 0
        self._stack = ExitStack()
        self._process: Process | None = None
        models = ", ".join(f'{{ name = "{name}", upstream = "{upstream}" }}' for name, upstream in MODELS.items())
        channels = channel("main", vendor.base_url, models)
        database = f'[database]\nurl = "{plan.database}"\n' if plan.database else ""
        self._config = folder / "polyrelay.toml"
        self._config.write_text(
            f'[server]\nport = 0\ndata = "{folder / "data"}"\ndrain_seconds = 3\nworkers = {plan.workers}\n'
            + database + channels + prices(channels)
        )  # fmt: skip
        self.key = make_key(self._config)

    @property
    def config(self) -> Path:
        return self._config

    def start(self) -> None:
        self.starts += 1
        log = self.folder / f"relay-{self.starts}.log"
        self._process = self._stack.enter_context(running(log, "serve", "--config", str(self._config)))
        self.port = urlsplit(self._process.said["url"]).port or 0

    def processes(self) -> list[int]:
        """The parent and its workers, or the only process: those that live."""
        if self._process is None or self._process.popen.poll() is not None:
            return []
        parent = self._process.popen.pid
        return [parent, *children(parent)]

    def kill(self, pid: int) -> Kill:
        """`kill -9`."""
        assert self._process is not None
        parent = pid == self._process.popen.pid
        began = time.time()
        os.kill(pid, signal.SIGKILL)
        if parent:
            self.port = 0
            self._process.popen.wait()
        return Kill(began, time.time() + CLOCK_SECONDS, pid, parent)

    def end(self) -> None:
        """Drain, and end everything that was started."""
        self.port = 0
        if self._process is not None:
            self._process.stop(seconds=STOP_SECONDS)
        self._stack.close()

    def logs(self) -> str:
        return "".join(log.read_text() for log in sorted(self.folder.glob("relay-*.log")))


def children(pid: int) -> list[int]:
    with suppress(FileNotFoundError, ProcessLookupError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


@dataclass
class Siege:
    """What happened."""

    station: Station
    plan: Plan
    say: Callable[[str], None] = lambda _line: None
    answers: list[Answer] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)
    over: bool = False

    async def run(self) -> None:
        """Every kill of the plan under the load of all clients; then the clients finish what they have begun."""
        await asyncio.to_thread(self.station.start)
        clients = [
            asyncio.create_task(self._client(random.Random(f"{self.plan.seed} {n}"))) for n in range(self.plan.clients)
        ]
        try:
            await self._strike(random.Random(self.plan.seed))
        finally:
            self.over = True
            await asyncio.gather(*clients)

    async def _strike(self, dice: random.Random) -> None:
        for number in range(self.plan.kills):
            await asyncio.sleep(dice.uniform(*PAUSE_SECONDS))
            kill = self.station.kill(dice.choice(self.station.processes()))
            self.kills.append(kill)
            whole = sum(answer.paid for answer in self.answers)
            self.say(f"kill {number + 1} of {self.plan.kills}: {kill.pid}{' (parent)' * kill.parent}; {whole} answers")
            if kill.parent:
                await asyncio.to_thread(self.station.start)

    async def _client(self, dice: random.Random) -> None:
        while not self.over:
            stream = dice.random() < 0.5
            leaves = 900 if stream and dice.random() < LEAVES_EARLY else 0
            model = dice.choice(list(MODELS))
            answer = await customers.ask(self.station.port, self.station.key, model, stream=stream, leave_after=leaves)
            if answer is None:
                await asyncio.sleep(customers.RECONNECT_SECONDS)
            else:
                self.answers.append(answer)

    def settle(self) -> Proof:
        """End the relay and start it once more, which books what the dead left behind; then read the books."""
        self.station.end()
        self.station.start()
        self.station.end()
        until(lambda: not self.station.ledger.journals(), RECOVER_SECONDS)
        return self.station.ledger.read()


@dataclass(frozen=True)
class Findings:
    """Answers and charges held against each other; the lists at the end must be empty."""

    answers: Counter[str]
    charges: Counter[str]
    uncharged: list[Answer]
    doubtful: list[Answer]
    refused_yet_charged: list[Answer]
    unexplained: list[Entry]

    @property
    def clean(self) -> bool:
        return not (self.uncharged or self.doubtful or self.refused_yet_charged or self.unexplained)


def find(answers: list[Answer], kills: list[Kill], proof: Proof) -> Findings:
    """Every answer seen whole is charged once and for sure; every other charge has its reason."""
    charged = proof.charged
    seen = {answer.exchange: answer for answer in answers if answer.exchange}
    paid = {name: answer for name, answer in seen.items() if answer.paid}
    cut = [answer for answer in answers if not (answer.paid or answer.left) and answer.status in {0, 200}]
    kinds: Counter[str] = Counter()
    unexplained = []
    for entry in charged.values():
        kind = "its client saw it whole" if entry.id in paid else _reason(entry, seen.get(entry.id), kills, cut)
        kinds[kind or "unexplained"] += 1
        if kind is None:
            unexplained.append(entry)
    return Findings(
        answers=Counter(_kind(answer) for answer in answers),
        charges=kinds,
        uncharged=[answer for name, answer in paid.items() if name not in charged or not charged[name].amount],
        doubtful=[answer for name, answer in paid.items() if name in charged and charged[name].indeterminate],
        refused_yet_charged=[
            answer for name, answer in seen.items() if answer.status not in {0, 200} and name in charged
        ],
        unexplained=unexplained,
    )


def _kind(answer: Answer) -> str:
    if answer.left and not answer.whole:
        return "left early"
    if answer.paid:
        return "whole stream" if answer.stream else "whole unary"
    if answer.status in {0, 200}:
        return "broken off"
    return f"{answer.status} {answer.code}"


def _reason(entry: Entry, answer: Answer | None, kills: list[Kill], cut: list[Answer]) -> str | None:
    """Why an exchange is charged whose client did not see the whole answer; None when there is no reason."""
    if entry.outcome == "client_gone" or (answer is not None and answer.left):
        return "its client left"
    if entry.indeterminate:
        in_flight = any(entry.at <= kill.ended for kill in kills)
        return "in flight at a kill, flagged" if in_flight else None
    if answer is not None:
        struck = any(answer.began <= kill.ended and kill.began <= answer.ended for kill in kills)
    else:
        # No head came, so its id is unknown: some client must have been cut off by a kill just when this was settled.
        struck = any(
            broken.began <= entry.at <= kill.ended and kill.began <= broken.ended for kill in kills for broken in cut
        )
    if entry.outcome == "complete" and struck:
        return "settled, its last bytes lost at a kill"
    return f"told its client: {entry.outcome}" if answer is not None and entry.outcome != "complete" else None


@contextmanager
def besieged(
    folder: Path, vendor: Vendor, plan: Plan, say: Callable[[str], None] = lambda _line: None
) -> Iterator[Siege]:
    """The siege, run to its end."""
    station = Station(folder, vendor, plan)
    siege = Siege(station, plan, say)
    try:
        asyncio.run(siege.run())
        yield siege
    finally:
        station.end()
