"""The two upstreams on the load core: nginx with a fixed unary answer, and the pacer for streams.

Each listens twice: with TLS for the gateways, and plain for the client's own baseline (the client speaks plain HTTP to
every gateway, so what a gateway adds includes its TLS to the upstream).
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from machine import LOAD_CORE, free_port
from process import Process

from load.bodies import completion

BENCH = Path(__file__).resolve().parent.parent
CACHE = BENCH / ".cache"
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
_READY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Certificate:
    """A throw-away authority and a certificate it signed for loopback."""

    authority: Path
    chain: Path
    key: Path

    @classmethod
    def make(cls, folder: Path) -> "Certificate":
        """Both made anew in the folder, with the openssl command."""
        made = cls(folder / "ca.pem", folder / "leaf.pem", folder / "leaf.key")
        authority_key = folder / "ca.key"
        common = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        common += ["-days", "30"]
        root = ["-keyout", str(authority_key), "-out", str(made.authority), "-subj", "/CN=bench authority"]
        leaf = ["-keyout", str(made.key), "-out", str(made.chain), "-subj", "/CN=localhost"]
        leaf += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        leaf += ["-addext", "basicConstraints=critical,CA:FALSE"]
        leaf += ["-CA", str(made.authority), "-CAkey", str(authority_key)]
        for each in (root, leaf):
            subprocess.run([*common, *each], check=True, capture_output=True)
        return made


def nginx_config(folder: Path, http: str) -> str:
    """An nginx configuration with one worker that keeps everything it writes in the folder."""
    user = "user root;\n" if os.geteuid() == 0 else ""
    temporary = "".join(
        f"  {kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"{user}worker_processes 1;\ndaemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log warn;\n"
        "worker_rlimit_nofile 65536;\nevents { worker_connections 16384; }\n"
        "http {\n  access_log off;\n  default_type application/json;\n  keepalive_requests 1000000000;\n"
        "  keepalive_timeout 3600s;\n  client_max_body_size 64m;\n  client_body_buffer_size 32m;\n"
        f"{temporary}{http}}}\n"
    )


_UNARY = """
  map $content_length $whole_body {{ default 1; "~^[0-9]{{1,4}}$" 0; }}
  upstream sink {{ server unix:{folder}/sink.sock; keepalive 64; }}
  server {{ listen unix:{folder}/sink.sock; location / {{ return 200 '{answer}'; }} }}
  server {{
    listen 127.0.0.1:{plain_port} backlog=4096;
    listen 127.0.0.1:{port} ssl backlog=4096;
    ssl_certificate {chain};
    ssl_certificate_key {key};
    location = /sink {{
      internal;
      proxy_pass http://sink;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
    location / {{
      if ($whole_body) {{ rewrite ^ /sink last; }}
      return 200 '{answer}';
    }}
  }}
"""
"""`return` answers before a long body has come; behind the sink the whole body is read first, as a real vendor does."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where an upstream listens."""

    tls: int
    plain: int

    @classmethod
    def free(cls) -> "Ports":
        """Two free ports."""
        return cls(free_port(), free_port())


@dataclass(frozen=True, slots=True)
class Upstreams:
    """Both upstreams, running."""

    certificate: Certificate
    unary: Ports
    stream: Ports
    processes: tuple[Process, Process]

    @classmethod
    def start(cls, folder: Path) -> "Upstreams":
        """Start them; raises `process.Failed` when one does not come up."""
        certificate, unary, stream = Certificate.make(folder), Ports.free(), Ports.free()
        home = folder / "unary"
        home.mkdir()
        config = home / "nginx.conf"
        answer, chain, key = completion().decode(), certificate.chain, certificate.key
        http = _UNARY.format(folder=home, port=unary.tls, plain_port=unary.plain, chain=chain, key=key, answer=answer)
        config.write_text(nginx_config(home, http))
        nginx = Process("upstream-nginx", [NGINX, "-c", str(config), "-e", "stderr"], core=LOAD_CORE, folder=folder)
        command = [str(CACHE / "pacer"), str(stream.tls), str(stream.plain), str(chain), str(key)]
        pacer = Process("upstream-pacer", command, core=LOAD_CORE, folder=folder)
        started = cls(certificate, unary, stream, (nginx, pacer))
        try:
            nginx.wait_port(unary.tls, _READY_SECONDS)
            pacer.wait_port(stream.tls, _READY_SECONDS)
        except BaseException:
            started.stop()
            raise
        return started

    def stop(self) -> None:
        """End both."""
        for process in self.processes:
            process.stop()
