"""What every contender can do: start on one core, say where to send requests, be measured, stop."""

import http.client
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from load import bodies
from load.target import Target
from load.upstreams import Ports, Upstreams
from machine import GATEWAY_CORE, free_port
from process import Failed, Process

_POLL_SECONDS = 0.005
_HTTP_OK = 200


@dataclass(frozen=True, slots=True)
class Site:
    """Where contenders run: the upstreams behind them, the folder of this run, and the streamed models."""

    upstreams: Upstreams
    folder: Path
    streamed: tuple[str, ...]

    def ports(self, model: str) -> Ports:
        """Where the upstream that serves the model listens."""
        return self.upstreams.unary if model == bodies.UNARY else self.upstreams.stream

    def base_url(self, model: str) -> str:
        """What a gateway is told of that upstream."""
        return f"https://127.0.0.1:{self.ports(model).tls}/v1"

    @property
    def models(self) -> tuple[str, ...]:
        """Every model a gateway must know."""
        return (bodies.UNARY, *self.streamed)


class Contender(ABC):
    """One gateway (or none). Subclasses say what to run and what a request to it looks like."""

    name: ClassVar[str]
    title: ClassVar[str]
    patience_seconds: ClassVar[float] = 60.0
    slowness: ClassVar[float] = 1.0
    """How much longer closed-loop cases run, so that a slow contender completes enough requests to be judged by."""
    speaks: ClassVar[bool] = False
    """Whether it passes speech on as it is set up here."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.folder = site.folder / self.name
        self.folder.mkdir(exist_ok=True)
        self.port = 0
        self.process: Process | None = None

    @abstractmethod
    def missing(self) -> str | None:
        """Why it cannot run here, or None."""

    @abstractmethod
    def version(self) -> str:
        """The version that runs."""

    @abstractmethod
    def prepare(self) -> tuple[list[str], dict[str, str]]:
        """Write its configuration for `self.port`; the command and the extra environment."""

    def target(self, model: str) -> Target:
        """Where and how to ask for the model."""
        return Target(self.port, "/v1/chat/completions", model, {"authorization": "Bearer bench"})

    def start(self) -> dict[str, float]:
        """Start it; seconds from spawn until it listens, and until it has relayed an answer. Raises `Failed`."""
        self.port = free_port()
        command, env = self.prepare()
        self.process = Process(self.name, command, core=GATEWAY_CORE, folder=self.folder, env=env)
        self.port = self.find_port(self.process)
        listening = self.process.wait_port(self.port, self.patience_seconds)
        return {"port_ready_seconds": listening, "first_answer_seconds": self._first_answer()}

    def find_port(self, process: Process) -> int:
        """The port it listens on: the one it was given, unless it picks its own."""
        del process
        return self.port

    def _first_answer(self) -> float:
        target, process = self.target(bodies.UNARY), self.process
        body = bodies.chat(target.model)
        last = "no answer"
        while process is not None and time.perf_counter() - process.spawned < self.patience_seconds:
            process.check()
            try:
                connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=self.patience_seconds)
                connection.request("POST", target.path, body, {"content-type": "application/json", **target.headers})
                answer = connection.getresponse()
                text = answer.read()
                connection.close()
                if answer.status == _HTTP_OK:
                    return time.perf_counter() - process.spawned
                last = f"{answer.status} {text[:300]!r}"
            except (OSError, http.client.HTTPException) as error:
                last = repr(error)
            time.sleep(_POLL_SECONDS)
        raise Failed(f"{self.name} relayed nothing within {self.patience_seconds:.0f} s: {last}")

    def touch_control_plane(self) -> bool:
        """Use the control plane once, where using it changes the memory held; whether there was anything to touch."""
        return False

    def pids(self) -> list[int]:
        """Every process that works for it."""
        return self.process.pids() if self.process is not None else []

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.stop()
            self.process = None
