"""A journal against what kills it: the process, the disk, a second owner."""

import errno
import fcntl
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyrelay.storage.journaling import frames
from polyrelay.storage.journaling.journal import (
    Adopted,
    Journal,
    JournalDamaged,
    JournalError,
    JournalFull,
    Sync,
    adopt,
    framed,
    read_from,
)

WRITER = """
import os, sys
from pathlib import Path
from polyrelay.storage.journaling.journal import Journal
journal = Journal.create(Path(sys.argv[1]), sync="off", step=1 << 16)
for number in range(10**9):
    end = journal.append(b"%d " % number * (1 + number % 400), room=50)
    journal.append(b"done", reserved=50)
    os.write(1, b"%d %d\\n" % (number, end))
"""

ADOPTER = """
import sys
from pathlib import Path
from polyrelay.storage.journaling.journal import adopt
print("ready", flush=True)
sys.stdin.readline()
mine = adopt(Path(sys.argv[1]))
print("mine" if mine else "none", flush=True)
sys.stdin.readline()
"""

FULL_DISK = """
import json, resource, sys
from pathlib import Path
from polyrelay.storage.journaling.journal import Journal, JournalFull, framed
path, room = Path(sys.argv[1]), framed(300) + framed(500)
resource.setrlimit(resource.RLIMIT_FSIZE, (5 * 4096 + 1000,) * 2)
journal, holds = Journal.create(path, sync="off", step=4096), 0
def refused():
    before = journal.size, journal.reserved
    try:
        journal.append(b"hold", room=room)
    except JournalFull:
        assert (journal.size, journal.reserved) == before
        return True
    return False
while not refused():
    holds += 1
for number in range(holds):
    journal.append(b"s" * 300, reserved=framed(300))
    assert number or refused()
    journal.append(b"t" * 500, reserved=framed(500))
assert refused() and journal.reserved == 0
print(json.dumps([holds, journal.size]))
"""


