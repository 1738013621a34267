"""Real processes: a supervisor over workers of a few lines, which write down what they are told."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

WORKER = """
import os, socket, sys, time
line, folder = socket.socket(fileno=int(sys.argv[1])), sys.argv[2]
index = line.recv(int.from_bytes(line.recv(4), "big")).decode()
notes = os.open(folder + "/notes", os.O_APPEND | os.O_CREAT | os.O_WRONLY)
note = lambda text: os.write(notes, (index + " " + text + "\\n").encode())
note("pid " + str(os.getpid()))
if os.path.exists(folder + "/broken-" + index):
    sys.exit(7)
line.send(b"\\n")
if os.path.exists(folder + "/stuck"):
    time.sleep(20)
while True:
    word = line.recv(1).decode()
    note(word or "alone")
    if word in ("", "a") or word == "d" and not os.path.exists(folder + "/busy"):
        sys.exit(0)
"""

PARENT = """
import logging, socket, sys
from polyrelay.background.supervision import supervisor, worker
folder, workers = sys.argv[1], int(sys.argv[2])
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
supervisor.ABORT_SECONDS, worker.FIRST_DELAY = 0.3, 0.02
heavy = {"asyncio", "msgspec", "rich", "typer", "uvicorn", "pycurl", "sqlite3", "ssl"} & set(sys.modules)
assert not heavy, heavy

def command(tether):
    return [sys.executable, "-S", "-E", folder + "/worker.py", str(tether), folder]

def greet(index):
    return str(index).encode()

with socket.socket() as listener:
    listener.bind(("127.0.0.1", 0))
    crew = supervisor.Supervisor(workers, command, greet, listener)
    sys.exit(crew.run(lambda pids: print(*pids, flush=True)))
"""


class Crew:
    def __init__(self, folder: Path, popen: subprocess.Popen[str]) -> None:
        self.folder = folder
        self.popen = popen

    def pids(self) -> list[int]:
        """Said once all serve; empty when that never comes."""
        assert self.popen.stdout is not None
        return [int(pid) for pid in self.popen.stdout.readline().split()]

    def notes(self) -> list[str]:
        return (self.folder / "notes").read_text().splitlines()

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)


@contextmanager
def crew(folder: Path, workers: int = 2) -> Iterator[Crew]:
    (folder / "worker.py").write_text(WORKER)
    command = [sys.executable, "-c", PARENT, str(folder), str(workers)]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as popen,
    ):
        try:
            yield Crew(folder, popen)
        finally:
            popen.kill()


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether it runs; what nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_orders_reach_every_worker_and_all_end_well(tmp_path: Path) -> None:
    with crew(tmp_path, 3) as found:
        pids = found.pids()
        assert sorted(found.notes()) == [f"{index} pid {pid}" for index, pid in enumerate(pids)]
        found.signal(signal.SIGHUP)
        until(lambda: len(found.notes()) == 6)
        assert sorted(found.notes()[3:]) == ["0 r", "1 r", "2 r"]
        found.signal(signal.SIGINT)
        assert found.popen.wait(5) == 0
        assert sorted(found.notes()[6:]) == ["0 d", "1 d", "2 d"]
        assert found.pids() == []


def test_a_dead_worker_is_replaced_in_its_place(tmp_path: Path) -> None:
    with crew(tmp_path) as found:
        pids = found.pids()
        os.kill(pids[1], signal.SIGKILL)
        until(lambda: "worker 1 serves" in found.log().partition("replaced")[2])
        assert f"WARNING worker 1 (pid {pids[1]}) was killed by SIGKILL; it is replaced in 0.02 s" in found.log()
        assert found.notes()[-1].startswith("1 pid ")
        assert alive(pids[0])
        found.signal(signal.SIGTERM)
        assert found.popen.wait(5) == 0


def test_a_relay_that_cannot_start_gives_up_with_the_workers_code(tmp_path: Path) -> None:
    (tmp_path / "broken-1").touch()
    with crew(tmp_path) as found:
        assert found.pids() == []
        assert found.popen.wait(5) == 7
        assert found.log().count("ended with code 7; it is replaced in") == 4
        assert "ended with code 7, 5 times in a row: giving up" in found.log()
        assert found.notes()[-1] == "0 d"


def test_who_serves_is_not_ended_by_one_that_cannot_start(tmp_path: Path) -> None:
    with crew(tmp_path) as found:
        pids = found.pids()
        (tmp_path / "broken-0").touch()
        os.kill(pids[0], signal.SIGKILL)
        until(lambda: found.log().count("code 7; it is replaced in") == 6)
        (tmp_path / "broken-0").unlink()
        until(lambda: "worker 0 serves" in found.log().rpartition("code 7")[2])
        assert alive(pids[1])
        found.signal(signal.SIGTERM)
        assert found.popen.wait(5) == 0


def test_a_second_signal_waits_for_nobody(tmp_path: Path) -> None:
    (tmp_path / "busy").touch()
    with crew(tmp_path) as found:
        assert found.pids()
        found.signal(signal.SIGTERM)
        until(lambda: sorted(found.notes()[2:]) == ["0 d", "1 d"])
        found.signal(signal.SIGTERM)
        assert found.popen.wait(5) == 0
        assert sorted(found.notes()[4:]) == ["0 a", "1 a"]


def test_a_worker_that_hears_nothing_is_killed_after_the_second_signal(tmp_path: Path) -> None:
    (tmp_path / "stuck").touch()
    with crew(tmp_path) as found:
        pids = found.pids()
        found.signal(signal.SIGTERM)
        found.signal(signal.SIGINT)
        assert found.popen.wait(5) == 0
        assert found.log().count("was killed by SIGKILL") == 2
        assert not any(alive(pid) for pid in pids)


def test_workers_see_that_their_supervisor_was_killed(tmp_path: Path) -> None:
    with crew(tmp_path) as found:
        pids = found.pids()
        found.popen.kill()
        until(lambda: not any(alive(pid) for pid in pids))
        assert sorted(found.notes()[2:]) == ["0 alone", "1 alone"]


def test_a_command_that_does_not_exist_counts_as_a_start_that_failed(tmp_path: Path) -> None:
    program = PARENT.replace("return [sys.executable", 'return ["/nonexistent/python"')
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), "1"], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 1
    assert "worker 0 could not be started: No such file or directory, 5 times in a row: giving up" in done.stderr
