"""What upstreams of songs are asked beside how far a job is: for one client, at once, at no charge."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.exchange.music import AlignedWord
from polyrelay.jobs.job import Job
from polyrelay.kernel import bounds, errors
from polyrelay.routing import plan
from polyrelay.routing.channel import Candidate
from polyrelay.routing.plan import Failure
from polyrelay.service import secrecy, verdict, whole
from polyrelay.service.jobs import references
from polyrelay.service.jobs.works import Works
from polyrelay.wire.dialect import Declined, Garbled, Message, Studio
from polyrelay.wire.suno import personas

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 20.0
"""How long upstreams may take altogether: twice what gcui allows its own calls."""

_NOT_THERE = frozenset({400, 404, 409, 410, 422})
"""Statuses by which an upstream says that it has no such thing, or not yet."""

_Told = TypeVar("_Told")


@dataclass(frozen=True, slots=True)
class _Question(Generic[_Told]):
    """What a candidate is sent, how its answer is read, what in that must not name us, and what is said when nobody has
    the thing.
    """

    message: Callable[[Studio], Message]
    read: Callable[[Studio, int, bytes], _Told]
    said: Callable[[_Told], Iterable[str]]
    absent: str


class Inquiry:
    """`studios` are by the name of the provider that is spoken to in that dialect."""

    def __init__(self, works: Works, studios: Mapping[str, Studio]) -> None:
        self._works = works
        self._studios = studios

    async def aligned(self, job: Job, number: int) -> tuple[AlignedWord, ...]:
        """When each word of clip `number` of `job` is sung, by the credential that made it. Raises `errors.Refusal`."""
        known = job.upstreamed.clips if job.upstreamed is not None else ()
        made_by = None if job.place is None else self._works.catalog().find(job.place.channel, job.place.credential)
        if made_by is None or made_by.channel.provider not in self._studios or number >= len(known):
            raise references.elsewhere("id")
        question: _Question[tuple[AlignedWord, ...]] = _Question(
            lambda studio: studio.alignment(known[number]),
            lambda studio, status, body: studio.aligned(status, body),
            lambda words: [word.word for word in words],
            "The upstream provider has no aligned lyrics of this clip (yet).",
        )
        return await self._asked([made_by], question)

    async def persona(self, candidates: Sequence[Candidate], query: personas.Query) -> dict[str, Any]:
        """A page of a persona by the first of `candidates` that has it. Raises `errors.Refusal`."""
        able = [each for each in candidates if each.channel.provider in self._studios]
        if not able:
            raise errors.InvalidRequest(
                "No upstream provider of this model tells of personas.", code="not_offered", param="model"
            )
        question: _Question[dict[str, Any]] = _Question(
            lambda studio: studio.persona(query.name, query.page),
            lambda studio, status, body: studio.persona_page(status, body),
            personas.said,
            "There is no such persona.",
        )
        return await self._asked(able, question)

    async def _asked(self, candidates: Sequence[Candidate], question: _Question[_Told]) -> _Told:
        works, candidate = self._works, candidates[0]
        failures: list[Failure] = []
        until = works.clock.monotonic() + ANSWER_SECONDS
        while True:
            said = await self._said(candidate, question, until - works.clock.monotonic())
            if not isinstance(said, Fault):
                return said
            failures.append(Failure(candidate, said))
            logger.warning("channel %s was asked in vain: %s %s", candidate.channel.name, said.kind.value, said.detail)
            match plan.after(failures, candidates):
                case plan.Next(left) if works.clock.monotonic() < until:
                    candidate = left[0]
                case plan.Wait(again, seconds) if works.clock.monotonic() < until:
                    await works.pause(seconds)
                    candidate = again
                case _:
                    raise _refusal(failures, question.absent)

    async def _said(self, candidate: Candidate, question: _Question[_Told], seconds: float) -> _Told | Fault:
        works, studio = self._works, self._studios[candidate.channel.provider]
        request = works.request(candidate, question.message(studio))
        answer = await whole.fetch(works.upstream, works.timers, request, bounds.JOB_ANSWER_BYTES, seconds)
        if isinstance(answer, Fault):
            return answer
        try:
            told = question.read(studio, answer.status, answer.body)
        except Declined as error:
            wait = verdict.retry_after(answer.headers, works.clock.wall())
            return Fault(FaultKind.STATUS, str(error), error.status, wait)
        except Garbled as error:
            return Fault(FaultKind.GARBLED, str(error), answer.status)
        if secrecy.leaks(candidate.channel, msgspec.json.encode(list(question.said(told)))):
            return Fault(FaultKind.GARBLED, "an answer that names our credential or where we called", answer.status)
        return told


def _refusal(failures: Sequence[Failure], absent: str) -> errors.Refusal:
    """That there is none, when this is the last that was said and nobody's trouble."""
    if failures[-1].fault.status in _NOT_THERE:
        return errors.NotFound(absent, code="not_found", param="id")
    return verdict.refusal(failures)
