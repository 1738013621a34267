"""Writes docs/configuration.md from the settings' dataclasses, the template of `polyrelay init` and the format of
tariffs: the page cannot say what the code does not.

`--check` writes nothing and exits with 1 when the page is not current.
"""

import ast
import dataclasses
import inspect
import itertools
import sys
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path

from polyrelay.cli import init
from polyrelay.metering import read
from polyrelay.settings import artefacts, bounds, channels, jobs, ledger, limits, root, timeouts, webhooks

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "configuration.md"

TABLES = (
    ("server", root.ServerSettings),
    ("database", root.DatabaseSettings),
    ("bounds", bounds.Bounds),
    ("answers", root.AnswerSettings),
    ("cors", root.CorsSettings),
    ("log", root.LogSettings),
    ("key_defaults", root.KeyDefaults),
    ("ledger", ledger.LedgerSettings),
    ("jobs", jobs.JobSettings),
    ("webhooks", webhooks.WebhookSettings),
    ("artefacts", artefacts.ArtefactSettings),
    ("[limits]", limits.LimitSettings),
    ("[channels]", channels.ChannelSettings),
    ("[channels.credentials]", channels.CredentialSettings),
    ("[channels.models]", channels.ModelSettings),
    ("channels.timeouts", timeouts.TimeoutSettings),
)
"""Table name in the file, and the dataclass it is read into."""

HEAD = f"""\
# Configuration

<!-- Written by tools/settings_page.py from the docstrings in src/polyrelay/settings: `just settings-page`. -->

One TOML file, given as `polyrelay serve --config FILE`. Every table and every key that has a default may be absent.
A wrong file is refused with the line, the key, and what is allowed. `SIGHUP`, or a change of the file, reads all of it
again; when it is wrong the old configuration stays in force and the log says why.

```toml
{init.TEMPLATE}```

A model written as a string is served under the vendor's own name.
"""

_FORMAT = inspect.cleandoc(read.__doc__ or "").partition("\n\n")[2].rpartition("\n\n")[0]

TARIFFS = f"""
## `[[tariffs]]`, `[groups]`

What models cost, over the vendors' list prices that are shipped. A model without any price is not served.

{_FORMAT}

`[groups]` has a multiplier of every price for each customer group, such as `vip = "0.8"`.
"""


def field_docs(settings: type) -> dict[str, str]:
    """The string below each field of a dataclass, by the field's name."""
    body = typing.cast("ast.ClassDef", ast.parse(inspect.getsource(settings)).body[0]).body
    docs: dict[str, str] = {}
    for statement, following in itertools.pairwise(body):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                docs[name] = inspect.cleandoc(text)
    return docs


def default(field: "dataclasses.Field[object]") -> str:
    """A field's default as TOML would say it; `required` and `-` for none and None."""
    if field.default is dataclasses.MISSING:
        return "required"
    value = field.default
    if value is None:
        return "-"
    if dataclasses.is_dataclass(value):
        return "a table"
    if isinstance(value, bool):
        return f"`{value}`".lower()
    if isinstance(value, str):
        return f'`"{value}"`'
    return "`[]`" if value == () else f"`{value}`"


def kind(annotation: object) -> str:
    """A field's type in TOML's words."""
    if isinstance(annotation, types.UnionType):
        return kind(next(part for part in typing.get_args(annotation) if part is not types.NoneType))
    if typing.get_origin(annotation) is tuple:
        item = kind(typing.get_args(annotation)[0])
        return f"list of {item}s"
    return {str: "string", int: "integer", float: "number", bool: "boolean"}.get(
        typing.cast("type", annotation), "table"
    )


def section(name: str, settings: type) -> Iterator[str]:
    """One table of the page."""
    docs, hints = field_docs(settings), typing.get_type_hints(settings)
    yield f"\n## `[{name}]`\n"
    yield inspect.cleandoc(settings.__doc__ or "") + "\n"
    yield "| key | type | default | meaning |\n|---|---|---|---|"
    for field in dataclasses.fields(settings):
        text = " ".join(docs.get(field.name, "").split()).replace("|", "\\|")
        yield f"| `{field.name}` | {kind(hints[field.name])} | {default(field)} | {text} |"


def page() -> str:
    """The whole page."""
    lines = [HEAD.rstrip()]
    for name, settings in TABLES:
        lines.extend(section(name, settings))
    lines.append(TARIFFS.rstrip())
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write the page, or with `--check` compare it."""
    if "--check" not in arguments:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == page():
        return 0
    print(f"{PAGE.relative_to(ROOT)} is not current: run `just settings-page`")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
