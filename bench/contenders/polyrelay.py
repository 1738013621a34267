# ruff: noqa: D102 - the base class says what its methods mean
"""Ourselves: the product as `polyrelay serve` starts it, with a client key from the store and its limits counting."""

import http.client
import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

from load.target import Target
from process import Failed

from contenders.base import Contender

_ENOUGH = 1_000_000_000_000
"""A limit that counts but never refuses."""

_COMMAND_SECONDS = 30.0


def _python() -> Path:
    """The distribution's interpreter, optimised as users have it, where `setup.sh` has installed us; else this one."""
    own = Path(__file__).parents[1] / ".cache" / "polyrelay" / "bin" / "python"
    return own if own.exists() else Path(sys.executable)


class Polyrelay(Contender):
    """One worker, SQLite data folder, authentication and limits on."""

    name = "polyrelay"
    title = "polyrelay"
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
        config.write_text("\n".join(lines) + "\n")
        command = [str(_python()), "-m", "polyrelay"]
        if not self.key:
            limits = ["--rpm", str(_ENOUGH), "--tpm", str(_ENOUGH), "--concurrency", "100000"]
            made = subprocess.run(
                [*command, "keys", "create", "--account", "bench", *limits, "--config", str(config), "--json"],
                capture_output=True,
                text=True,
                check=False,
                timeout=_COMMAND_SECONDS,
            )
            if made.returncode:
                raise Failed(f"keys create ended with {made.returncode}: {made.stderr[-400:]}")
            self.key = json.loads(made.stdout)["key"]
        return [*command, "serve", "--config", str(config)], {}

    def target(self, model: str) -> Target:
        return Target(self.port, "/v1/chat/completions", model, {"authorization": f"Bearer {self.key}"})

    def touch_control_plane(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_COMMAND_SECONDS)
        connection.request("GET", "/admin/v1/health")
        connection.getresponse().read()
        connection.close()
        return True
