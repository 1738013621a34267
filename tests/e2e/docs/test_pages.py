"""What the documents claim about the code, compared with the code."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from polyrelay.kernel import errors
from polyrelay.wire import openai_errors

ROOT = Path(__file__).parents[3]
PAGES = sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))

_LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")


def _sources(folder: str) -> Iterator[Path]:
    return (ROOT / "src" / "polyrelay" / folder).rglob("*.py")


def _refusals(of: type[errors.Refusal] = errors.Refusal) -> Iterator[type[errors.Refusal]]:
    """The leaves of the kernel's tree."""
    for kind in of.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield from _refusals(kind) if kind.__subclasses__() else (kind,)


@pytest.mark.parametrize("refusal", list(_refusals()), ids=lambda refusal: refusal.__name__)
def test_every_refusal_is_in_the_table_of_errors(refusal: type[errors.Refusal]) -> None:
    _, _, body = openai_errors.render(refusal("text"))
    kind = json.loads(body)["error"]["type"]
    code = "`" if refusal.default_code is None else f"`{refusal.default_code}` |"
    retry = "no" if refusal.final else "yes"
    row = re.compile(rf"^\| {refusal.status} \| `{kind}` \| {re.escape(code)}.* \| {retry} \|$", re.MULTILINE)
    assert row.search((ROOT / "docs" / "errors.md").read_text(encoding="utf-8"))


def test_every_code_that_is_raised_is_in_the_table_of_errors() -> None:
    table = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    """Those of the relay's routes: the control plane's problems are described by its own OpenAPI document."""
    found = [source for folder in ("service", "access", "http", "wire") for source in _sources(folder)]
    sources = [source for source in found if source.parent.name not in {"administration", "admin"}]
    raised = {code for source in sources for code in re.findall(r'code="(\w+)"', source.read_text(encoding="utf-8"))}
    assert raised
    assert {code for code in raised if f"`{code}`" not in table} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = _LINK.findall(page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_direct_dependency_has_its_reason() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    dependencies = re.findall(r'^  "([a-z0-9-]+)', project.split("dependencies = [")[1].split("]")[0], re.MULTILINE)
    architecture = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert [name for name in dependencies if f"| {name} | " not in architecture] == []


def test_every_folder_of_the_house_has_its_paragraph() -> None:
    folders = {path.parent.name for path in ROOT.glob("src/polyrelay/*/__init__.py")}
    told = set(re.findall(r"^\* \*\*(\w+)\*\*", (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert folders | {"wiring"} == told


def test_the_locks_name_no_host() -> None:
    for lock in ROOT.glob("requirements/*.lock"):
        assert "://" not in lock.read_text(encoding="utf-8")
