import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyrelay.config.locate import KeyPath, Lines, show

TEXT = '''\
# a comment with [brackets] and "quotes
title = "not ] a # comment"
[server]                # 3
host = "127.0.0.1"
"quoted key".'other' = 5
multi = """
[fake]
x = 1 \\"""
"""
after = \'\'\'it''s\'\'\'\'

[[channels]]            # 12
name = "a"
credentials = [{ env = "A" },
  { name = "B", file = "f" }]
models = [
  "one",  # ] not the end
  # nothing here
  { name = "two", upstream = "x, y" },
]
[channels.timeouts]     # 21
connect = 1.5
when = 1979-05-27T07:32:00Z

[[channels]]            # 25
name = "b"
models = [["nested", "list"], []]
[channels.timeouts]
idle = 2
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("server",), 3),
        (("server", "host"), 4),
        (("server", "quoted key", "other"), 5),
        (("server", "multi"), 6),
        (("server", "after"), 10),
        (("channels",), 12),
        (("channels", 0), 12),
        (("channels", 0, "credentials", 0, "env"), 14),
        (("channels", 0, "credentials", 1), 15),
        (("channels", 0, "credentials", 1, "file"), 15),
        (("channels", 0, "models", 0), 17),
        (("channels", 0, "models", 1, "upstream"), 19),
        (("channels", 0, "timeouts"), 21),
        (("channels", 0, "timeouts", "connect"), 22),
        (("channels", 0, "timeouts", "when"), 23),
        (("channels", 1), 25),
        (("channels", 1, "models", 0, 1), 27),
        (("channels", 1, "models", 1), 27),
        (("channels", 1, "timeouts", "idle"), 29),
        (("channels", 1, "absent"), 25),
        (("absent",), None),
    ],
)
def test_lines(path: KeyPath, line: int | None) -> None:
    tomllib.loads(TEXT)
    assert Lines(TEXT).find(path) == line
    assert Lines(TEXT.replace("\n", "\r\n")).find(path) == line


def paths_of(value: Any, path: KeyPath = ()) -> list[KeyPath]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [inner for key, member in members for inner in paths_of(member, (*path, key))]


def test_every_path_of_a_document_is_known() -> None:
    lines = Lines(TEXT)
    assert paths_of(tomllib.loads(TEXT))
    assert all(path in lines._lines for path in paths_of(tomllib.loads(TEXT)))


STRINGS = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=8)
SCALARS = st.one_of(
    st.integers(-99, 99).map(str),
    st.just("true"),
    st.just("1e3"),
    STRINGS.map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'),
    STRINGS.map(lambda text: "'" + text.replace("'", "") + "'"),
    STRINGS.map(lambda text: '"""\n' + text.replace("\\", "").replace('"', "") + '\n"quoted" """'),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[\n" + ",\n # ]\n".join(items) + " ]"),
        st.lists(SCALARS.filter(lambda text: "\n" not in text), max_size=3).map(
            lambda items: "{" + ", ".join(f"k{position} = {item}" for position, item in enumerate(items)) + "}"
        ),
    ),
    max_leaves=8,
)


@given(st.lists(VALUES, max_size=5))
def test_any_document_is_found_through(values: list[str]) -> None:
    text = "".join(f"# {position}\nkey{position} = {value}\n" for position, value in enumerate(values))
    lines, document = Lines(text), tomllib.loads(text)
    assert all(path in lines._lines for path in paths_of(document))
    for position in range(len(values)):
        found = lines.find((f"key{position}",))
        assert found is not None
        assert text.split("\n")[found - 1].startswith(f"key{position} = ")


def test_paths_are_shown_as_written() -> None:
    assert show(("channels", 0, "models", 1, "name")) == "channels[0].models[1].name"
    assert show(("server", "odd key", 'q"')) == 'server."odd key"."q\\""'
