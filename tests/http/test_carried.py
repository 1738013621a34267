"""A form from a client to an upstream through one process: what it costs, and what is left of it."""

import asyncio
import hashlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support import forms
from support.forms import field, file
from support.lane import FORMS
from upstream.servers import Connection, close, listen, run, until

MIB = 1024 * 1024
SOUND = os.urandom(MIB) * 25
FORM = forms.body(field("model", b"whisper-1"), file("file", SOUND))
PASSED = forms.body(field("model", b"upstream-model"), file("file", SOUND))
TESTS = Path(__file__).parents[1]


@contextmanager
def carrier(spool: Path, *upstreams: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A running one, and its port."""
    command = [sys.executable, "-m", "support.carrier", str(spool), *upstreams]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(TESTS)}
    ) as made:
        try:
            assert made.stdout is not None
            yield made, int(made.stdout.readline())
        finally:
            made.kill()


def reset_peak(pid: int) -> int:
    """Forget the peak of resident memory; returns what is resident now, in bytes."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return resident(pid, "VmRSS")


def resident(pid: int, which: str) -> int:
    found = re.search(rf"{which}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def open_files(pid: int, spool: Path) -> int:
    """Descriptors of `pid` of files without a name in `spool`."""
    links = [entry for entry in Path(f"/proc/{pid}/fd").iterdir() if entry.is_symlink()]
    return sum(str(link.readlink()).startswith(f"{spool}/") for link in links)


def names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


async def ask(port: int, body: bytes) -> bytes:
    """Post `body` as a form; the answer's body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(forms.head(FORMS, len(body)))
        for start in range(0, len(body), 65536):
            writer.write(body[start : start + 65536])
            await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        size = re.search(rb"content-length: (\d+)", head)
        assert size is not None
        return await reader.readexactly(int(size[1]))
    finally:
        await close(writer)


async def digesting(connection: Connection) -> None:
    while (request := await connection.request()) is not None:
        await connection.answer(hashlib.sha256(request.body).hexdigest().encode())


def test_25_mb_pass_through_and_hardly_touch_the_memory(tmp_path: Path) -> None:
    async def main() -> None:
        async with listen(digesting) as server:
            with carrier(tmp_path, server.base) as (process, port):
                await ask(port, forms.body(field("model", b"m"), file("file", SOUND[:MIB])))
                before = reset_peak(process.pid)
                assert (await ask(port, FORM)).decode() == hashlib.sha256(PASSED).hexdigest()
                assert resident(process.pid, "VmHWM") - before < 10 * MIB
                assert open_files(process.pid, tmp_path) == 0
        assert names(tmp_path) == []

    run(main())


def test_a_failover_sends_all_of_it_again(tmp_path: Path) -> None:
    async def breaking(connection: Connection) -> None:
        await connection.reader.read(MIB)

    async def busy(connection: Connection) -> None:
        while await connection.request() is not None:
            await connection.answer(b"{}", status="503 Service Unavailable")

    async def main() -> None:
        async with listen(breaking) as first, listen(busy) as second, listen(digesting) as third:
            with carrier(tmp_path, first.base, second.base, third.base) as (process, port):
                assert (await ask(port, FORM)).decode() == hashlib.sha256(PASSED).hexdigest()
                assert open_files(process.pid, tmp_path) == 0

    run(main())


def test_a_killed_process_leaves_no_file(tmp_path: Path) -> None:
    async def silent(connection: Connection) -> None:
        await connection.request()
        received.set()
        await connection.gone()

    received = asyncio.Event()

    async def main() -> None:
        async with listen(silent) as server:
            with carrier(tmp_path, server.base) as (process, port):
                asking = asyncio.create_task(ask(port, FORM))
                await received.wait()
                assert open_files(process.pid, tmp_path) == 1
                assert names(tmp_path) == []
                process.send_signal(signal.SIGKILL)
                await until(lambda: process.poll() is not None)
                await asyncio.gather(asking, return_exceptions=True)
        assert names(tmp_path) == []

    run(main())
