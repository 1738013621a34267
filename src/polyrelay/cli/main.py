"""The command `polyrelay`."""

import sys
from typing import Annotated

import click
import typer

import polyrelay
from polyrelay.cli import output
from polyrelay.cli.demo import demo
from polyrelay.cli.doctor import doctor
from polyrelay.cli.init import init
from polyrelay.cli.keys import app as keys
from polyrelay.cli.sandbox import sandbox
from polyrelay.cli.serve import serve
from polyrelay.kernel.errors import ConfigurationError
from polyrelay.storage.records import StoreError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="polyrelay: one address and one key for every model API.",
    epilog=output.EXIT_CODES,
)
app.command()(demo)
app.command()(serve)
app.command()(sandbox)
app.command()(init)
app.add_typer(keys, name="keys")
app.command()(doctor)


def _version(wanted: bool) -> None:  # noqa: FBT001 - click's callback
    if wanted:
        output.line(polyrelay.__version__)
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """One address and one key for every model API."""
    del version


def main() -> None:
    """Run the command line; every expected failure ends with one line on standard error and a documented code."""
    try:
        code = app(standalone_mode=False)
    except ConfigurationError as error:
        output.complain(str(error))
        code = output.Exit.CONFIGURATION
    except StoreError as error:
        output.complain(str(error))
        code = output.Exit.NOT_FOUND
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        code = 130
    sys.exit(int(code or 0))
