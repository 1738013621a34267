"""The one queue of the WebUI: each job waits for those before it, whether or not its client is still there."""

from collections import deque
from dataclasses import dataclass
from typing import Any

_GRAIN = 1e-6
"""What seconds since the epoch are no finer than, as floats."""
_PART = 1e-3
"""Of a step: one that is over but for this is over."""


@dataclass(frozen=True, slots=True)
class Job:
    """`batches` times `steps` steps between two instants, seconds since the epoch."""

    name: str
    start: float
    end: float
    batches: int
    steps: int


class Line:
    """What is under way and what waits, as instants: nothing runs."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self.total = 0

    def enter(self, name: str, now: float, seconds_a_step: float, batches: int, steps: int) -> Job:
        """Put a job behind those that are there."""
        self._leave(now)
        start = max(now, self._jobs[-1].end) if self._jobs else now
        job = Job(name, start, start + seconds_a_step * batches * steps, batches, steps)
        self._jobs.append(job)
        self.total += 1
        return job

    def waiting(self, now: float) -> int:
        """Jobs that are under way or wait."""
        self._leave(now)
        return len(self._jobs)

    def progress(self, now: float) -> dict[str, Any]:
        """The answer of `progress` (WIRE 3.2)."""
        self._leave(now)
        job = self._jobs[0] if self._jobs else None
        done = 0.0 if job is None else (now - job.start) / max(_GRAIN, job.end - job.start)
        steps = 0 if job is None else min(job.batches * job.steps - 1, int(done * job.batches * job.steps + _PART))
        return {
            "progress": round(done, 4),
            "eta_relative": 0.0 if job is None else round(job.end - now, 4),
            "state": {
                "skipped": False,
                "interrupted": False,
                "stopping_generation": False,
                "job": "" if job is None else job.name,
                "job_count": 0 if job is None else job.batches,
                "job_timestamp": "0" if job is None else str(int(job.start)),
                "job_no": 0 if job is None else steps // job.steps,
                "sampling_step": 0 if job is None else steps % job.steps,
                "sampling_steps": 0 if job is None else job.steps,
            },
            "current_image": None,
            "textinfo": None,
        }

    def _leave(self, now: float) -> None:
        while self._jobs and self._jobs[0].end <= now:
            self._jobs.popleft()
