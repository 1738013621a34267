"""`polyrelay serve`: the relay."""

from typing import Annotated

import typer

from polyrelay import wiring
from polyrelay.cli import options, output


def serve(
    *,
    config: options.Config = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of the configuration's.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0 picks a free one.")] = None,
    data: options.Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the address as one JSON document.")] = False,
) -> None:
    """Run the relay until SIGTERM or ^C; open streams may finish first. SIGHUP reads the configuration again."""
    overrides = wiring.Overrides(host=host, port=port, data=data)
    node = wiring.Node(options.config_file(config), overrides)

    def ready(url: str) -> None:
        if as_json:
            output.document({"url": url, "data": str(node.data)})
        else:
            output.line(f"polyrelay at {url}, data in {node.data}")

    node.run(ready)
