# ruff: noqa: D102 - the base class says what its methods mean
"""nginx `proxy_pass`: the floor of what passing bytes on costs. No authentication, no limits, no reading of bodies."""

import re
import shutil
import subprocess
from pathlib import Path

from load import bodies
from load.target import Target
from load.upstreams import NGINX, nginx_config

from contenders.base import Contender

_HTTP = """
  upstream unary {{ server 127.0.0.1:{unary_port}; keepalive 1024; keepalive_requests 1000000000; }}
  upstream stream {{ server 127.0.0.1:{stream_port}; keepalive 1024; keepalive_requests 1000000000; }}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Authorization "Bearer upstream";
  proxy_ssl_verify on;
  proxy_ssl_trusted_certificate {authority};
  proxy_ssl_name localhost;
  proxy_ssl_server_name on;
  proxy_buffering off;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location /unary/ {{ proxy_pass https://unary/; }}
    location /stream/ {{ proxy_pass https://stream/; }}
  }}
"""


class Nginx(Contender):
    """One worker."""

    name = "nginx"
    title = "nginx proxy_pass"
    speaks = True

    def missing(self) -> str | None:
        found = shutil.which(NGINX) or Path(NGINX).exists()
        return None if found else "nginx is not installed (bench/setup.sh)"

    def version(self) -> str:
        told = subprocess.run([NGINX, "-v"], capture_output=True, text=True, check=True).stderr
        found = re.search(r"nginx/(\S+)", told)
        return found[1] if found else told.strip()

    def prepare(self) -> tuple[list[str], dict[str, str]]:
        config = self.folder / "nginx.conf"
        upstreams = self.site.upstreams
        http = _HTTP.format(
            port=self.port,
            unary_port=upstreams.unary.tls,
            stream_port=upstreams.stream.tls,
            authority=upstreams.certificate.authority,
        )
        config.write_text(nginx_config(self.folder, http))
        return [NGINX, "-c", str(config), "-e", "stderr"], {}

    def target(self, model: str) -> Target:
        side = "unary" if model == bodies.UNARY else "stream"
        return Target(self.port, f"/{side}/v1/chat/completions", model, {"authorization": "Bearer bench"})
