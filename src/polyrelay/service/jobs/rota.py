"""Who is to be asked about next, and together with whom. Pure: it is told the time, and what came of a question.

Jobs of one credential and kind make a lane, and are asked about in batches as large as their dialect takes. What is
wrong with an upstream rests its lane; what is wrong with one job makes it be asked about alone, and ever more seldom.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from polyrelay.jobs.job import Job, Kind
from polyrelay.kernel.ids import ExchangeId

MOST_IN_FLIGHT = 64
"""Questions to one lane that are not answered yet; more wait, since the upstream is slow already. A thousand jobs that
must be asked about singly keep a pace of five seconds if an answer takes a third of one."""

LONGEST_REST_SECONDS = 300.0
"""However often a question failed, the next one follows after this."""

PATIENT = 3
"""Failures in a row after which a job that is too old is given up without having been heard of."""

COMPANY = 0.5
"""Part of the pace by which a job is asked about early when another of its lane is due: in fewer, fuller batches."""


class LaneKey(NamedTuple):
    """Names of the configuration, and what is made."""

    channel: str
    provider: str
    credential: str
    kind: Kind


class Watched:
    """A job that is watched. `due` is monotonic seconds, `slow` the least between two questions about it in seconds;
    `unknown_since` Unix seconds, None while it is known.
    """

    __slots__ = ("alone", "asked", "due", "failures", "job", "slow", "unknown_since")

    def __init__(self, job: Job, due: float, slow: float) -> None:
        self.job = job
        self.due = due
        self.slow = slow
        self.asked = False
        self.alone = False
        self.failures = 0
        self.unknown_since: float | None = None


class Lane:
    """Jobs of one credential and kind. `rests_until` is monotonic seconds, `failures` how often in a row it failed.

    `ready` are those to be asked about together, soonest first, and `singles` those to be asked about alone.
    """

    __slots__ = ("failures", "in_flight", "key", "ready", "rests_until", "singles", "watched")

    def __init__(self, key: LaneKey) -> None:
        self.key = key
        self.watched: dict[ExchangeId, Watched] = {}
        self.ready: deque[Watched] = deque()
        self.singles: deque[Watched] = deque()
        self.in_flight = 0
        self.failures = 0
        self.rests_until = 0.0

    @property
    def room(self) -> int:
        """How many more questions may be asked now: one at a time while it fails."""
        return (1 if self.failures else MOST_IN_FLIGHT) - self.in_flight


class Batch(NamedTuple):
    """Jobs to be asked about in one question."""

    lane: Lane
    watched: Sequence[Watched]

    @property
    def alone(self) -> bool:
        """Whether what is wrong with the answer is wrong with this one job."""
        return len(self.watched) == 1


class Rota:
    """Every job a worker watches. `chance` gives numbers from -1 to 1."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._lanes: dict[LaneKey, Lane] = {}
        self._of: dict[ExchangeId, Lane] = {}

    def __len__(self) -> int:
        return len(self._of)

    def __contains__(self, job: object) -> bool:
        """Whether a job is watched, by its id."""
        return job in self._of

    def __iter__(self) -> Iterator[ExchangeId]:
        """Ids of the jobs that are watched now."""
        return iter(list(self._of))

    def lanes(self) -> list[Lane]:
        """Those with jobs."""
        return list(self._lanes.values())

    def watch(self, job: Job, now: float, delay: float, *, slow: float = 0.0) -> None:
        """Ask about `job` within `delay` seconds from `now`. One that is watched, or has no place, is left as it is."""
        if job.id in self._of or job.place is None:
            return
        key = LaneKey(job.place.channel, job.place.provider, job.place.credential, job.kind)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key)
        lane.watched[job.id] = Watched(job, now + delay * (1 + self._chance()) / 2, slow)
        self._of[job.id] = lane

    def holds(self, watched: Watched) -> bool:
        """Whether it is watched still, and by the same entry."""
        lane = self._of.get(watched.job.id)
        return lane is not None and lane.watched[watched.job.id] is watched

    def drop(self, job: ExchangeId) -> None:
        """Ask about it no more. What is under way is answered to nobody."""
        lane = self._of.pop(job, None)
        if lane is None:
            return
        del lane.watched[job]
        if not lane.watched and not lane.in_flight:
            self._lanes.pop(lane.key, None)

    def prepare(self, lane: Lane, now: float, pace: float) -> None:
        """Look who of `lane` is to be asked about now."""
        lane.ready.clear()
        lane.singles.clear()
        if now < lane.rests_until:
            return
        soon = now + COMPANY * pace
        waiting = sorted([each for each in lane.watched.values() if each.due <= soon and not each.asked], key=_due)
        lane.ready.extend(each for each in waiting if not each.alone)
        lane.singles.extend(each for each in waiting if each.alone and each.due <= now)

    def batches(self, lane: Lane, now: float, most: int) -> Iterator[Batch]:
        """What to ask of a prepared `lane`, as far as there is room: at most `most` jobs in one question, the first of
        them due. They count as asked until told otherwise.
        """
        while lane.room > 0 and lane.ready and lane.ready[0].due <= now:
            if group := self._next(lane.ready, most):
                yield self._asked(lane, group)
        while lane.room > 0 and lane.singles:
            if group := self._next(lane.singles, 1):
                yield self._asked(lane, group)

    def answered(self, batch: Batch, now: float, pace: float, jitter: float) -> None:
        """There was an answer: the next question follows at the pace."""
        self._back(batch)
        batch.lane.failures = 0
        for each in batch.watched:
            each.failures = 0
            each.due = now + max(pace, each.slow) * (1 + jitter * self._chance())

    def senseless(self, batch: Batch, now: float, pace: float) -> None:
        """The answer makes no sense: of several jobs any may be to blame, so each is asked about alone from now on."""
        self._back(batch)
        batch.lane.failures = 0
        for each in batch.watched:
            if batch.alone:
                each.failures += 1
            each.alone = True
            each.due = now + _rest(pace, each.failures)

    def failed(self, batch: Batch, now: float, pace: float, retry_after: float | None) -> None:
        """The upstream failed: the lane rests, the longer the more often, and at least as long as it asked for."""
        self._back(batch)
        lane = batch.lane
        lane.failures += 1
        lane.ready.clear()
        lane.singles.clear()
        rest = _rest(pace, lane.failures) * (1 + abs(self._chance()) / 4)
        lane.rests_until = now + max(rest, min(retry_after or 0.0, LONGEST_REST_SECONDS))

    def _next(self, waiting: deque[Watched], most: int) -> list[Watched]:
        """Up to `most` of them that are still to be asked about."""
        group: list[Watched] = []
        while waiting and len(group) < most:
            each = waiting.popleft()
            if self.holds(each) and not each.asked:
                group.append(each)
        return group

    @staticmethod
    def _asked(lane: Lane, group: Sequence[Watched]) -> Batch:
        lane.in_flight += 1
        for each in group:
            each.asked = True
        return Batch(lane, group)

    def _back(self, batch: Batch) -> None:
        batch.lane.in_flight -= 1
        for each in batch.watched:
            each.asked = False
        if not batch.lane.watched and not batch.lane.in_flight:
            self._lanes.pop(batch.lane.key, None)


def hopeless(lane: Lane, watched: Watched) -> bool:
    """Whether nothing has been heard of a job for so long that its age alone decides."""
    return lane.failures >= PATIENT or watched.failures >= PATIENT


def _rest(pace: float, failures: int) -> float:
    return min(pace * 2.0 ** min(failures, 10), LONGEST_REST_SECONDS)


def _due(watched: Watched) -> float:
    return watched.due
