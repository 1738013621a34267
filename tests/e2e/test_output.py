"""What customers chose to be called steers nobody's terminal."""

import json

import pytest

from polyrelay.cli import output
from polyrelay.service.administration import names, refusals

HOSTILE = "a\x1b[2J\x9b\n\r\t\x7f\u202e\u2066\u2069b"
SHOWN = r"a\x1b[2J\x9b\n\r\t\x7f\u202e\u2066\u2069b"


def test_lines_and_tables_show_what_would_steer(capsys: pytest.CaptureFixture[str]) -> None:
    output.line(HOSTILE)
    output.table(("name",), [[HOSTILE], ["plain é 中"]])
    output.block("one\n\x1btwo")
    told = capsys.readouterr().out
    assert told.count(SHOWN) == 2
    assert "plain é 中" in told
    assert told.endswith("one\n\\x1btwo\n")
    assert not any(each in told for each in set(HOSTILE) - set("ab[2J\n"))


def test_errors_show_it_too_and_documents_mean_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    output.document({"name": HOSTILE})
    told = capsys.readouterr().out
    assert json.loads(told) == {"name": HOSTILE}
    assert not any(each in told for each in set(HOSTILE) - set("ab[2J\n"))


@pytest.mark.parametrize("name", ["\x1b", "a\nb", "\u202e", "\u2067"])
def test_no_such_name_is_given(name: str) -> None:
    with pytest.raises(refusals.Invalid):
        names.check({"name": name})
    names.check({"name": "plain é 中"})
    names.check({})
