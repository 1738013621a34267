"""Things handed out over real sockets: whole, in parts, again, and to nobody without a link."""

import hashlib
import time
from collections.abc import AsyncIterator, Iterator
from email.utils import formatdate

import pytest

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.http.admin import control
from polyrelay.http.admin.instance import Instance
from polyrelay.http.application import Application
from polyrelay.http.artefacts import Artefacts
from polyrelay.http.ports import Answered
from polyrelay.jobs.artefacts import File
from polyrelay.kernel import errors
from polyrelay.kernel.ids import ExchangeId
from polyrelay.service.artefacts.gallery import Exhibit, Passed
from polyrelay.service.artefacts.ports import Absent
from polyrelay.service.download import DownloadFailed, Streamed
from polyrelay.service.ports import Head, HeaderList
from support.lane import Live, Response, eventually, get, live

WHOLE = bytes(range(256)) * 64
STORED_AT = 1_795_000_000.0
ETAG = f'"{hashlib.sha256(WHOLE).hexdigest()}"'
MODIFIED = formatdate(STORED_AT, usegmt=True)
LINK = "/artefacts/art_1/0-audio.mp3?expires=1&signature=good"


class Directory:
    def identify(self, headers: HeaderList) -> HeaderList:
        return [(b"x-request-id", b"px_1")]

    def models(self, headers: HeaderList, peer: str) -> Answered:
        raise AssertionError

    def model(self, name: str, headers: HeaderList, peer: str) -> Answered:
        raise AssertionError


class Shelf:
    """The gallery's twin: one thing."""

    def __init__(self) -> None:
        self.media_type = "audio/mpeg"
        self.there = True
        self.endless = False
        self.read_pieces = 0
        self.passed: Streamed | None = None
        self.heads: list[Head] = []
        self.closed = 0

    async def find(self, path: str, query: str, head: Head) -> Exhibit | Passed:
        self.heads.append(head)
        if self.passed is not None:
            return Passed(self.passed, 60)
        if query != "expires=1&signature=good":
            raise errors.Forbidden("This link is not one of this relay's.", code="invalid_link")
        size = 2**40 if self.endless else len(WHOLE)
        file = File("0-audio.mp3", size, self.media_type, hashlib.sha256(WHOLE).hexdigest())
        return Exhibit(ExchangeId("px_1"), file, "folder", STORED_AT, 3600)

    async def read(self, exhibit: Exhibit, start: int, length: int) -> AsyncIterator[bytes]:
        if not self.there:
            raise Absent("it is not kept")
        if self.endless:
            while True:
                self.read_pieces += 1
                yield b"x" * 65536
        for first in range(start, start + length, 1000):
            yield WHOLE[first : min(first + 1000, start + length)]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def server(shelf: Shelf) -> Iterator[Live]:
    instance = Instance(version="1.2.3", started=time.monotonic(), channels=lambda: 4)
    application = Application(Directory(), lambda: (), control.on_first_use(instance), artefacts=Artefacts(shelf))
    with live(app=application) as running:
        yield running


def ask(server: Live, *headers: str, path: str = LINK, method: str = "GET") -> Response:
    client = server.connect()
    lines = "".join(f"{header}\r\n" for header in headers).encode()
    client.send(get(path, method, lines))
    return client.read(head_only=method == "HEAD" or "if-none-match" in lines.decode())


def test_a_whole_thing(server: Live) -> None:
    answer = ask(server)
    assert (answer.status, answer.body) == (200, WHOLE)
    head = answer.headers
    assert head["content-type"] == "audio/mpeg"
    assert head["content-length"] == str(len(WHOLE))
    assert head["content-disposition"] == 'inline; filename="0-audio.mp3"'
    assert head["x-content-type-options"] == "nosniff"
    assert "sandbox" in head["content-security-policy"]
    assert (head["etag"], head["last-modified"], head["accept-ranges"]) == (ETAG, MODIFIED, "bytes")
    assert head["cache-control"] == "private, max-age=3600"
    assert head["x-request-id"] == "px_1"


def test_its_head_alone(server: Live) -> None:
    answer = ask(server, method="HEAD")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", str(len(WHOLE)))
    part = ask(server, "range: bytes=0-9", method="HEAD")
    assert (part.status, part.headers["content-length"]) == (206, "10")


@pytest.mark.parametrize(
    ("wanted", "first", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-2099", 100, 2100),
        ("bytes=-5", len(WHOLE) - 5, len(WHOLE)),
        ("bytes=16000-", 16000, len(WHOLE)),
    ],
)
def test_a_part(server: Live, wanted: str, first: int, end: int) -> None:
    answer = ask(server, f"range: {wanted}")
    assert (answer.status, answer.body) == (206, WHOLE[first:end])
    assert answer.headers["content-range"] == f"bytes {first}-{end - 1}/{len(WHOLE)}"


