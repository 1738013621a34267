from hypothesis import given
from hypothesis import strategies as st

from polyrelay.sandbox.webui.line import Line

ORDERS = st.lists(
    st.tuples(
        st.floats(min_value=0, max_value=5),
        st.floats(min_value=0.001, max_value=1),
        st.integers(min_value=1, max_value=4),
        st.integers(min_value=1, max_value=50),
    ),
    max_size=20,
)


@given(orders=ORDERS)
def test_jobs_never_overlap_and_keep_their_order(orders: list[tuple[float, float, int, int]]) -> None:
    line, now, end = Line(), 0.0, 0.0
    for later, seconds, batches, steps in orders:
        now += later
        job = line.enter("job", now, seconds, batches, steps)
        assert job.start == max(now, end)
        assert abs(job.end - job.start - seconds * batches * steps) < 1e-6
        end = job.end
    assert line.total == len(orders)


@given(at=st.floats(min_value=0, max_value=12))
def test_progress(at: float) -> None:
    line = Line()
    line.enter("first", 0.0, 0.1, 2, 25)
    line.enter("second", 0.0, 0.1, 1, 50)
    seen = line.progress(at)
    state = seen["state"]
    assert 0 <= seen["progress"] <= 1
    if at >= 10:
        assert (seen["progress"], seen["eta_relative"], state["job"], line.waiting(at)) == (0, 0, "", 0)
        return
    assert state["job"] == ("first" if at < 5 else "second")
    assert line.waiting(at) == (2 if at < 5 else 1)
    assert 0 <= state["job_no"] < state["job_count"]
    assert 0 <= state["sampling_step"] < state["sampling_steps"]
    assert abs(seen["eta_relative"] - ((5 if at < 5 else 10) - at)) < 1e-3
