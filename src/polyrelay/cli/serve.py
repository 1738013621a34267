"""`polyrelay serve`: the relay."""

import sys
from dataclasses import asdict
from typing import Annotated, NoReturn

import typer

from polyrelay.background.supervision.tether import Tether
from polyrelay.cli import options, output, supervise
from polyrelay.config.rules import MOST_WORKERS
from polyrelay.wiring import listening
from polyrelay.wiring.node import Node
from polyrelay.wiring.overrides import Overrides


def serve(
    *,
    config: options.Config = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of the configuration's.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0 picks a free one.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=MOST_WORKERS, help="Processes that share the port.")] = None,
    data: options.Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the address as one JSON document.")] = False,
    worker: Annotated[int | None, typer.Option(hidden=True, help="File descriptor of a supervisor's line.")] = None,
) -> None:
    """Run the relay until SIGTERM or ^C; open streams may finish first. SIGHUP reads the configuration again."""
    overrides = Overrides(host=host, port=port, data=data, workers=workers)
    tether = Tether(worker) if worker is not None else None
    node = Node(options.config_file(config), overrides, tether)
    if tether is None and node.settings.server.workers > 1:
        _supervise(node, as_json=as_json)

    def ready(url: str) -> None:
        if as_json:
            output.document({"url": url, "data": str(node.data)})
        else:
            output.line(f"polyrelay at {url}, data in {node.data}")

    node.run(ready)


def _supervise(node: Node, *, as_json: bool) -> NoReturn:
    """Check and bind what a single process would, then make way. Raises `ConfigurationError`."""
    server = node.settings.server
    node.prepare()
    listener, url = listening.listen(server)
    supervise.become(
        supervise.Plan(
            arguments=sys.argv[1:],
            workers=server.workers,
            listener=listener.fileno(),
            place={
                "count": server.workers,
                "listener": listener.fileno(),
                "server": asdict(server),
                "database": asdict(node.settings.database),
            },
            said={"url": url, "data": str(node.data)},
            as_json=as_json,
            log=asdict(node.settings.log),
        )
    )
