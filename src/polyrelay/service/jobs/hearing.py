"""What an answer to a question about jobs is: a word on each, a fault of the upstream, or nothing that makes sense."""

import logging
from collections.abc import Sequence

import msgspec

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.exchange.job import Snapshot
from polyrelay.service import verdict
from polyrelay.service.whole import Whole
from polyrelay.wire.dialect import Asked, Declined, Dialect, Garbled

logger = logging.getLogger(__name__)

FAILED = 400
"""HTTP statuses from here on are no answer."""

_NO_SUCH_JOB = frozenset({400, 404, 410, 422})
"""Statuses by which an upstream that is asked about one job says that it knows none such."""


class Senseless(msgspec.Struct, frozen=True):
    """The upstream answers, but not this: one of the jobs may be to blame. `words` are for the operator."""

    words: str


Heard = Sequence[Snapshot | None] | Fault | Senseless


def understood(dialect: Dialect, asked: Sequence[Asked], answer: Whole, now: float) -> Heard:
    """What `answer` says of the jobs that were `asked` about, None for those it does not know; `now` is Unix seconds.

    When a single job was asked about, a refusal that blames the question says that it is unknown.
    """
    try:
        said = dialect.polled(asked, answer.status, answer.body)
    except Declined as error:
        return _declined(asked, answer, error.status, str(error), now)
    except Garbled as error:
        return _declined(asked, answer, answer.status, str(error), now)
    except Exception:  # border: a dialect's defect concerns these jobs alone
        logger.exception("an answer about jobs was not understood")
        return Senseless("a defect of the dialect")
    return said if len(said) == len(asked) else Senseless(f"{len(said)} answers for {len(asked)} jobs")


def _declined(asked: Sequence[Asked], answer: Whole, status: int, words: str, now: float) -> Heard:
    if status in _NO_SUCH_JOB and len(asked) == 1:
        return [None]
    if status in _NO_SUCH_JOB or status < FAILED:
        return Senseless(words)
    return Fault(FaultKind.STATUS, words, status, verdict.retry_after(answer.headers, now))
