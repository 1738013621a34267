"""`serve` with several workers: one port, one address, and no client that notices which of them lives."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from polyrelay.sandbox import certificate
from support import raw
from support.processes import RelayProcess, Vendor, channel, make_key, prices, relay, running, trust, until
from support.raw import Raw

WORKERS = 4
PARENT_KILOBYTES = 24_000
"""Resident memory a supervisor may have; an idle interpreter has 10 MB, a worker 60."""


def config(folder: Path, vendor: Vendor, workers: int = 2, drain_seconds: float = 5) -> str:
    file = folder / "vendor.key"
    folder.mkdir(exist_ok=True)
    file.write_text("first-secret\n")
    server = f'[server]\nport = 0\ndata = "{folder / "data"}"\nworkers = {workers}\ndrain_seconds = {drain_seconds}\n'
    channels = channel("main", vendor.base_url, '{ name = "m", upstream = "vendor-m" }')
    return server + channels.replace('value = "sandbox-secret-main"', f'file = "{file}"')


@pytest.fixture(scope="module")
def crew(sandbox: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    folder = tmp_path_factory.mktemp("crew")
    with relay(folder, config(folder, sandbox, WORKERS)) as served:
        yield served


def pids(served: RelayProcess, *, at_first: bool = False) -> list[int]:
    """Those of the workers now, or `at_first`, by index: the log tells who replaced whom."""
    told = re.findall(r"worker (\d+) serves, pid (\d+)", served.process.log.read_text())
    found = dict(told[::-1] if at_first else told)
    return [int(found[index]) for index in sorted(found)]


def alive(pid: int) -> bool:
    """Whether it runs; what nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def descriptors(pid: int) -> set[str]:
    """What a process has open."""
    try:
        return {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    except FileNotFoundError:
        return set()


def holder(client: Raw, served: RelayProcess) -> int:
    """The worker that has accepted this connection."""
    theirs, ours = client.socket.getpeername()[1], client.socket.getsockname()[1]
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    (inode,) = [row[9] for row in rows if row[1].endswith(f":{theirs:04X}") and row[2].endswith(f":{ours:04X}")]
    (found,) = [pid for pid in pids(served) if f"socket:[{inode}]" in descriptors(pid)]
    return found


@contextmanager
def one_each(served: RelayProcess) -> Iterator[dict[int, Raw]]:
    """An idle keep-alive connection to each worker, by process id."""
    found: dict[int, Raw] = {}
    with ExitStack() as stack:
        for _ in range(400):
            client = stack.enter_context(raw.connected(served))
            client.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            client.read_until(b'"ok"')
            client.seen = b""
            found.setdefault(holder(client, served), client)
            if len(found) == len(pids(served)):
                break
        yield found


def ask(client: Raw, key: str) -> bytes:
    """A streamed answer on an open connection."""
    client.seen = b""
    client.send(raw.chat(key))
    return client.read_until(b"0\r\n\r\n")


def connects(served: RelayProcess) -> bool:
    parts = urlsplit(served.url)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname or "", parts.port or 0)) == 0


# ── while they live ──────────────────────────────────────────────────────────────────────────────────────────────


def test_every_worker_serves_one_port_and_the_parent_is_small(crew: RelayProcess, fresh: Vendor) -> None:
    assert pids(crew, at_first=True) == crew.process.said["workers"]
    assert len(set(pids(crew))) == WORKERS
    with one_each(crew) as clients:
        assert set(clients) == set(pids(crew))
        for client in clients.values():
            assert b"data: [DONE]" in ask(client, crew.key)
    status = Path(f"/proc/{crew.process.popen.pid}/status").read_text()
    resident = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert resident is not None
    assert int(resident[1]) < PARENT_KILOBYTES


def test_sighup_reads_the_configuration_again_in_every_worker(crew: RelayProcess, fresh: Vendor) -> None:
    """A credential's file is not watched, so this is the signal's doing."""

    def sent(client: Raw) -> str:
        ask(client, crew.key)
        return str(dict(fresh.requests()[-1]["headers"])["authorization"])

    def reloaded(client: Raw, secret: str) -> bool:
        return sent(client) == f"Bearer {secret}-secret"

    with one_each(crew) as clients:
        before = {sent(client) for client in clients.values()}
        assert len(before) == 1
        secret = "second" if "first" in before.pop() else "first"
        (crew.config.parent / "vendor.key").write_text(f"{secret}-secret\n")
        crew.process.popen.send_signal(signal.SIGHUP)
        for client in clients.values():
            until(partial(reloaded, client, secret))


def test_a_killed_worker_under_load_is_replaced_and_the_others_go_on(crew: RelayProcess, fresh: Vendor) -> None:
    fresh.script("vendor-m", tokens=10, pace="5ms")
    over = threading.Event()
    failures: list[tuple[int, str]] = []
    complete: list[int] = []

    def load(clients: dict[int, Raw]) -> None:
        while not over.is_set():
            for pid, client in list(clients.items()):
                try:
                    complete.append(pid) if b"[DONE]" in ask(client, crew.key) else failures.append((pid, "cut"))
                except (OSError, AssertionError) as error:
                    failures.append((pid, repr(error)))
                    del clients[pid]

    before, log = pids(crew), len(crew.process.log.read_text())
    victim = before[2]
    with ExitStack() as stack:
        crowds = [stack.enter_context(one_each(crew)) for _ in range(3)]
        threads = [threading.Thread(target=load, args=(clients,)) for clients in crowds]
        for thread in threads:
            thread.start()
        until(lambda: set(complete) == set(before))
        os.kill(victim, signal.SIGKILL)
        until(lambda: "worker 2 serves" in crew.process.log.read_text()[log:])
        settled = len(complete)
        until(lambda: len(complete) > settled + 20)
        over.set()
        for thread in threads:
            thread.join()
    assert {pid for pid, _ in failures} <= {victim}
    assert f"worker 2 (pid {victim}) was killed by SIGKILL; it is replaced" in crew.process.log.read_text()[log:]
    after = pids(crew)
    assert [index for index in range(WORKERS) if before[index] != after[index]] == [2]
    with one_each(crew) as clients:
        assert b"[DONE]" in ask(clients[after[2]], crew.key)


# ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def streaming(served: RelayProcess) -> Iterator[dict[int, Raw]]:
    """An open stream through each worker, three frames into it."""
    with one_each(served) as clients:
        for client in clients.values():
            client.send(raw.chat(served.key))
            client.read_until(b"data: ", 3)
        yield clients


@pytest.mark.parametrize("to_workers_too", [False, True])
def test_at_sigterm_every_worker_lets_its_streams_finish(to_workers_too: bool, fresh: Vendor, tmp_path: Path) -> None:
    """systemd signals every process of the service: that is one request to end, not two."""
    fresh.script("vendor-m", tokens=40, pace="20ms")
    with relay(tmp_path, config(tmp_path, fresh)) as served, streaming(served) as clients:
        assert len(clients) == 2
        for pid in [served.process.popen.pid, *(clients if to_workers_too else ())]:
            os.kill(pid, signal.SIGTERM)
        until(lambda: not connects(served))
        for client in clients.values():
            assert b"data: [DONE]" in client.read_to_end()
        assert served.process.popen.wait(10) == 0
        assert not any(map(alive, clients))


def test_a_second_signal_ends_every_worker_at_once(fresh: Vendor, tmp_path: Path) -> None:
    fresh.script("vendor-m", tokens=60, stall=1500)
    with relay(tmp_path, config(tmp_path, fresh, drain_seconds=60)) as served, streaming(served) as clients:
        served.process.popen.send_signal(signal.SIGINT)
        until(lambda: not connects(served))
        served.process.popen.send_signal(signal.SIGINT)
        assert served.process.popen.wait(5) == 0
        assert not any(map(alive, clients))
        for client in clients.values():
            assert b"[DONE]" not in client.read_to_end()


def test_when_the_parent_is_killed_the_workers_drain_and_end(fresh: Vendor, tmp_path: Path) -> None:
    fresh.script("vendor-m", tokens=40, pace="20ms")
    with relay(tmp_path, config(tmp_path, fresh)) as served, streaming(served) as clients:
        served.process.popen.kill()
        until(lambda: not connects(served))
        for client in clients.values():
            assert b"data: [DONE]" in client.read_to_end()
        until(lambda: not any(map(alive, clients)))
        assert served.process.log.read_text().count("the supervisor is gone") == 2


# ── how they start ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_command_line_wins_and_one_worker_needs_no_parent(fresh: Vendor, tmp_path: Path) -> None:
    file = tmp_path / "polyrelay.toml"
    text = config(tmp_path, fresh)
    file.write_text(text + prices(text))
    key = make_key(file)
    with running(tmp_path / "log", "serve", "--config", str(file), "--workers", "1") as process:
        assert "workers" not in process.said
        assert RelayProcess(process, file, key).ask().status_code == 200
        children = Path(f"/proc/{process.popen.pid}/task/{process.popen.pid}/children").read_text()
        assert children == ""


def test_tls(fresh: Vendor, tmp_path: Path) -> None:
    certificates = certificate.ensure(tmp_path / "tls")
    text = config(tmp_path, fresh)
    lines = f'tls_certificate = "{certificates.chain}"\ntls_key = "{certificates.key}"\nport = 0'
    with relay(tmp_path, text.replace("port = 0", lines)) as served:
        assert served.url.startswith("https://")
        for _ in range(8):
            with httpx2.Client(verify=trust(str(certificates.ca)), trust_env=False) as client:
                assert client.get(f"{served.url}/healthz").status_code == 200


def test_a_taken_port_is_refused_before_any_worker_starts(fresh: Vendor, tmp_path: Path) -> None:
    file = tmp_path / "polyrelay.toml"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        file.write_text(config(tmp_path, fresh).replace("port = 0", f"port = {taken.getsockname()[1]}"))
        command = [sys.executable, "-m", "polyrelay", "serve", "--config", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 3
    assert "cannot listen on 127.0.0.1 port" in done.stderr
    assert "worker" not in done.stderr


def test_a_replacement_agrees_with_its_siblings_whatever_the_file_says_now(fresh: Vendor, tmp_path: Path) -> None:
    with relay(tmp_path, config(tmp_path, fresh)) as served:
        other = served.config.read_text().replace(str(tmp_path / "data"), str(tmp_path / "elsewhere"))
        served.config.write_text(other.replace("workers = 2", "workers = 3"))
        until(lambda: served.process.log.read_text().count("take effect at the next start") == 2)
        os.kill(pids(served)[0], signal.SIGKILL)
        until(lambda: served.process.log.read_text().count("worker 0 serves") == 2)
        assert not (tmp_path / "elsewhere").exists()
        assert len(pids(served)) == 2
        with one_each(served) as clients:
            assert set(clients) == set(pids(served))
            for client in clients.values():
                assert b"[DONE]" in ask(client, served.key)
        lines = [line for line in served.process.log.read_text().splitlines() if not line.startswith("{")]
        assert lines == []
        assert json.loads(served.process.log.read_text().splitlines()[0])
