"""The in-memory twin of the client for addresses that somebody else names: answers written down beforehand."""

from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from polyrelay.access import destinations
from polyrelay.access.destinations import BadDestination
from polyrelay.service.outside import Answer, Errand, TooLong, Unreachable
from polyrelay.service.ports import HeaderList


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one errand gets: a head unless `status` is None, `chunks`, then `fault` or a proper end."""

    status: int | None = 200
    headers: HeaderList = ()
    chunks: tuple[bytes, ...] = ()
    fault: str | None = None
    refusal: str | None = None
    """In the words of the guard."""


NOBODY = Recorded(status=None, fault="no answer was written down for this errand")


class RecordedAnswer:
    """Implements `Answer`."""

    def __init__(self, recorded: Recorded, most: int) -> None:
        self._recorded = recorded
        self._most = most
        self.status = recorded.status or 0
        self.headers = recorded.headers

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """See the port."""
        size = 0
        for chunk in self._recorded.chunks:
            size += len(chunk)
            if size > self._most:
                raise TooLong(f"an answer of more than {self._most} bytes")
            yield chunk
        if self._recorded.fault is not None:
            raise Unreachable(self._recorded.fault)


class RecordedOutside:
    """Plays `answers` in the order errands come. URLs are judged as far as that needs no name's addresses."""

    def __init__(self, answers: Iterable[Recorded] = ()) -> None:
        self.errands: list[Errand] = []
        """Everything that was sent."""
        self._answers = deque(answers)

    def script(self, *answers: Recorded) -> None:
        """Write more answers down."""
        self._answers.extend(answers)

    @asynccontextmanager
    async def open(self, errand: Errand) -> AsyncIterator[Answer]:
        """See the port."""
        if errand.rules is not None:
            destinations.parse(errand.url, errand.rules)
        recorded = self._answers.popleft() if self._answers else NOBODY
        if recorded.refusal is not None:
            raise BadDestination(recorded.refusal)
        self.errands.append(errand)
        if recorded.status is None:
            raise Unreachable(recorded.fault or "no answer")
        yield RecordedAnswer(recorded, errand.most)
