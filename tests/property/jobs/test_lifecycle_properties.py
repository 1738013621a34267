"""Along any path: one hold, one end of it, and nothing after that moves money."""

from hypothesis import given
from hypothesis import strategies as st

from polyrelay.jobs import lifecycle
from polyrelay.jobs.lifecycle import Event, Move, NoSuchEdge, State


@given(st.lists(st.sampled_from(Event), max_size=40))
def test_no_path_moves_money_twice(events: list[Event]) -> None:
    state: State | None = None
    moves: list[Move] = []
    for event in events:
        try:
            edge = lifecycle.after(state, event)
        except NoSuchEdge:
            continue
        state = edge.to
        if edge.money is not Move.NONE:
            moves.append(edge.money)
        ended = bool(moves) and moves[-1].ends
        assert ended == (state is not None and state.over)
    assert moves[:1] in ([], [Move.HOLD])
    assert len(moves) <= 2
    assert moves.count(Move.HOLD) <= 1
    if len(moves) == 2:
        assert (moves[1] is Move.POST) == (state is State.SUCCEEDED)


@given(st.lists(st.sampled_from(Event), max_size=20))
def test_what_is_over_stays_as_it_ended(events: list[Event]) -> None:
    for ended in (State.SUCCEEDED, State.FAILED, State.EXPIRED, State.LOST, State.REFUSED):
        state = ended
        for event in events:
            try:
                state = lifecycle.after(state, event).to
            except NoSuchEdge:
                continue
        assert state is ended
