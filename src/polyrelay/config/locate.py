"""On which line of a TOML text each key and array element is. `tomllib` parses, but forgets where things were.

The scanner reads only texts that `tomllib` has accepted, so it need not judge them, only find its way.
"""

import re
import tomllib

KeyPath = tuple[str | int, ...]
"""Table keys and array positions from the top, such as `("channels", 0, "models", 1)`."""

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""{1,3}(?!")|\'\'\'.*?\'\'\'\'{0,2}(?!\')|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL
)
_SCALAR = re.compile(r"[^,\]}#\n]+")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+\Z")


class Lines:
    """Line numbers (from 1) by path."""

    def __init__(self, text: str) -> None:
        """`text` must be valid TOML."""
        self._lines: dict[KeyPath, int] = _Scanner(text.replace("\r\n", "\n")).scan()

    def find(self, path: KeyPath) -> int | None:
        """The line of `path`, or of the nearest table around it that the text mentions."""
        for length in range(len(path), 0, -1):
            line = self._lines.get(path[:length])
            if line is not None:
                return line
        return None


def show(path: KeyPath) -> str:
    """A path as people write it: `channels[0].models[1].name`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if _PLAIN_KEY.match(part) else '"' + part.replace('"', '\\"') + '"'
            text += f".{name}" if text else name
    return text


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._counted_to = 0
        self._line = 1
        self._lines: dict[KeyPath, int] = {}
        self._lengths: dict[KeyPath, int] = {}

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self._skip_blank()
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip_blank()
        return self._lines

    def _header(self) -> KeyPath:
        line = self._current_line()
        is_array = self._text.startswith("[[", self._at)
        self._at += 2 if is_array else 1
        keys = self._keys()
        self._at += 2 if is_array else 1
        path: KeyPath = ()
        for key in keys[:-1]:
            path = self._latest((*path, key))
        path = (*path, keys[-1])
        if is_array:
            self._lines.setdefault(path, line)
            self._lengths[path] = self._lengths.get(path, 0) + 1
            path = self._latest(path)
        self._mark(path, line)
        return path

    def _latest(self, path: KeyPath) -> KeyPath:
        """Headers reach into the last element of an array of tables."""
        length = self._lengths.get(path)
        return path if length is None else (*path, length - 1)

    def _pair(self, table: KeyPath) -> None:
        line = self._current_line()
        path = (*table, *self._keys())
        self._at += 1  # the equals sign
        self._mark(path, line)
        self._skip_blank()
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        opening = self._text[self._at]
        if opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        else:
            found = _STRING.match(self._text, self._at) or _SCALAR.match(self._text, self._at)
            self._at = found.end() if found else self._at + 1

    def _array(self, path: KeyPath) -> None:
        position = 0
        self._enter()
        while self._text[self._at] != "]":
            element = (*path, position)
            self._mark(element, self._current_line())
            self._value(element)
            self._skip_separator()
            position += 1
        self._at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._enter()
        while self._text[self._at] != "}":
            self._pair(path)
            self._skip_separator()
        self._at += 1

    def _enter(self) -> None:
        self._at += 1
        self._skip_blank()

    def _skip_separator(self) -> None:
        self._skip_blank()
        if self._text[self._at] == ",":
            self._enter()

    def _keys(self) -> list[str]:
        """A dotted key; leaves the position at what follows it (`=` or `]`)."""
        keys = [self._key()]
        while self._text[self._at] == ".":
            self._at += 1
            keys.append(self._key())
        return keys

    def _key(self) -> str:
        self._skip_blank()
        found = _STRING.match(self._text, self._at) or _BARE_KEY.match(self._text, self._at)
        raw = found.group() if found else self._text[self._at]
        self._at += len(raw)
        self._skip_blank()
        return str(tomllib.loads(f"key = {raw}")["key"]) if raw[0] in "\"'" else raw

    def _mark(self, path: KeyPath, line: int) -> None:
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], line)

    def _skip_blank(self) -> None:
        found = _BLANK.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _current_line(self) -> int:
        self._line += self._text.count("\n", self._counted_to, self._at)
        self._counted_to = self._at
        return self._line
