"""Which of a relay's workers a process is."""

from dataclasses import dataclass

import msgspec

from polyrelay.settings.root import DatabaseSettings, ServerSettings


@dataclass(frozen=True, slots=True)
class Place:
    """What a supervisor tells a worker first. Not on a command line, which every user of the machine may read.

    `server` and `database` are as they were when the supervisor started: a replacement must agree with its siblings on
    where the books and keys are and on TLS, whatever the file says by then.
    """

    index: int
    """0 to `count - 1`; a replacement has the index of the worker that died."""
    count: int
    """How many workers share the port, and so every limit that is counted in a process."""
    listener: int
    """File descriptor of the bound socket."""
    server: ServerSettings
    database: DatabaseSettings

    @classmethod
    def parse(cls, text: bytes) -> "Place":
        """A place from its JSON. Raises `msgspec.DecodeError`."""
        return msgspec.json.decode(text, type=cls)
