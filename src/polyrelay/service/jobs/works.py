"""What jobs run on: the adapters of one process, and the configuration of the moment."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from polyrelay.access.principal import Principal
from polyrelay.jobs.job import Job
from polyrelay.kernel.clock import Clock
from polyrelay.kernel.ids import ExchangeId
from polyrelay.providers import outbound
from polyrelay.providers.outbound import OutboundRequest
from polyrelay.routing.catalog import Catalog
from polyrelay.routing.channel import Candidate
from polyrelay.service import secrecy
from polyrelay.service.jobs import booking
from polyrelay.service.jobs.polling import Step
from polyrelay.service.jobs.ports import JobStore
from polyrelay.service.jobs.rota import Rota
from polyrelay.service.line import Lines
from polyrelay.service.ports import Record, Records, Timers, Upstream
from polyrelay.service.posting import Zones
from polyrelay.service.pricing import Pricing
from polyrelay.settings.jobs import JobSettings
from polyrelay.wire.dialect import Dialect, Message

REASON_CHARACTERS = 300
"""Of an upstream's words that a client is told."""


@dataclass(frozen=True, slots=True)
class Works:
    """`dialects` are by the name of the provider that speaks them. `catalog`, `settings` and `keeper` (this worker's
    id in the books) are asked for anew each time. `refuse` records who was refused before there was a job. `recall`
    makes other workers give back what they hold idle of meters, by their ids. `pause` waits so many seconds. In `lines`
    stands who waits for an upstream that takes only so many calls at once.
    """

    store: JobStore
    upstream: Upstream
    dialects: Mapping[str, Dialect]
    pricing: Pricing
    zones: Zones
    records: Records
    refuse: Callable[[Record, Principal], None]
    clock: Clock
    timers: Timers
    user_agent: str
    catalog: Callable[[], Catalog]
    settings: Callable[[], JobSettings]
    keeper: Callable[[], str]
    recall: Callable[[Sequence[str]], Awaitable[None]]
    pause: Callable[[float], Awaitable[None]]
    lines: Lines

    def request(self, candidate: Candidate, message: Message) -> OutboundRequest:
        """What `message` of a dialect is sent as."""
        return outbound.errand(candidate, self.user_agent, message)

    def pace(self, candidate: Candidate) -> float:
        """Seconds between two questions to it."""
        return candidate.channel.poll_seconds or self.settings().pace_seconds

    async def end(self, step: Step) -> bool:
        """Write that a job has ended, and post its exchange; False when somebody else ended it. Raises `BankAway`."""
        if step.event is None:
            raise ValueError(f"job {step.job.id} goes on")
        told = booking.record(step.job, step.event, step.usage)
        ended = await self.store.end(step.job, step.event, booking.row(step.job, step.event, told, self.zones))
        if ended:
            self.records.add(told)
        return ended


class Board:
    """The jobs this worker has to do with, in memory, and what is still to be written of them.

    `submitting` are those that a request of it is submitting now, `accepting` those whose acceptance could not be
    written yet, `endings` those that have ended and are not asked about any more.
    """

    def __init__(self, rota: Rota) -> None:
        self.rota = rota
        self.submitting: set[ExchangeId] = set()
        self.accepting: dict[ExchangeId, Job] = {}
        self.endings: dict[ExchangeId, Step] = {}
        self.wake: Callable[[], None] = _nobody

    def __contains__(self, job: object) -> bool:
        """Whether anything is being done about a job, by its id."""
        return job in self.rota or job in self.submitting or job in self.endings

    def watch(self, job: Job, now: float, delay: float) -> None:
        """From `now` (monotonic seconds) on, ask about it; first within `delay` seconds."""
        self.rota.watch(job, now, delay)
        self.wake()

    def end(self, step: Step) -> None:
        """Write its end when the books can be reached."""
        self.rota.drop(step.job.id)
        self.endings[step.job.id] = step
        self.wake()


def presentable(candidate: Candidate, said: str | None) -> str | None:
    """What an upstream said, as far as a client may read it: cut, and nothing that names our key or where we called."""
    if not said or secrecy.leaks(candidate.channel, said.encode()):
        return None
    return said.strip()[:REASON_CHARACTERS]


def _nobody() -> None:
    """The poller is not there yet; it looks when it is."""
