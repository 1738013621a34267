"""What `polyrelay serve` turns into when it is to have several workers: the parent that watches over them.

It is entered by `exec`, so that a process which lives for months and does next to nothing imports next to nothing, and
keeps the process id that a service manager knows.
"""

import json
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

from polyrelay.background.supervision.supervisor import Supervisor
from polyrelay.settings.root import LogSettings
from polyrelay.telemetry import logs
from polyrelay.telemetry.redact import Redactor

PYTHON = (sys.executable, "-P", "-m")
"""An interpreter like ours that runs a module; -P keeps the current folder out of its import path."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the process before left for the supervisor. `arguments` are those of `polyrelay` for every worker; `place`
    is a worker's place without its index; `said` is told on standard output when all workers serve.
    """

    arguments: list[str]
    workers: int
    listener: int
    place: dict[str, Any]
    said: dict[str, Any]
    as_json: bool
    log: dict[str, Any]

    def command(self, tether: int) -> list[str]:
        """The command line of a worker."""
        return [*PYTHON, "polyrelay", *self.arguments, "--worker", str(tether)]

    def greet(self, index: int) -> bytes:
        """The place of a worker."""
        return json.dumps({"index": index, **self.place}).encode()

    def announce(self, pids: Sequence[int]) -> None:
        """Say that requests are taken."""
        text = "polyrelay at {url}, data in {data}, {workers} workers".format(**self.said, workers=len(pids))
        said = {**self.said, "workers": list(pids)}
        sys.stdout.write((json.dumps(said, indent=2, ensure_ascii=False) if self.as_json else text) + "\n")
        sys.stdout.flush()


def become(plan: Plan) -> NoReturn:
    """Replace this process by the supervisor; `plan.listener` stays open.

    The plan waits in a pipe, which holds many times its size, because it may contain a database's password.
    """
    reading, writing = os.pipe()
    os.write(writing, json.dumps(asdict(plan)).encode())
    os.close(writing)
    os.set_inheritable(reading, True)
    os.set_inheritable(plan.listener, True)
    os.execv(sys.executable, [*PYTHON, __name__, str(reading)])  # noqa: S606 - ourselves, no shell


def main() -> None:
    """Run the plan that can be read from the file descriptor given as the only argument."""
    with os.fdopen(int(sys.argv[1]), encoding="utf-8") as pipe:
        plan = Plan(**json.load(pipe))
    logs.configure(LogSettings(**plan.log), sys.stderr, Redactor())
    with socket.socket(fileno=plan.listener) as listener:
        sys.exit(Supervisor(plan.workers, plan.command, plan.greet, listener).run(plan.announce))


if __name__ == "__main__":
    main()
