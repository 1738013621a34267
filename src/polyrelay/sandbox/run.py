"""The sandbox as a program of its own: `python -m polyrelay.sandbox.run --port 9000 --tls FOLDER`."""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from polyrelay.sandbox import certificate, script
from polyrelay.sandbox.server import Sandbox


@dataclass(frozen=True, slots=True)
class Address:
    """Where the sandbox listens: `base_url` for an OpenAI SDK, `ca` the PEM file to trust when it speaks HTTPS."""

    host: str
    port: int
    base_url: str
    ca: str | None


Ready = Callable[[Address], None]


def serve(
    *,
    host: str,
    port: int,
    tls_folder: Path | None,
    keys: frozenset[str],
    ready: Ready,
    seed: int = 0,
    basic: frozenset[str] = frozenset(),
) -> None:
    """Serve until SIGINT or SIGTERM. `ready` is called once with the address; port 0 picks a free one.

    With `tls_folder` it speaks HTTPS by a certificate kept there (see `certificate.ensure`); the rest is as for
    `Sandbox`.

    Raises:
        OSError: the address cannot be bound, or the folder not written.
    """
    uvloop.run(_serve(host, port, tls_folder, Sandbox(seed=seed, keys=keys, basic=basic), ready))


async def _serve(host: str, port: int, tls_folder: Path | None, sandbox: Sandbox, ready: Ready) -> None:
    loop, asked_to_stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked_to_stop.set)
    files = None if tls_folder is None else certificate.ensure(tls_folder)
    bound = await sandbox.start(host, port, None if files is None else certificate.server_context(files))
    scheme = "http" if files is None else "https"
    shown = f"[{host}]" if ":" in host else host
    ready(Address(host, bound, f"{scheme}://{shown}:{bound}/v1", None if files is None else str(files.ca)))
    try:
        await asked_to_stop.wait()
    finally:
        await sandbox.stop()


def main(arguments: list[str] | None = None) -> None:
    """Serve as the command line says; prints the address as one line of JSON when ready."""
    parser = argparse.ArgumentParser(
        prog="polyrelay.sandbox.run", epilog=script.describe(), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free port")
    parser.add_argument("--tls", type=Path, metavar="FOLDER", help="speak HTTPS; certificates are kept there")
    parser.add_argument("--key", action="append", default=[], help="accept only these bearers")
    parser.add_argument("--basic", action="append", default=[], help="user:password for Stable Diffusion's calls")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    serve(
        host=chosen.host,
        port=chosen.port,
        tls_folder=chosen.tls,
        keys=frozenset(chosen.key),
        ready=_announce,
        seed=chosen.seed,
        basic=frozenset(chosen.basic),
    )


def _announce(address: Address) -> None:
    sys.stdout.write(json.dumps(asdict(address)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
