"""`polyrelay init`: a folder ready to serve."""

from pathlib import Path
from typing import Annotated

import typer

from polyrelay.cli import output
from polyrelay.storage import secrets as server_secrets
from polyrelay.storage.database import open_database

TEMPLATE = """\
# polyrelay's configuration. Every setting and its default: docs/configuration.md

[server]
host = "127.0.0.1"
port = 8080
data = "./polyrelay-data"

# One block per way to reach models. Credentials come from the environment, a file, or (not advised) a value.
[[channels]]
name = "main"
provider = "openai"
base_url = "https://api.openai.com/v1"
credentials = [{ env = "MAIN_API_KEY" }]
models = ["gpt-4o", { name = "fast", upstream = "gpt-4o-mini" }]
priority = 0
weight = 1
"""


def init(
    folder: Annotated[Path, typer.Argument(help="Where; made when absent.")] = Path(),
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """Write polyrelay.toml to start from; make the data folder with secrets and database. Overwrites nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    config, data = folder / "polyrelay.toml", folder / "polyrelay-data"
    written = not config.exists()
    if written:
        config.write_text(TEMPLATE, encoding="utf-8")
    secrets = server_secrets.load_or_create(data)
    open_database(data).close()
    if as_json:
        output.document(
            {
                "config": str(config),
                "written": written,
                "secrets": str(secrets.path),
                "secrets_created": secrets.created,
            }
        )
        return
    output.line(f"{'Wrote' if written else 'Kept'} {config}")
    output.line(f"{'Made' if secrets.created else 'Kept'} {secrets.path} (back it up with the database)")
    output.line("Next: put your channel into the file, then")
    output.line(f"  polyrelay doctor --config {config}")
    output.line(f"  polyrelay keys create --account me --config {config}")
    output.line(f"  polyrelay serve --config {config}")
