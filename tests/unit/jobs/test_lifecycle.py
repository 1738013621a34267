"""Every state and every event: what follows, what it does to money, and what cannot happen."""

import itertools

import pytest

from polyrelay.jobs import lifecycle
from polyrelay.jobs.lifecycle import OPEN, TABLE, Event, Move, NoSuchEdge, State

STATES = (None, *State)
EXPECTED = {
    (None, Event.SUBMIT): (State.SUBMITTING, Move.HOLD),
    (State.SUBMITTING, Event.ACCEPT): (State.ACCEPTED, Move.NONE),
    (State.SUBMITTING, Event.REFUSE): (State.REFUSED, Move.VOID),
    (State.SUBMITTING, Event.STRAND): (State.LOST, Move.VOID),
    (State.ACCEPTED, Event.BEGIN): (State.RUNNING, Move.NONE),
    (State.ACCEPTED, Event.SUCCEED): (State.SUCCEEDED, Move.POST),
    (State.ACCEPTED, Event.FAIL): (State.FAILED, Move.VOID),
    (State.ACCEPTED, Event.EXPIRE): (State.EXPIRED, Move.VOID),
    (State.ACCEPTED, Event.LOSE): (State.LOST, Move.VOID),
    (State.RUNNING, Event.SUCCEED): (State.SUCCEEDED, Move.POST),
    (State.RUNNING, Event.FAIL): (State.FAILED, Move.VOID),
    (State.RUNNING, Event.EXPIRE): (State.EXPIRED, Move.VOID),
    (State.RUNNING, Event.LOSE): (State.LOST, Move.VOID),
    (State.EXPIRED, Event.LATE): (State.EXPIRED, Move.NONE),
    (State.LOST, Event.LATE): (State.LOST, Move.NONE),
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(STATES, Event)))
def test_every_state_meets_every_event(state: State | None, event: Event) -> None:
    if (state, event) not in EXPECTED:
        with pytest.raises(NoSuchEdge, match=event.value):
            lifecycle.after(state, event)
        return
    edge = lifecycle.after(state, event)
    assert (edge.to, edge.money) == EXPECTED[state, event]


def test_the_docstring_reads_as_the_table_is() -> None:
    told = set[tuple[str, str, str, str]]()
    for line in (lifecycle.__doc__ or "").splitlines()[3:]:
        words = line.replace(",", " ").split()
        at = next((n for n, word in enumerate(words) if word in {event.value for event in Event}), None)
        if not line.startswith("    ") or at is None:
            continue
        for start in words[:at]:
            to = start if words[at + 1] == "as" else words[at + 1]
            money = words[at + 2] if words[at + 1] != "as" else words[at + 4]
            told.add((start, words[at], to, money))
    assert told == {(edge.start or "-", edge.event.value, edge.to.value, edge.money.value) for edge in TABLE}


def test_open_states_are_those_whose_hold_can_still_end() -> None:
    ending = {edge.start for edge in TABLE if edge.money.ends}
    assert ending == set(OPEN)
    assert {state for state in State if not state.over} == set(OPEN)


@pytest.mark.parametrize("event", Event)
def test_an_event_moves_money_the_same_way_from_wherever_it_happens(event: Event) -> None:
    assert {edge.money for edge in TABLE if edge.event is event} == {lifecycle.move(event)}
    assert lifecycle.origins(event) == tuple(edge.start for edge in TABLE if edge.event is event and edge.start)


@pytest.mark.parametrize("state", sorted(OPEN))
def test_every_open_job_can_come_to_an_end(state: State) -> None:
    assert any(edge.start is state and edge.money.ends for edge in TABLE)
