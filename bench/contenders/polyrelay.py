# ruff: noqa: D102 - the base class says what its methods mean
"""Ourselves: the product as `polyrelay serve` starts it: a key from the store, limits, prices, and a funded account."""

import http.client
import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from load.target import Target
from process import Failed

from contenders.base import Contender

_ENOUGH = 1_000_000_000_000
"""A limit that counts but never refuses."""

_FUNDS = "1000000000"
"""More than the longest run can spend."""

_PRICES = 'sell = { input_text = "0.15", cached_read = "0.075", output_text = "0.60" }'
_COSTS = 'cost = { input_text = "0.15", cached_read = "0.075", output_text = "0.60" }'
_MAXIMA = "maxima = { context = 10_000_000, output = 16_384 }"
"""A window that the largest body fits into, so that its upper bound is the body's own."""

_COMMAND_SECONDS = 30.0


def _python() -> Path:
    """The distribution's interpreter, optimised as users have it, where `setup.sh` has installed us; else this one."""
    own = Path(__file__).parents[1] / ".cache" / "polyrelay" / "bin" / "python"
    return own if own.exists() else Path(sys.executable)


def _ask(command: list[str]) -> Any:
    """What a command answers as JSON. Raises `Failed`."""
    made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_COMMAND_SECONDS)
    if made.returncode:
        raise Failed(f"{' '.join(command[3:5])} ended with {made.returncode}: {made.stderr[-400:]}")
    return json.loads(made.stdout)


class Polyrelay(Contender):
    """One worker, SQLite data folder; authentication, limits and ledger on, a usage record for every exchange."""

    name = "polyrelay"
    title = "polyrelay"
    speaks = True
    key = ""

    def missing(self) -> str | None:
        return None

    def version(self) -> str:
        return importlib.metadata.version("polyrelay")

    def prepare(self) -> tuple[list[str], dict[str, str]]:
        config, data = self.folder / "polyrelay.toml", self.folder / "data"
        lines = [
            "[log]",
            "exchanges = false",
            "[server]",
            'host = "127.0.0.1"',
            f"port = {self.port}",
            f'data = "{data}"',
        ]
        for number, model in enumerate(self.site.models):
            lines += ["[[channels]]", f'name = "upstream-{number}"', 'provider = "openai"']
            lines += [f'base_url = "{self.site.base_url(model)}"', f'models = ["{model}"]']
            lines += ['credentials = [{ value = "upstream" }]']
            lines += [f'ca_file = "{self.site.upstreams.certificate.authority}"']
        for model in self.site.models:
            lines += ["[[tariffs]]", f'model = "{model}"', _PRICES, _COSTS, _MAXIMA]
        config.write_text("\n".join(lines) + "\n")
        command = [str(_python()), "-m", "polyrelay"]
        if not self.key:
            limits = ["--rpm", str(_ENOUGH), "--tpm", str(_ENOUGH), "--concurrency", "100000"]
            where = ["--config", str(config), "--json"]
            self.key = _ask([*command, "keys", "create", "--account", "bench", *limits, *where])["key"]
            _ask([*command, "topup", "bench", _FUNDS, *where])
        return [*command, "serve", "--config", str(config)], {}

    def target(self, model: str) -> Target:
        return Target(self.port, "/v1/chat/completions", model, {"authorization": f"Bearer {self.key}"})

    def touch_control_plane(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_COMMAND_SECONDS)
        connection.request("GET", "/admin/v1/health")
        connection.getresponse().read()
        connection.close()
        return True
