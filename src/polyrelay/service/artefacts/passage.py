"""What upstreams hand out by name only, to whom they know: handed on by the relay, which keeps nothing of it."""

from collections.abc import Awaitable, Callable, Collection, Sequence

from polyrelay.exchange.video import Video
from polyrelay.jobs.job import Job
from polyrelay.jobs.lifecycle import State
from polyrelay.kernel import errors
from polyrelay.kernel.ids import ExchangeId
from polyrelay.providers.outbound import OutboundRequest
from polyrelay.service.bank import BankAway
from polyrelay.service.download import Streamed
from polyrelay.service.ports import Head
from polyrelay.service.treasury import books_away

Load = Callable[[Collection[ExchangeId]], Awaitable[Sequence[Job]]]
"""Jobs by their ids, as upstreams left them. Raises `BankAway`."""

Keeps = Callable[[Job], OutboundRequest | None]
"""The request for what the upstream of a job hands out by name only; None when it has no such thing."""

Opens = Callable[[Job, Head], Awaitable[Streamed | None]]
"""The same on its way, or the part of it that a client with these headers wants.

Raises `errors.UpstreamFailure`.
"""


class Passage:
    """One per process."""

    def __init__(self, load: Load, keeps: Keeps, opens: Opens) -> None:
        self._load = load
        self._keeps = keeps
        self._opens = opens

    def leads_to(self, job: Job) -> bool:
        """Whether there is a video of `job` that only its upstream has, and that can be asked of it now."""
        made = job.result
        return job.state is State.SUCCEEDED and isinstance(made, Video) and not made.url and bool(self._keeps(job))

    async def open(self, name: ExchangeId, head: Head) -> Streamed:
        """The video of the job `name`, or the part that `head` asks for.

        Raises `errors.NotFound` for one that its client has thrown away or whose upstream is not configured any more,
        `errors.UpstreamFailure`, `errors.BooksAway`.
        """
        try:
            found = await self._load([name])
        except BankAway as error:
            raise books_away() from error
        streamed = None
        if found and not found[0].hidden and self.leads_to(found[0]):
            streamed = await self._opens(found[0], head)
        if streamed is None:
            raise errors.NotFound("This is not kept any more.", code="artefact_gone")
        return streamed
