"""`polyrelay sandbox`: the vendor simulator as a server of its own."""

from pathlib import Path
from typing import Annotated

import typer

from polyrelay.cli import output
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
    as_json: Annotated[bool, typer.Option("--json", help="Print the address as one JSON document.")] = False,
) -> None:
    """Simulate a vendor: OpenAI chat completions with scripted answers and faults, for trials and tests."""

    def ready(bound: int) -> None:
        scheme = "https" if tls else "http"
        url = f"{scheme}://{host}:{bound}/v1"
        ca = str(folder / "ca.pem") if tls else None
        if as_json:
            output.document({"base_url": url, "port": bound, "ca_file": ca})
        else:
            output.line(f"sandbox at {url}" + (f", trust {ca}" if ca else ""))

    runner.serve(host, port, folder if tls else None, frozenset(key or ()), ready)
