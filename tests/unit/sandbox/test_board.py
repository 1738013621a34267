import pytest

from polyrelay.sandbox import script
from polyrelay.sandbox.board import Board
from polyrelay.sandbox.values import ScriptError


def test_scripts_are_used_up_in_order() -> None:
    board = Board()
    board.put("m", "status=500", 2)
    board.put("m", {"status": 429}, 1)
    assert [board.take("m").status for _ in range(4)] == [500, 500, 429, 200]
    assert not board


def test_a_lasting_script_stays_until_it_is_cleared() -> None:
    board = Board()
    board.put("m", "status=500")
    assert [board.take("m").status for _ in range(3)] == [500] * 3
    board.clear("m")
    assert board.take("m").status == 200


def test_the_whole_name_goes_before_the_base_name_and_both_before_any() -> None:
    board = Board()
    board.put("*", "tokens=1")
    board.put("sandbox", "tokens=2")
    board.put("sandbox:pace=1s", "tokens=3")
    assert board.take("sandbox:pace=1s").tokens == 3
    assert board.take("sandbox:pace=1s").pace == 1
    assert board.take("sandbox:first=1s").tokens == 2
    assert board.take("other").tokens == 1


def test_connections_have_their_own() -> None:
    board = Board()
    board.put("*", "door=close")
    assert board.take_connection().door == "no"
    board.put(script.CONNECTIONS, "door=reset", 1)
    assert [board.take_connection().door for _ in range(2)] == ["reset", "no"]


def test_pending_is_what_is_left() -> None:
    board = Board()
    board.put("m", "status=500", 2)
    board.take("m")
    assert board.pending() == {"m": [{"script": {"status": 500}, "times": 1}]}


def test_a_wrong_script_is_refused_when_it_is_put() -> None:
    with pytest.raises(ScriptError):
        Board().put("m", "nonsense=1")
