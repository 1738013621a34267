"""Where a relay listens."""

import socket
from contextlib import closing

from polyrelay.http import server
from polyrelay.kernel.errors import ConfigurationError
from polyrelay.settings.root import ServerSettings


def free_port(host: str, preferred: int) -> int:
    """`preferred` if nobody listens there, else a port that is free now."""
    for port in (preferred, 0):
        with closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise ConfigurationError(f"no port is free on {host}")


def listen(wanted: ServerSettings) -> tuple[socket.socket, str]:
    """A socket bound to the configured address, and its base address. Raises `ConfigurationError`."""
    try:
        bound = server.listener(wanted.host, wanted.port)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {wanted.host} port {wanted.port}: {error.strerror}. Choose another with --port."
        ) from error
    scheme = "https" if wanted.tls_certificate else "http"
    return bound, f"{scheme}://{wanted.host}:{bound.getsockname()[1]}"