@contextmanager
def python(script: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process of its own, killed at the end of the block."""
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def payloads(journal: Journal | Adopted) -> list[bytes]:
    return [payload for _, payload in journal.read(0)]


def adopted(path: Path) -> Adopted:
    mine = adopt(path)
    assert mine is not None
    return mine


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "w1.journal"


# ── writing and reading ──────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.tuples(st.binary(max_size=3000), st.integers(0, 3000), st.booleans())))
def test_reservations_always_lie_within_what_is_allocated(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bytes, int, bool]]
) -> None:
    path = tmp_path_factory.mktemp("journal") / "j"
    with Journal.create(path, sync="off", step=4096) as journal:
        expected = []
        for payload, room, taking in steps:
            reserved = min(journal.reserved, framed(len(payload))) if taking else 0
            expected.append((journal.append(payload, room=room, reserved=reserved), payload))
            assert journal.size + journal.reserved <= path.stat().st_blocks * 512
        assert list(journal.read(0)) == list(read_from(path)) == expected
        assert journal.size == (expected[-1][0] if expected else 0)
        journal.remove()


def test_the_file_is_private_new_and_locked(path: Path) -> None:
    with Journal.create(path, sync="off"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert adopt(path) is None
        with pytest.raises(JournalError, match=r"w1\.journal: File exists"):
            Journal.create(path, sync="off")
    adopted(path).remove()
    assert not path.exists()


@pytest.mark.parametrize(("size", "room", "reserved"), [(0, 0, 11), (0, 11, 11), (frames.PAYLOAD_MAX + 1, 0, 0)])
def test_misuse_changes_nothing(path: Path, size: int, room: int, reserved: int) -> None:
    with Journal.create(path, sync="off") as journal:
        before = journal.append(b"hold", room=10)
        with pytest.raises(ValueError, match="reserved"):
            journal.append(bytes(size), room=room, reserved=reserved)
        assert (journal.size, journal.reserved) == (before, 10)
        journal.append(bytes(frames.PAYLOAD_MAX), reserved=10)


def test_damage_is_named_by_path_and_offset_and_read_no_further(path: Path) -> None:
    with Journal.create(path, sync="off") as journal:
        first, second = journal.append(b"one"), journal.append(b"two")
        journal.append(b"three")
    with path.open("r+b") as file:
        file.seek(second - 1)
        file.write(b"?")
    with adopted(path) as mine:
        for records in (mine.read(), read_from(path)):
            assert next(records) == (first, b"one")
            with pytest.raises(JournalDamaged, match=f"w1.journal is damaged at byte {first}") as caught:
                next(records)
            assert (caught.value.path, caught.value.offset) == (path, first)
        assert [payload for _, payload in mine.read(second)] == [b"three"]


def test_the_owner_reads_to_its_own_end_and_takes_a_torn_record_for_damage(path: Path) -> None:
    with Journal.create(path, sync="off") as journal:
        end = journal.append(b"one")
        records = journal.read(0)
        journal.append(b"later")
        assert list(records) == [(end, b"one")]
        os.truncate(path, journal.size - 1)
        with pytest.raises(JournalDamaged):
            payloads(journal)


def test_a_file_cut_at_any_byte_of_its_last_record_gives_all_others(path: Path) -> None:
    with Journal.create(path, sync="off") as journal:
        first, second = journal.append(b"one"), journal.append(b"two")
    for cut in reversed(range(first, second)):
        os.truncate(path, cut)
        with adopted(path) as mine:
            assert list(mine.read()) == list(read_from(path)) == [(first, b"one")], cut


# ── kill -9 ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("records", [1, 300, 3000])
def test_every_append_that_returned_outlives_its_process(path: Path, records: int) -> None:
    with python(WRITER, path) as writer:
        assert writer.stdout is not None
        reported = [said(writer) for _ in range(records)]
        looks = [sum(1 for _ in read_from(path, buffer=size)) for size in (100, 5000, frames.BUFFER)]
        assert looks == sorted(looks)
        assert looks[0] >= 2 * records
        writer.kill()
        reported += writer.stdout.read().splitlines()
    with adopted(path) as mine:
        found = list(mine.read())
    assert reported[:-1] == [f"{number} {end}" for number, (end, _) in enumerate(found[::2])][: len(reported) - 1]
    assert 2 * len(reported) <= len(found) <= 2 * len(reported) + 2
    for number, (_, payload) in enumerate(found[::2]):
        assert payload == b"%d " % number * (1 + number % 400)


def test_of_two_adopters_exactly_one_gets_it(path: Path) -> None:
    with python(ADOPTER, path) as one, python(ADOPTER, path) as other:
        with Journal.create(path, sync="off"):
            assert [said(one), said(other)] == ["ready", "ready"]
        tell(one)
        tell(other)
        assert sorted([said(one), said(other)]) == ["mine", "none"]
        assert adopt(path) is None
    adopted(path).close()


@pytest.mark.parametrize("meanwhile", [Path.unlink, lambda path: Path(f"{path}.new").replace(path)])
def test_a_file_removed_or_replaced_before_the_lock_is_not_adopted(
    path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[Path], None]
) -> None:
    Journal.create(path, sync="off").close()
    Path(f"{path}.new").touch()
    monkeypatch.setattr(fcntl, "flock", lambda fd, how: meanwhile(path))
    assert adopt(path) is None
    monkeypatch.undo()
    path.unlink(missing_ok=True)
    assert adopt(path) is None


def test_a_journal_adopted_as_it_is_made_is_not_used(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flock, taken = fcntl.flock, []

    def after_another(fd: int, how: int) -> None:
        monkeypatch.undo()
        taken.append(adopted(path))
        flock(fd, how)

    monkeypatch.setattr(fcntl, "flock", after_another)
    with pytest.raises(JournalError, match="adopted while it was made"):
        Journal.create(path, sync="off")
    taken[0].remove()


# ── the disk ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_full_disk_refuses_holds_and_takes_the_settles_of_earlier_ones(path: Path) -> None:
    with python(FULL_DISK, path) as process:
        holds, size = json.loads(said(process))
    written = [payload for _, payload in read_from(path)]
    assert written == [b"hold"] * holds + [b"s" * 300, b"t" * 500] * holds
    assert 5 * 4096 - 2 * (framed(4) + framed(300) + framed(500)) < size <= 5 * 4096


def test_a_disk_too_small_for_the_first_step_leaves_no_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "posix_fallocate", failing(errno.ENOSPC))
    with pytest.raises(JournalFull, match="No space left"):
        Journal.create(path, sync="off")
    assert not path.exists()


def test_a_file_system_without_allocation_is_filled_with_zeros(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "posix_fallocate", failing(errno.EOPNOTSUPP))
    with Journal.create(path, sync="off", step=4096) as journal:
        written = [bytes([number]) * 1000 for number in range(10)]
        for payload in written:
            journal.append(payload)
        assert path.stat().st_blocks * 512 >= journal.size
        assert payloads(journal) == [payload for _, payload in read_from(path)] == written


def failing(number: int) -> Callable[..., int]:
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("cut", [0, 1, framed(0), framed(8)])
def test_a_short_write_is_tried_again_and_then_overwritten(
    path: Path, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    pwrite, short = os.pwrite, 0

    def cutting(fd: int, data: bytes, offset: int) -> int:
        nonlocal short
        short -= 1
        return pwrite(fd, data[:cut] if short >= 0 else data, offset)

    with Journal.create(path, sync="off") as journal:
        monkeypatch.setattr(os, "pwrite", cutting)
        before = journal.append(b"before", room=99)
        short = 1
        assert journal.append(b"cut once!") == before + framed(9)
        end, short = journal.size, 2
        with pytest.raises(JournalFull):
            journal.append(b"cut twice", room=5, reserved=50)
        assert (journal.size, journal.reserved) == (end, 99)
        assert [payload for _, payload in read_from(path)] == [b"before", b"cut once!"]
        journal.append(b"after", reserved=99)
        assert [payload for _, payload in read_from(path)] == payloads(journal) == [b"before", b"cut once!", b"after"]


def test_a_write_that_fails_twice_is_told_and_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal.create(path, sync="off") as journal:
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", failing(errno.EIO))
            with pytest.raises(JournalError, match=r"cannot write .*w1\.journal: Input/output error"):
                journal.append(b"lost", room=10)
        assert (journal.size, journal.reserved) == (0, 0)
        journal.append(b"kept")
        assert payloads(journal) == [b"kept"]


# ── power loss ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("sync", "synced"), [("off", []), ("interval", ["folder", "data"]), ("always", ["folder", "data"])]
)
def test_what_is_synced(path: Path, monkeypatch: pytest.MonkeyPatch, sync: Sync, synced: list[str]) -> None:
    calls: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: calls.append("folder"))
    monkeypatch.setattr(os, "fdatasync", lambda fd: calls.append("data"))
    with Journal.create(path, sync=sync) as journal:
        assert journal.sync() == 0
        end = journal.append(b"one")
        assert journal.durable == 0
        assert journal.sync() == journal.sync() == journal.durable == end
    assert calls == synced


def test_records_appended_during_a_sync_wait_for_the_next(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal.create(path, sync="always") as journal:
        first = journal.append(b"one")
        monkeypatch.setattr(os, "fdatasync", lambda fd: journal.append(b"two"))
        assert journal.sync() == journal.durable == first
        monkeypatch.undo()
        assert journal.sync() == journal.size > first


def test_after_a_failed_sync_nothing_counts_as_durable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal.create(path, sync="always") as journal:
        durable = journal.append(b"one")
        journal.sync()
        journal.append(b"two")
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", failing(errno.EIO))
            with pytest.raises(JournalError, match="cannot sync"):
                journal.sync()
        with pytest.raises(JournalError, match="was not synced once"):
            journal.sync()
        assert journal.durable == durable


@pytest.mark.parametrize(
    ("content", "sound"),
    [
        (b"", True),
        (bytes(300), True),
        (frames.MAGIC + b"\x09", True),
        (frames.pack(b"first", 17)[:-1], True),
        (frames.MAGIC[:2] + bytes(300), True),
        (frames.MAGIC[:2] + bytes(300) + b"x", False),
        (b"garbage", False),
        (bytes(300) + b"x", False),
    ],
)
@pytest.mark.parametrize("buffer", [16, 1 << 18])
def test_a_file_begins_with_a_record_or_is_empty(tmp_path: Path, content: bytes, buffer: int, *, sound: bool) -> None:
    path = tmp_path / "journal"
    path.write_bytes(content)
    if sound:
        assert list(read_from(path, buffer=buffer)) == []
    else:
        with pytest.raises(JournalDamaged, match="at byte 0"):
            list(read_from(path, buffer=buffer))
