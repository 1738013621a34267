# ruff: noqa: D102 - the base class says what its methods mean
"""The other gateways, as `bench/setup.sh` installed them: each with its own defaults, no database, no telemetry."""

import json
import subprocess
from pathlib import Path

from load.target import Target
from load.upstreams import CACHE
from process import Process

from contenders.base import Contender


def _python_version(python: Path, package: str) -> str:
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.strip()


_TENSORZERO = """
import sys, threading, tensorzero
gateway = tensorzero._start_http_gateway(
    config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False)
print(gateway.base_url, flush=True)
threading.Event().wait()
"""


class TensorZero(Contender):
    """The real Rust gateway, from its Python wheel. Its keys need Postgres, so it runs without authentication."""

    name = "tensorzero"
    title = "TensorZero"

    @property
    def python(self) -> Path:
        return CACHE / "tensorzero" / "bin" / "python"

    def missing(self) -> str | None:
        return None if self.python.exists() else "not installed (bench/setup.sh)"

    def version(self) -> str:
        return _python_version(self.python, "tensorzero")

    def prepare(self) -> tuple[list[str], dict[str, str]]:
        lines = ["[gateway]", "observability.enabled = false"]
        for model in self.site.models:
            lines += [f'[models."{model}"]', 'routing = ["upstream"]', f'[models."{model}".providers.upstream]']
            lines += ['type = "openai"', f'model_name = "{model}"', f'api_base = "{self.site.base_url(model)}/"']
            lines += ['api_key_location = "env::BENCH_UPSTREAM_KEY"']
        config = self.folder / "tensorzero.toml"
        config.write_text("\n".join(lines) + "\n")
        env = {
            "BENCH_UPSTREAM_KEY": "upstream",
            "SSL_CERT_FILE": str(self.site.upstreams.certificate.authority),
            "TENSORZERO_DISABLE_PSEUDONYMOUS_USAGE_ANALYTICS": "1",
        }
        return [str(self.python), "-c", _TENSORZERO, str(config)], env

    def find_port(self, process: Process) -> int:
        return int(process.wait_words(r"http://[^/\s]+:(\d+)", self.patience_seconds)[1])

    def target(self, model: str) -> Target:
        return Target(self.port, "/openai/v1/chat/completions", f"tensorzero::model_name::{model}", {})


class LiteLLM(Contender):
    """The Python proxy with a master key and no database, one worker, as its documentation starts it."""

    name = "litellm"
    title = "LiteLLM proxy"
    patience_seconds = 120.0
    slowness = 1.6
    master_key = "sk-bench-5f0f4c4d7b3f4a0d9f6f3f0e2b1a7c9d"

    @property
    def python(self) -> Path:
        return CACHE / "litellm" / "bin" / "python"

    def missing(self) -> str | None:
        return None if self.python.exists() else "not installed (bench/setup.sh)"

    def version(self) -> str:
        return _python_version(self.python, "litellm")

    def prepare(self) -> tuple[list[str], dict[str, str]]:
        models = [
            {
                "model_name": model,
                "litellm_params": {
                    "model": f"openai/{model}",
                    "api_base": self.site.base_url(model),
                    "api_key": "upstream",
                },
            }
            for model in self.site.models
        ]
        authority = str(self.site.upstreams.certificate.authority)
        config = self.folder / "litellm.yaml"  # JSON is YAML
        config.write_text(
            json.dumps(
                {
                    "model_list": models,
                    "general_settings": {"master_key": self.master_key},
                    "litellm_settings": {"ssl_verify": authority, "telemetry": False},
                }
            )
        )
        env = {"SSL_CERT_FILE": authority, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
        command = [str(self.python.parent / "litellm"), "--config", str(config)]
        return [*command, "--host", "127.0.0.1", "--port", str(self.port), "--telemetry", "False"], env

    def target(self, model: str) -> Target:
        return Target(self.port, "/v1/chat/completions", model, {"authorization": f"Bearer {self.master_key}"})


class Portkey(Contender):
    """The Node gateway. It keeps no keys: the request names the upstream, so it runs without authentication."""

    name = "portkey"
    title = "Portkey gateway"

    @property
    def package(self) -> Path:
        return CACHE / "portkey" / "node_modules" / "@portkey-ai" / "gateway"

    def missing(self) -> str | None:
        return None if self.package.exists() else "not installed (bench/setup.sh)"

    def version(self) -> str:
        return str(json.loads((self.package / "package.json").read_text())["version"])

    def prepare(self) -> tuple[list[str], dict[str, str]]:
        env = {
            "NODE_EXTRA_CA_CERTS": str(self.site.upstreams.certificate.authority),
            "TRUSTED_CUSTOM_HOSTS": "127.0.0.1",
        }
        return ["node", str(self.package / "build" / "start-server.js"), "--headless", f"--port={self.port}"], env

    def target(self, model: str) -> Target:
        headers = {
            "authorization": "Bearer upstream",
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": self.site.base_url(model),
        }
        return Target(self.port, "/v1/chat/completions", model, headers)
