"""`polyrelay sandbox`: the vendor simulator as a server of its own."""

from pathlib import Path
from typing import Annotated

import typer

from polyrelay.cli import output
from polyrelay.kernel.errors import ConfigurationError
from polyrelay.sandbox import run as runner


def sandbox(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 picks a free one.")] = 0,
    tls: Annotated[bool, typer.Option("--tls", help="Speak HTTPS with a certificate made for it.")] = False,
    folder: Annotated[Path, typer.Option(help="Where --tls keeps ca.pem, which clients trust.")] = Path(
        "polyrelay-sandbox"
    ),
    key: Annotated[list[str] | None, typer.Option(help="Accept only this bearer key; repeatable.")] = None,
    basic: Annotated[
        list[str] | None, typer.Option(help="Accept only this user:password for Stable Diffusion; repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the address as one JSON document.")] = False,
) -> None:
    """Simulate vendors, with scripted answers and faults, for trials and tests.

    Below /v1 OpenAI's chat completions, images, audio and videos; beside it Stable Diffusion WebUI and ReActor, three
    dialects of Suno, whisper-asr-webservice and AiToEarn's videos. GET /sandbox tells every call and every option.
    """

    def ready(address: runner.Address) -> None:
        if as_json:
            output.document({"base_url": address.base_url, "port": address.port, "ca_file": address.ca})
        else:
            output.line(f"sandbox at {address.base_url}" + (f", trust {address.ca}" if address.ca else ""))

    try:
        runner.serve(
            host=host,
            port=port,
            tls_folder=folder if tls else None,
            keys=frozenset(key or ()),
            basic=frozenset(basic or ()),
            ready=ready,
        )
    except OSError as error:
        raise ConfigurationError(f"the sandbox cannot start on {host} port {port}: {error.strerror}") from error
