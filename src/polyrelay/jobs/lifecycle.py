"""The life of a job, as a table. Each edge names its money move, and no path has more than one that ends the hold.

    from                 event     to          money
    -                    submit    submitting  hold    before any upstream hears of it, with the row in one transaction
    submitting           accept    accepted    none    an upstream took it on
    submitting           refuse    refused     void    none did; the client was told so
    submitting           strand    lost        void    its relay died: nobody knows whether an upstream has it
    accepted             begin     running     none    work has begun
    accepted, running    succeed   succeeded   post
    accepted, running    fail      failed      void    the upstream says so
    accepted, running    expire    expired     void    older than a job may become
    accepted, running    lose      lost        void    its upstream says for long that it knows no such job
    expired, lost        late      as it was   none    it succeeded after all: recorded, not charged, not delivered

What is not in the table cannot happen.
"""

from collections.abc import Iterator
from enum import Enum, StrEnum
from typing import NamedTuple


class State(StrEnum):
    """Values of `jobs.state`."""

    SUBMITTING = "submitting"
    ACCEPTED = "accepted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    LOST = "lost"
    REFUSED = "refused"
    """Never became a job: its client got the refusal, and is shown it nowhere else."""

    @property
    def over(self) -> bool:
        """Whether its hold has ended."""
        return self not in OPEN


class Event(Enum):
    """What happens to a job."""

    SUBMIT = "submit"
    ACCEPT = "accept"
    REFUSE = "refuse"
    STRAND = "strand"
    BEGIN = "begin"
    SUCCEED = "succeed"
    FAIL = "fail"
    EXPIRE = "expire"
    LOSE = "lose"
    LATE = "late"


class Move(Enum):
    """What an edge does to money."""

    HOLD = "hold"
    """Set the upper bound aside."""
    NONE = "none"
    POST = "post"
    """Charge what was used, give the rest of the hold back."""
    VOID = "void"
    """Give all of the hold back."""

    @property
    def ends(self) -> bool:
        """Whether the hold is gone after it."""
        return self in (Move.POST, Move.VOID)


class Edge(NamedTuple):
    """One row of the table; `start` is None before there is a job."""

    start: State | None
    event: Event
    to: State
    money: Move


OPEN = frozenset({State.SUBMITTING, State.ACCEPTED, State.RUNNING})
"""States in which a job has a hold."""

TABLE = (
    Edge(None, Event.SUBMIT, State.SUBMITTING, Move.HOLD),
    Edge(State.SUBMITTING, Event.ACCEPT, State.ACCEPTED, Move.NONE),
    Edge(State.SUBMITTING, Event.REFUSE, State.REFUSED, Move.VOID),
    Edge(State.SUBMITTING, Event.STRAND, State.LOST, Move.VOID),
    Edge(State.ACCEPTED, Event.BEGIN, State.RUNNING, Move.NONE),
    Edge(State.ACCEPTED, Event.SUCCEED, State.SUCCEEDED, Move.POST),
    Edge(State.ACCEPTED, Event.FAIL, State.FAILED, Move.VOID),
    Edge(State.ACCEPTED, Event.EXPIRE, State.EXPIRED, Move.VOID),
    Edge(State.ACCEPTED, Event.LOSE, State.LOST, Move.VOID),
    Edge(State.RUNNING, Event.SUCCEED, State.SUCCEEDED, Move.POST),
    Edge(State.RUNNING, Event.FAIL, State.FAILED, Move.VOID),
    Edge(State.RUNNING, Event.EXPIRE, State.EXPIRED, Move.VOID),
    Edge(State.RUNNING, Event.LOSE, State.LOST, Move.VOID),
    Edge(State.EXPIRED, Event.LATE, State.EXPIRED, Move.NONE),
    Edge(State.LOST, Event.LATE, State.LOST, Move.NONE),
)

_EDGES = {(edge.start, edge.event): edge for edge in TABLE}


class NoSuchEdge(ValueError):
    """This cannot happen to a job in that state: a defect, or somebody else was faster."""


def after(state: State | None, event: Event) -> Edge:
    """The edge that `event` takes from `state`. Raises `NoSuchEdge`."""
    try:
        return _EDGES[state, event]
    except KeyError as error:
        raise NoSuchEdge(f"{event.value} cannot happen to a job that is {state or 'not there'}") from error


def origins(event: Event) -> tuple[State, ...]:
    """The states in which `event` can happen to a job that is there."""
    return tuple(_starts(event))


def move(event: Event) -> Move:
    """What `event` does to money, the same from wherever it happens."""
    return next(edge.money for edge in TABLE if edge.event is event)


def _starts(event: Event) -> Iterator[State]:
    for edge in TABLE:
        if edge.event is event and edge.start is not None:
            yield edge.start
