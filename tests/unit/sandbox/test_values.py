import pytest

from polyrelay.sandbox import values
from polyrelay.sandbox.lives import Life
from polyrelay.sandbox.values import ScriptError


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2.0", Life(2.0)),
        (2, Life(2.0)),
        ("2s", Life(2.0)),
        ("300ms", Life(0.3)),
        ("error", Life(fate="error")),
        ("stuck", Life(fate="stuck")),
        ("half", Life(fate="half")),
        ("0.5+error", Life(0.5, "error")),
        ("error+50ms", Life(0.05, "error")),
        ("0", Life(0.0)),
    ],
)
def test_lives(written: object, read: Life) -> None:
    assert values.life(written) == read


@pytest.mark.parametrize("written", ["", "soon", "-1", "1+", "2.0,error", "error+later", "1e3", True])
def test_what_is_no_life(written: object) -> None:
    with pytest.raises(ScriptError, match="joined by"):
        values.life(written)


def test_lengths() -> None:
    assert [values.length(written) for written in ("2", "2.5", "2.5s", 3, 0.25, "3600")] == [2, 2.5, 2.5, 3, 0.25, 3600]
    for written in ("3601", "-1", "2m", "", "1e2", None):
        with pytest.raises(ScriptError, match="number of seconds"):
            values.length(written)