def test_a_part_behind_the_end(server: Live) -> None:
    answer = ask(server, f"range: bytes={len(WHOLE)}-")
    assert (answer.status, answer.headers["content-range"]) == (416, f"bytes */{len(WHOLE)}")


def test_a_part_only_of_what_the_client_has_already(server: Live) -> None:
    for condition, status in ((ETAG, 206), (MODIFIED, 206), ('"other"', 200), (f"W/{ETAG}", 200)):
        answer = ask(server, "range: bytes=0-9", f"if-range: {condition}")
        assert (answer.status, len(answer.body)) == (status, 10 if status == 206 else len(WHOLE))


def test_what_the_client_has_is_not_sent_again(server: Live) -> None:
    answer = ask(server, f"if-none-match: {ETAG}")
    assert (answer.status, answer.headers["etag"]) == (304, ETAG)


def test_without_a_link(server: Live) -> None:
    answer = ask(server, path="/artefacts/art_1/0-audio.mp3?expires=1&signature=bad")
    assert (answer.status, answer.json["error"]["code"]) == (403, "invalid_link")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods(server: Live, method: str) -> None:
    answer = ask(server, "content-length: 0", method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


def test_what_lies_nowhere_any_more(server: Live, shelf: Shelf) -> None:
    shelf.there = False
    answer = ask(server)
    assert (answer.status, answer.json["error"]["code"]) == (404, "artefact_gone")


def test_what_a_browser_would_run_is_only_saved(server: Live, shelf: Shelf) -> None:
    shelf.media_type = "text/html"
    head = ask(server).headers
    assert head["content-type"] == "application/octet-stream"
    assert head["content-disposition"].startswith("attachment")


def test_nothing_more_is_read_for_a_client_that_has_gone(server: Live, shelf: Shelf) -> None:
    shelf.endless = True
    client = server.connect()
    client.send(get(LINK))
    client.until(b"\r\n\r\n")
    eventually(lambda: shelf.read_pieces > 0)
    client.close()

    def still() -> bool:
        before = shelf.read_pieces
        time.sleep(0.05)
        return shelf.read_pieces == before

    eventually(still)


def stream(shelf: Shelf, status: int, *pieces: bytes, breaks: bool = False, **headers: str) -> None:
    """The shelf has a thing that its upstream sends."""
    left = list(pieces)

    async def piece() -> bytes:
        if not left and breaks:
            raise DownloadFailed(Fault(FaultKind.CUT))
        return left.pop(0) if left else b""

    def close() -> None:
        shelf.closed += 1

    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    shelf.passed = Streamed(status, lines, piece, close)


def test_what_its_upstream_keeps_passes_as_it_comes(server: Live, shelf: Shelf) -> None:
    stream(shelf, 206, b"ab", b"c", content_type="video/mp4", content_length="3", content_range="bytes 0-2/9", x_up="1")
    answer = ask(server, "range: bytes=0-2")
    assert (answer.status, answer.body, shelf.closed) == (206, b"abc", 1)
    assert shelf.heads[0][b"range"] == b"bytes=0-2"
    head = answer.headers
    assert (head["content-type"], head["content-range"]) == ("video/mp4", "bytes 0-2/9")
    assert (head["content-disposition"], head["cache-control"]) == (
        'inline; filename="video.mp4"',
        "private, max-age=60",
    )
    assert (head["x-content-type-options"], head["x-request-id"]) == ("nosniff", "px_1")
    assert "x-up" not in head


def test_of_its_head_nothing_is_read(server: Live, shelf: Shelf) -> None:
    stream(shelf, 200, b"abc", content_length="3")
    answer = ask(server, method="HEAD")
    assert (answer.status, answer.headers["content-length"], shelf.closed) == (200, "3", 1)


def test_what_a_browser_would_run_is_saved_wherever_it_comes_from(server: Live, shelf: Shelf) -> None:
    stream(shelf, 200, b"<script>", content_type="text/html", content_length="8")
    head = ask(server).headers
    assert head["content-type"] == "application/octet-stream"
    assert head["content-disposition"].startswith("attachment")


def test_what_breaks_off_is_cut(server: Live, shelf: Shelf) -> None:
    stream(shelf, 200, b"ab", breaks=True, content_length="3")
    client = server.connect()
    client.send(get(LINK))
    with pytest.raises(EOFError):
        client.read()
    assert shelf.closed == 1


def test_relays_without_things_know_no_such_path() -> None:
    instance = Instance(version="1.2.3", started=time.monotonic(), channels=lambda: 4)
    with live(app=Application(Directory(), lambda: (), control.on_first_use(instance))) as running:
        assert ask(running).status == 404
