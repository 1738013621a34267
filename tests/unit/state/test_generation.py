import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from polyrelay.kernel.errors import ConfigurationError
from polyrelay.state.generation import FILE, Generation

BUMPS = 2000
PROCESSES = 4


@pytest.fixture
def generation(tmp_path: Path) -> Iterator[Generation]:
    with closing(Generation.open(tmp_path)) as found:
        yield found


def test_numbers_begin_at_0_and_are_apart(generation: Generation) -> None:
    assert (generation.read("keys"), generation.read("recall")) == (0, 0)
    assert generation.bump("keys") == 1
    assert generation.bump("keys") == 2
    assert generation.bump("recall") == 1
    assert (generation.read("keys"), generation.read("recall")) == (2, 1)


def test_a_reader_and_another_opening_see_a_bump_at_once(generation: Generation, tmp_path: Path) -> None:
    reader = generation.reader("keys")
    with closing(Generation.open(tmp_path)) as other:
        other.bump("keys")
        assert reader() == 1
        generation.bump("keys")
        assert other.read("keys") == 2


def test_numbers_outlive_whoever_made_them(tmp_path: Path) -> None:
    for expected in (1, 2):
        with closing(Generation.open(tmp_path)) as found:
            assert found.bump("keys") == expected


def test_only_the_owner_may_look(generation: Generation, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_a_file_that_is_too_short_is_grown_and_keeps_what_it_says(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes((7).to_bytes(8, sys.byteorder))
    with closing(Generation.open(tmp_path)) as found:
        assert (found.read("keys"), found.read("recall")) == (7, 0)


def test_after_the_last_number_comes_0(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes((2**64 - 1).to_bytes(8, sys.byteorder))
    with closing(Generation.open(tmp_path)) as found:
        assert found.bump("keys") == 0


def test_an_unknown_name_is_refused(generation: Generation) -> None:
    with pytest.raises(KeyError):
        generation.bump("nothing")


def test_a_folder_that_cannot_hold_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"{tmp_path}/absent/{FILE}: No such file"):
        Generation.open(tmp_path / "absent")


def test_no_bump_of_several_processes_and_threads_is_lost(generation: Generation, tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from polyrelay.state.generation import Generation\n"
        "found = Generation.open(pathlib.Path(sys.argv[1]))\n"
        "for _ in range(int(sys.argv[2])): found.bump('keys')\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path), str(BUMPS)]
    processes = [subprocess.Popen(command) for _ in range(PROCESSES)]

    def bump() -> None:
        for _ in range(BUMPS):
            generation.bump("keys")

    threads = [threading.Thread(target=bump) for _ in range(2)]
    for thread in threads:
        thread.start()
    seen = [generation.read("keys")]
    while any(process.poll() is None for process in processes):
        seen.append(generation.read("keys"))
    for thread in threads:
        thread.join()
    assert [process.returncode for process in processes] == [0] * PROCESSES
    assert seen == sorted(seen)
    assert generation.read("keys") == BUMPS * (PROCESSES + len(threads))
