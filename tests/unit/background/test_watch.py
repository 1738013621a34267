import os
from pathlib import Path

from polyrelay.background.watch import FileWatch


def test_a_file_is_new_once_after_each_change(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text("a")
    watch = FileWatch(file)
    assert not watch.changed()
    file.write_text("ab")
    assert not watch.changed()
    assert watch.changed()
    assert not watch.changed()


def test_the_same_size_at_another_time_is_a_change(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text("a")
    watch = FileWatch(file)
    os.utime(file, ns=(1, 1))
    assert not watch.changed()
    assert watch.changed()


def test_a_file_put_in_its_place_is_a_change(tmp_path: Path) -> None:
    """As editors and `kubectl` do, even when size and time are those of the old one."""
    file, other = tmp_path / "relay.toml", tmp_path / "new.toml"
    for path in (file, other):
        path.write_text("a")
        os.utime(path, ns=(1, 1))
    watch = FileWatch(file)
    other.replace(file)
    assert not watch.changed()
    assert watch.changed()


def test_a_file_that_is_gone_for_a_moment_is_no_change(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    watch = FileWatch(file)
    assert not watch.changed()
    file.write_text("a")
    assert not watch.changed()
    assert watch.changed()
    file.unlink()
    assert not watch.changed()
    file.write_text("other")
    assert not watch.changed()
    assert watch.changed()


def test_a_file_that_is_being_written_is_left_alone_until_it_rests(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text("a")
    watch = FileWatch(file)
    for text in ("ab", "abc", "abcd"):
        file.write_text(text)
        assert not watch.changed()
    assert watch.changed()
    assert not watch.changed()
