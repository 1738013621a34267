from hypothesis import given
from hypothesis import strategies as st

from polyrelay.sandbox.lives import Life, Stage

ORDER = [Stage.SUBMITTED, Stage.QUEUED, Stage.RUNNING, Stage.DONE]
AGES = st.floats(min_value=-10, max_value=1000)


@given(seconds=st.floats(min_value=0, max_value=100), ages=st.lists(AGES, min_size=2, max_size=20))
def test_a_life_only_goes_forward(seconds: float, ages: list[float]) -> None:
    life = Life(seconds)
    stages = [ORDER.index(life.stage(age)) for age in sorted(ages)]
    parts = [life.part(age) for age in sorted(ages)]
    assert stages == sorted(stages)
    assert parts == sorted(parts)
    assert all(0 <= part <= 1 for part in parts)


def test_every_stage_is_passed() -> None:
    life = Life(1.0)
    assert [life.stage(age) for age in (0, 0.1, 0.39, 0.4, 0.99, 1.0)] == [
        Stage.SUBMITTED,
        Stage.QUEUED,
        Stage.QUEUED,
        Stage.RUNNING,
        Stage.RUNNING,
        Stage.DONE,
    ]
    assert life.running_after == 0.4


def test_fates() -> None:
    assert Life(1, "error").stage(1) is Stage.FAILED
    assert Life(1, "error").stage(0.99) is Stage.RUNNING
    assert [Life(1, "half").stage(1, second=second) for second in (False, True)] == [Stage.DONE, Stage.FAILED]
    assert Life(1, "stuck").stage(1e9) is Stage.QUEUED
    assert Life(1, "stuck").running_after is None


def test_a_life_of_no_length_is_over_at_once() -> None:
    assert Life(0).stage(0) is Stage.DONE
