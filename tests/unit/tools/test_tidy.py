"""Each rule of tools/tidy.py, on the smallest text that breaks it and the nearest that does not."""

import ast
from pathlib import Path

import pytest
import tidy


def findings(text: str, path: str = "src/polyrelay/wire/sse.py") -> list[str]:
    return [f"{finding.line}: {finding.words}" for finding in tidy.check(tidy.Source(path, text))]


def depth(body: str) -> int:
    function = ast.parse("def f():\n" + "\n".join("    " + line for line in body.splitlines())).body[0]
    assert isinstance(function, ast.FunctionDef)
    return tidy.nesting(function)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("pass", 0),
        ("if a:\n    pass", 1),
        ("if a:\n    pass\nelif b:\n    pass\nelif c:\n    pass\nelse:\n    pass", 1),
        ("if a:\n    pass\nelse:\n    if b:\n        pass", 2),
        ("if a:\n    pass\nelif b:\n    for x in y:\n        pass", 2),
        ("match a:\n    case 1:\n        pass\n    case _:\n        while b:\n            pass", 2),
        ("try:\n    pass\nexcept ValueError:\n    with a:\n        pass\nfinally:\n    pass", 2),
        ("for a in b:\n    def g():\n        if c:\n            pass", 1),
        ("return [a for a in b if a for c in d]", 0),
    ],
)
def test_nesting_counts_blocks_as_a_reader_does(body: str, expected: int) -> None:
    assert depth(body) == expected


def test_a_function_may_nest_three_deep_and_not_four() -> None:
    three = "def f():\n for a in b:\n  if a:\n   with a:\n    g()\n"
    assert findings(three) == []
    four = three.replace("    g()", "    while a:\n     g()")
    assert findings(four) == ["1: f nests 4 deep; at most 3"]


def test_the_longest_function() -> None:
    text = "def f():\n" + "    g()\n" * 59
    assert findings(text) == []
    assert findings(text + "    g()\n") == ["1: f has 61 lines; a function has at most 60"]


def test_the_longest_file() -> None:
    text = "x = 1\n" * 500
    assert findings(text) == []
    assert findings(text + "x = 1\n") == ["501: 501 lines; a file has at most 500"]
    assert findings(text + "x = 1\n", "src/polyrelay/storage/migrations/0001.py") == []


@pytest.mark.parametrize(
    ("clause", "words"),
    [
        ("except ValueError:", None),
        ("except:", "bare except"),
        ("except Exception:", "broad except without its reason in a comment on the line"),
        ("except (OSError, BaseException):", "broad except without its reason in a comment on the line"),
        ("except Exception:  # noqa: BLE001", "broad except without its reason in a comment on the line"),
        ("except Exception:  # noqa: BLE001  # a vendor's callback may raise anything", None),
        ("except Exception:  # the border: a callback of the loop", None),
    ],
)
def test_broad_excepts_give_their_reason(clause: str, words: str | None) -> None:
    text = f"try:\n    f()\n{clause}\n    g()\n"
    assert findings(text) == ([f"3: {words}"] if words else [])


def test_a_broad_except_may_clean_up_and_raise_again() -> None:
    assert findings("try:\n    f()\nexcept BaseException:\n    g()\n    raise\n") == []


def test_no_except_is_silent() -> None:
    text = "try:\n    f()\nexcept OSError:\n    pass\n"
    assert findings(text) == ["3: except: pass hides a fault; contextlib.suppress says which"]


def test_functions_import_only_where_the_reason_is_known() -> None:
    text = "def f():\n    import json\n    return json\n"
    assert findings(text) == ["2: import within a function"]
    assert findings(text, "src/polyrelay/http/admin/control.py") == []
    assert findings(text, "src/polyrelay/http/admin/control.py.py") == ["2: import within a function"]


@pytest.mark.parametrize(
    "text", ["from unittest import mock", "import unittest.mock", "from unittest.mock import Mock"]
)
def test_pure_code_is_not_mocked(text: str) -> None:
    assert findings(text, "tests/unit/wire/test_sse.py") == ["1: a mock library in pure code"]
    assert findings(text, "tests/unit/cli/test_demo.py") == []


@pytest.mark.parametrize("path", ["src/polyrelay/utils.py", "src/polyrelay/common/ids.py", "tests/unit/helpers.py"])
def test_modules_are_named_after_what_they_hold(path: str) -> None:
    assert len(findings("", path)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "# TO" + "DO later",
        "py" + "pi.org/simple",
        "files.python" + "hosted.org",
        "see /ro" + "ot/.cache",
        "cd /wo" + "rk/main",
    ],
)
def test_words_that_no_file_may_hold(text: str) -> None:
    assert len(findings(text, "docs/page.md")) == 1


@pytest.mark.parametrize("text", ["POST /v1/work/items", "$root/lib", "the PyPI package", "https://example.com/home/"])
def test_words_that_look_alike_and_are_fine(text: str) -> None:
    assert findings(text, "docs/page.md") == []


def test_percentiles_are_nearest_rank() -> None:
    assert [tidy.percentile(range(1, 11), percent) for percent in (50, 90, 100)] == [5, 9, 10]
    assert tidy.percentile([], 90) == 0


def test_binary_files_and_caches_are_passed_over(tmp_path: Path) -> None:
    for name in ("a.py", "b.bin", ".venv/c.py", "__pycache__/d.pyc", "node_modules/e.py", ".ci/run"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\xff\xfe" if name == "b.bin" else b"")
    sources = tidy.read(tidy.repository_files(tmp_path), tmp_path)
    assert [source.path for source in sources] == ["a.py", ".ci/run"]
