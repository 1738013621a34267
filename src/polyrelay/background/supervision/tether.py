"""The worker's end of the line to its supervisor, and the words spoken on it."""

import logging
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from typing import Protocol

from polyrelay.kernel.errors import ConfigurationError

logger = logging.getLogger(__name__)

READY = b"\n"
"""What a worker says once it takes requests."""


LENGTH_BYTES = 4
"""Of the greeting's length, big-endian, which is the first thing a supervisor says; the greeting follows it."""


def greeting(text: bytes) -> bytes:
    """`text` as it is said."""
    return len(text).to_bytes(LENGTH_BYTES, "big") + text


class Order(Enum):
    """What a supervisor says: one byte each, so that no framing is needed."""

    RELOAD = b"r"
    DRAIN = b"d"
    ABORT = b"a"


class Readers(Protocol):
    """The part of an event loop that is needed."""

    def add_reader(self, fd: socket.socket, callback: Callable[[], None], /) -> object:
        """Call when there is something to read."""
        ...

    def remove_reader(self, fd: socket.socket, /) -> object:
        """Stop calling."""
        ...


class Tether:
    """Obeys the supervisor, and drains when it is gone.

    Its death is seen as the end of the stream, which the kernel tells every POSIX process, whatever killed the parent.
    `PR_SET_PDEATHSIG` was refused: Linux only, lost when the parent dies before the call, and bound to the parent's
    thread instead of its process.
    """

    def __init__(self, descriptor: int) -> None:
        """`descriptor` is an inherited end of a socket pair; nothing this process starts inherits it in turn."""
        self._line = socket.socket(fileno=descriptor)
        self._line.set_inheritable(False)

    def greeted(self) -> bytes:
        """What the supervisor hands every worker, waited for. To be called once, before `attend`.

        Raises:
            ConfigurationError: there is no supervisor, or it is gone already.
        """
        try:
            length = int.from_bytes(self._line.recv(LENGTH_BYTES, socket.MSG_WAITALL), "big")
            text = self._line.recv(length, socket.MSG_WAITALL)
        except OSError as error:
            raise ConfigurationError(f"a worker needs its supervisor: {error.strerror}") from error
        if not text or len(text) < length:
            raise ConfigurationError("the supervisor ended before its worker began")
        return text

    def attend(self, loop: Readers, obey: Mapping[Order, Callable[[], None]]) -> None:
        """Carry orders out on `loop` from now on; those that came before count as well."""
        self._line.setblocking(False)
        loop.add_reader(self._line, lambda: self._read(loop, obey))

    def ready(self) -> None:
        """Tell the supervisor that requests are taken."""
        with suppress(OSError):  # it is gone, which the reader is about to see
            self._line.send(READY)

    def _read(self, loop: Readers, obey: Mapping[Order, Callable[[], None]]) -> None:
        try:
            said = self._line.recv(64)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            loop.remove_reader(self._line)
            logger.error("the supervisor is gone, so this worker drains and ends")
            obey[Order.DRAIN]()
        for word in said:
            obey[Order(bytes([word]))]()
