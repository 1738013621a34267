"""The command `polyrelay`. Only the command that is run is imported: a relay need not wait for what others need."""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Annotated

import typer

import polyrelay
from polyrelay.cli import output
from polyrelay.kernel.errors import PolyrelayError

COMMANDS = (
    "demo",
    "serve",
    "sandbox",
    "init",
    "keys",
    "admin",
    "accounts",
    "projects",
    "topup",
    "usage",
    "charges",
    "webhooks",
    "ledger",
    "tariffs",
    "secrets",
    "doctor",
)
"""In the order of the help page; each lives in the module of its name."""

HELP = "polyrelay: one address and one key for every model API."

INTERRUPTED = 130
"""128 and SIGINT's number, as shells report ^C."""


def application(wanted: str) -> typer.Typer:
    """The command line with the command `wanted`, or with all of them when that is none."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help=HELP,
        epilog=output.EXIT_CODES,
        callback=_root,
    )
    for name in [wanted] if wanted in COMMANDS else COMMANDS:
        found: typer.Typer | Callable[..., None] = getattr(import_module(f"polyrelay.cli.{name}"), name)
        if isinstance(found, typer.Typer):
            for command in found.registered_commands:
                command.epilog = output.EXIT_CODES
            app.add_typer(found, name=name, epilog=output.EXIT_CODES)
        else:
            app.command(name, epilog=output.EXIT_CODES)(found)
    return app


def _version(wanted: bool) -> None:  # noqa: FBT001 - click's callback
    if wanted:
        output.line(polyrelay.__version__)
        raise typer.Exit


def _root(
    *,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    del version


def main() -> None:
    """Run the command line; every expected failure ends with one line on standard error and a documented code."""
    arguments = sys.argv[1:]
    try:
        application(arguments[0] if arguments else "")()
    except PolyrelayError as error:
        output.complain(str(error))
        sys.exit(output.code(error))
    except OSError as error:
        if error.filename is None:
            raise
        output.complain(f"{error.filename}: {error.strerror}")
        sys.exit(output.Exit.CONFIGURATION)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
