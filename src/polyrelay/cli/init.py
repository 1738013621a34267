"""`polyrelay init`: a folder ready to serve."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from polyrelay.cli import output
from polyrelay.storage.secrecy import custody
from polyrelay.storage.secrecy.secrets import ServerSecrets
from polyrelay.storage.sql.database import opened

TEMPLATE = """\
# polyrelay's configuration. Every setting and its default: docs/configuration.md

[server]
host = "127.0.0.1"
port = 8080
data = "./polyrelay-data"
# Processes that share the port: one for each core.
#workers = 1

# Accounts, keys and money are in SQLite in the data folder; several machines share a PostgreSQL server.
#[database]
#url = "postgresql://polyrelay:password@127.0.0.1:5432/polyrelay"

# "always" lets no charge be lost to a power cut, for some milliseconds of each answer.
#[ledger]
#fsync = "interval"

# One block per way to reach models. Credentials come from the environment, a file, or (not advised) a value.
[[channels]]
name = "main"
provider = "openai"
base_url = "https://api.openai.com/v1"
credentials = [{ env = "MAIN_API_KEY" }]
models = ["gpt-4o", { name = "fast", upstream = "gpt-4o-mini" }]
priority = 0
weight = 1

# Models have their vendors' list prices (polyrelay tariffs show gpt-4o); a model in no list needs a tariff, and yours
# win. Prices are per million tokens, in quotes so that they stay exact; `cost` is what you pay yourself.
#[[tariffs]]
#model = "fast"
#sell = { input_text = "0.30", cached_read = "0.15", output_text = "1.20" }
#cost = { input_text = "0.15", cached_read = "0.075", output_text = "0.60" }

# What customer groups pay, as a multiple of the prices; accounts are in the group "default" until told otherwise.
#[groups]
#vip = "0.8"
"""
"""Prose after `# `, settings that may be switched on after `#` alone."""


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
    secrets = asyncio.run(_make(data))
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
    output.line(f"  polyrelay topup me 10 --config {config}")
    output.line(f"  polyrelay serve --config {config}")


async def _make(data: Path) -> ServerSecrets:
    async with opened("", data) as database:
        return await custody.establish(data, database)
