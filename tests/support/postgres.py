"""A real PostgreSQL server from Debian's binaries: one for the whole test process, or one's own to stop and start."""

import asyncio
import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import count
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from polyrelay.storage.sql.database import open_postgres

USER = "polyrelay"
START_SECONDS = 60.0
STOP_SECONDS = 60.0

FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=16MB", "max_connections=60")
"""No test pulls the plug, so nothing is lost by not syncing."""

StopMode = Literal["smart", "fast", "immediate"]
_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
"""Of the postmaster: wait for clients; end their transactions; crash (PostgreSQL manual, 18.5)."""

_numbers = count(1)


def fresh_database() -> str:
    """The URL of an empty database on the server that this process shares."""
    return shared().fresh_database()


def ready_database() -> str:
    """The URL of a database that has its tables and no rows: much faster than making them."""
    return shared().fresh_database(_template())


@cache
def _template() -> str:
    """The name of a database with tables; nobody may be connected to it."""
    url = fresh_database()

    async def make() -> None:
        await (await open_postgres(url)).close()

    with ThreadPoolExecutor(1) as elsewhere:
        elsewhere.submit(asyncio.run, make()).result()
    return urlsplit(url).path[1:]


@cache
def shared() -> "Server":
    """Started on first use, ended with the process. Whoever stops a server makes one of their own."""
    server = Server()
    atexit.register(server.remove)
    server.start()
    return server


class Server:
    """A cluster in a temporary folder, reached by a Unix socket in it, so that no port can be taken."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="polyrelay-pg-"))
        self._binaries = binaries()
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            owner = pwd.getpwnam(_unprivileged())
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
        self._make()

    def start(self) -> None:
        """Returns once connections are taken. Raises RuntimeError with the log's end."""
        settings = [word for setting in (*FAST, self._sockets) for word in ("-c", setting)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._as_user("postgres", "-D", str(self._data), "-c", "listen_addresses=", *settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_ready(self._process)

    def stop(self, mode: StopMode = "fast") -> None:
        """Returns once the server is gone. Without effect on one that is."""
        if self._process is None:
            return
        self._process.send_signal(_SIGNALS[mode])
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop and start."""
        self.stop(mode)
        self.start()

    def remove(self) -> None:
        """Stop, and delete everything."""
        self.stop("immediate")
        shutil.rmtree(self._folder, ignore_errors=True)

    def fresh_database(self, template: str = "template0") -> str:
        """The URL of a new database, a copy of another one."""
        name = f"test_{next(_numbers)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return self.url(name)

    def url(self, database: str) -> str:
        """Where a database is."""
        return f"postgresql://{USER}@/{database}?host={self._folder}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run a statement from outside; what it prints. Raises subprocess.CalledProcessError."""
        command = [str(self._binaries / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement, self.url(database)]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=START_SECONDS).stdout

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    @property
    def _sockets(self) -> str:
        return f"unix_socket_directories={self._folder}"

    def _make(self) -> None:
        options = ("-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C", "--no-sync")
        made = subprocess.run(
            self._as_user("initdb", *options, "-D", str(self._data)), capture_output=True, text=True, check=False
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stdout}{made.stderr}")

    def _as_user(self, program: str, *arguments: str) -> list[str]:
        """PostgreSQL refuses to run as root; and it is to end with the tests, however they end."""
        change = ["setpriv", "--pdeathsig", "QUIT"]
        if os.geteuid() == 0:
            owner = pwd.getpwnam(_unprivileged())
            change += [f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
        return [*change, str(self._binaries / program), *arguments]

    def _wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        ready = [str(self._binaries / "pg_isready"), "-q", "-h", str(self._folder), "-U", USER]
        while subprocess.run(ready, check=False, timeout=START_SECONDS).returncode:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start:\n{self._log.read_text()[-2000:]}")
            time.sleep(0.02)


@cache
def binaries() -> Path:
    """The newest version's programs. Raises RuntimeError when there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise RuntimeError("no PostgreSQL server is installed; `sh setup.sh test` installs Debian's `postgresql`")
    return found[-1].parent


@cache
def _unprivileged() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
