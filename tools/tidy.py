"""Style, tested: sizes, nesting, borders and words, with a table of how far the code is from its limits.

Without arguments it reads the whole repository; with arguments, those files. Each finding is `file:line: words`,
and one is enough for exit code 1. The table is over `src/`; its aims are reported, the limits hold everywhere.
"""

import ast
import io
import os
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

FILE_LINES, FILE_LINES_P90 = 500, 350
FUNCTION_LINES, FUNCTION_LINES_P90 = 60, 30
NESTING = 3

LAZY_IMPORTS = {
    "src/polyrelay/http/admin/control.py": "the control plane loads on first use, so that relaying starts small",
    "src/polyrelay/sandbox/images/picture.py": "Pillow loads when the first picture is drawn or read",
    "src/polyrelay/sandbox/audio/encoding.py": "an optional extra",
    "src/polyrelay/storage/sql/database.py": "a process loads its own driver, and SQLAlchemy only to upgrade",
    "src/polyrelay/storage/delivery/bucket.py": "an optional extra",
    "src/polyrelay/storage/access/source.py": "a process loads its own database's driver alone",
    "src/polyrelay/storage/administration/opening.py": "operators' SQL and the cipher of credentials load on first use",
}
"""Where a function may import, and why. A key that ends in `/` is a folder."""

UNMOCKED = (
    *(f"tests/unit/{layer}/" for layer in ("providers", "routing", "access", "wire", "exchange", "settings", "kernel")),
    "tests/property/",
    "src/",
)
"""Pure code is tested with real values, so a mock library there is a design error."""
MOCKS = ("unittest.mock", "mock", "pytest_mock")

VAGUE_NAMES = frozenset({"utils", "util", "common", "helpers", "helper", "misc"})
UNSIZED = re.compile(r"/(migrations|data)/")

# Brackets keep these patterns from matching themselves.
UNFINISHED = re.compile(r"\b(TO[D]O|FIX[M]E|XX[X])\b")
REGISTRY_HOST = re.compile(
    r"py[p]i[.]org|python[h]osted[.]org|npm[j]s[.](org|com)|yarn[p]kg[.]com|crates[.][i]o\b|proxy[.]go[l]ang[.]org"
    r"|maven[.](apache[.])?[o]rg|(deb|security|snapshot)[.]deb[i]an[.]org|\w[.]pkg[.][d]ev"
)
MACHINE_PATH = re.compile(r"(?<![\w./$}*-])/(work|root|home)/")
SUPPRESSION = re.compile(r"noqa(:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*)?|pragma: no cover|type: ignore(\[[\w, -]+\])?")

SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "polyrelay-data", "polyrelay-demo", "build", "dist"})
SHOWN_DOT_NAMES = frozenset({".ci", ".gitignore", ".importlinter"})

Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTION_TYPES = (ast.FunctionDef, ast.AsyncFunctionDef)
BLOCKS = (
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.If,
    ast.With,
    ast.AsyncWith,
    ast.Try,
    ast.TryStar,
    ast.Match,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule at a line (from 1) of a file."""

    path: str
    line: int
    words: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.words}"


@dataclass(frozen=True)
class Source:
    """One file: `path` relative to the repository with forward slashes, and its text."""

    path: str
    text: str

    @cached_property
    def lines(self) -> list[str]:
        """The text's lines, without their ends."""
        return self.text.splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree of a Python file. Raises SyntaxError."""
        return ast.parse(self.text, self.path)

    @cached_property
    def functions(self) -> list[Function]:
        """Every function and method, nested ones too."""
        return [node for node in ast.walk(self.tree) if isinstance(node, FUNCTION_TYPES)]

    @cached_property
    def comments(self) -> dict[int, str]:
        """Comment by line number."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


# ── measures ─────────────────────────────────────────────────────────────────────────────────────────────────────


def function_lines(function: Function) -> int:
    """Lines from `def` to the end, docstring included, decorators not."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def nesting(function: Function) -> int:
    """Deepest stack of for, while, if, with, try and match within a function.

    An elif chain counts once, and so does a match with all its cases. A nested function is measured on its own.
    """
    return max((_depth(child, 0) for child in function.body), default=0)


def _depth(node: ast.AST, outside: int) -> int:
    if isinstance(node, (*FUNCTION_TYPES, ast.ClassDef, ast.expr)):
        return outside
    inside = outside + isinstance(node, BLOCKS)
    chained = _elif(node)
    deepest = inside
    for child in ast.iter_child_nodes(node):
        deepest = max(deepest, _depth(child, outside if child is chained else inside))
    return deepest


def _elif(node: ast.AST) -> ast.If | None:
    """The `elif` of an if: the sole statement of its else branch, and in the same column."""
    match node:
        case ast.If(orelse=[ast.If() as chained]) if chained.col_offset == node.col_offset:
            return chained
    return None


# ── rules about Python ───────────────────────────────────────────────────────────────────────────────────────────


def sizes(source: Source) -> Iterator[Finding]:
    """Files and functions have a maximum; data and migrations do not."""
    if UNSIZED.search(source.path):
        return
    if len(source.lines) > FILE_LINES:
        yield Finding(source.path, FILE_LINES + 1, f"{len(source.lines)} lines; a file has at most {FILE_LINES}")
    for function in source.functions:
        if (lines := function_lines(function)) > FUNCTION_LINES:
            words = f"{function.name} has {lines} lines; a function has at most {FUNCTION_LINES}"
            yield Finding(source.path, function.lineno, words)
        if (depth := nesting(function)) > NESTING:
            words = f"{function.name} nests {depth} deep; at most {NESTING}"
            yield Finding(source.path, function.lineno, words)


def exceptions(source: Source) -> Iterator[Finding]:
    """No bare except, no silent one, and a broad one that keeps what it caught only with its reason on the line."""
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        if all(isinstance(statement, ast.Pass) for statement in node.body):
            yield Finding(source.path, node.lineno, "except: pass hides a fault; contextlib.suppress says which")
        if node.type is None:
            yield Finding(source.path, node.lineno, "bare except")
        elif _broad(node.type) and not _passes_on(node) and not _reason(source.comments.get(node.lineno, "")):
            yield Finding(source.path, node.lineno, "broad except without its reason in a comment on the line")


def _broad(caught: ast.expr) -> bool:
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(isinstance(name, ast.Name) and name.id in {"Exception", "BaseException"} for name in names)


def _passes_on(handler: ast.ExceptHandler) -> bool:
    """Whether a handler cleans up and raises again what it caught."""
    return isinstance(last := handler.body[-1], ast.Raise) and last.exc is None


def _reason(comment: str) -> bool:
    """Whether a comment says more than which checker it silences."""
    return len(re.findall(r"\w+", SUPPRESSION.sub("", comment))) > 1


def imports(source: Source) -> Iterator[Finding]:
    """Functions import only where LAZY_IMPORTS says why; mocks stay out of pure code."""
    if not any(source.path == place or (place[-1] == "/" and source.path.startswith(place)) for place in LAZY_IMPORTS):
        inner = (node for function in source.functions for node in ast.walk(function))
        lines = {node.lineno for node in inner if isinstance(node, ast.Import | ast.ImportFrom)}
        yield from (Finding(source.path, line, "import within a function") for line in sorted(lines))
    if source.path.startswith(UNMOCKED):
        statements = (node for node in ast.walk(source.tree) if isinstance(node, ast.Import | ast.ImportFrom))
        mocking = (statement for statement in statements if not _imported(statement).isdisjoint(MOCKS))
        yield from (Finding(source.path, statement.lineno, "a mock library in pure code") for statement in mocking)


def _imported(statement: ast.Import | ast.ImportFrom) -> set[str]:
    """The modules a statement may name."""
    if isinstance(statement, ast.Import):
        return {alias.name for alias in statement.names}
    module = statement.module or ""
    return {module, *(f"{module}.{alias.name}" for alias in statement.names)}


def names(source: Source) -> Iterator[Finding]:
    """A module is named after what it holds."""
    for part in Path(source.path).with_suffix("").parts:
        if part in VAGUE_NAMES:
            yield Finding(source.path, 1, f"{part!r} is not a name; say what it holds")


# ── rules about any text ─────────────────────────────────────────────────────────────────────────────────────────


def words(source: Source) -> Iterator[Finding]:
    """Nothing unfinished, no registry host, no path of somebody's machine."""
    for number, line in enumerate(source.lines, 1):
        if found := UNFINISHED.search(line):
            yield Finding(source.path, number, f"unfinished: {found[0]}")
        if found := REGISTRY_HOST.search(line):
            yield Finding(source.path, number, f"names a package registry: {found[0]}")
        if found := MACHINE_PATH.search(line):
            yield Finding(source.path, number, f"a path of one machine: {found[0]}")


PYTHON_RULES = (sizes, exceptions, imports, names)


def check(source: Source) -> Iterator[Finding]:
    """Every finding in one file."""
    yield from words(source)
    if source.path.endswith(".py"):
        for rule in PYTHON_RULES:
            yield from rule(source)


# ── reading and reporting ────────────────────────────────────────────────────────────────────────────────────────


def repository_files(root: Path) -> Iterator[Path]:
    """The files that people write: no caches, no environments, no data."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if _shown(name))
        yield from (Path(folder, name) for name in sorted(files) if _shown(name))


def _shown(name: str) -> bool:
    return name in SHOWN_DOT_NAMES or not (name.startswith(".") or name in SKIPPED_FOLDERS or name.endswith(".pyc"))


def read(paths: Iterable[Path], root: Path) -> Iterator[Source]:
    """The text files among `paths`; others are passed over."""
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        yield Source(path.resolve().relative_to(root).as_posix(), text)


def percentile(values: Sequence[int], percent: int) -> int:
    """Nearest-rank percentile; 0 of nothing."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else 0


def table(sources: Sequence[Source]) -> str:
    """How the sizes are spread."""
    functions = [function for source in sources for function in source.functions]
    return "\n".join(
        (
            f"{'src':<16}{'count':>7}{'p50':>6}{'p90':>6}{'aim':>6}{'max':>6}{'limit':>7}",
            _row("file lines", [len(source.lines) for source in sources], aim=FILE_LINES_P90, limit=FILE_LINES),
            _row("function lines", list(map(function_lines, functions)), aim=FUNCTION_LINES_P90, limit=FUNCTION_LINES),
            _row("nesting", list(map(nesting, functions)), aim=NESTING, limit=NESTING),
        )
    )


def _row(name: str, values: Sequence[int], *, aim: int, limit: int) -> str:
    p50, p90, top = (percentile(values, percent) for percent in (50, 90, 100))
    verdict = "   p90 is above the aim" if p90 > aim else ""
    return f"{name:<16}{len(values):>7}{p50:>6}{p90:>6}{aim:>6}{top:>6}{limit:>7}{verdict}"


def main(arguments: Sequence[str]) -> int:
    """Print the table and the findings; 1 when there are any."""
    paths = [Path(argument) for argument in arguments] or list(repository_files(ROOT))
    sources = list(read(paths, ROOT))
    findings = [finding for source in sources for finding in check(source)]
    print(table([source for source in sources if source.path.startswith("src/") and source.path.endswith(".py")]))
    for finding in findings:
        print(finding)
    print(f"{len(findings)} findings in {len(sources)} files")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
