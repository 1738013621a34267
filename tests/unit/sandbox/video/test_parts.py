"""Parts of a film, as servers of videos hand them out."""

import pytest

from polyrelay.sandbox.video import parts

DATA = bytes(range(100))


@pytest.mark.parametrize(
    ("wanted", "first", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=99-", 99, 100),
        ("bytes=0-500", 0, 100),
        ("bytes=-5", 95, 100),
    ],
)
def test_a_part(wanted: str, first: int, end: int) -> None:
    reply = parts.reply("video/mp4", DATA, wanted)
    assert (reply.status, b"".join(reply.portions)) == (206, DATA[first:end])
    assert dict(reply.headers)["content-range"] == f"bytes {first}-{end - 1}/100"


@pytest.mark.parametrize("wanted", ["", "bytes=-", "bytes=0-1,5-6", "items=0-1"])
def test_all_of_it(wanted: str) -> None:
    reply = parts.reply("video/mp4", DATA, wanted)
    assert (reply.status, b"".join(reply.portions)) == (200, DATA)
    assert dict(reply.headers)["accept-ranges"] == "bytes"


@pytest.mark.parametrize("wanted", ["bytes=100-", "bytes=-0", "bytes=5-4"])
def test_behind_the_end(wanted: str) -> None:
    reply = parts.reply("video/mp4", DATA, wanted)
    assert (reply.status, list(reply.portions)) == (416, [])
    assert dict(reply.headers)["content-range"] == "bytes */100"
