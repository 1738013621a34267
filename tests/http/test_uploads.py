"""Forms: what comes in arrives whole and stays readable, what is no form costs little, and nothing is left of any."""

import errno
import gc
import hashlib
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from polyrelay.exchange.upload import ReleasedError, Upload
from polyrelay.http.spool import Arrival
from polyrelay.kernel import errors
from polyrelay.settings.bounds import Bounds
from polyrelay.wire.multipart.reader import FormReader
from support import forms
from support.forms import BOUNDARY, Piece, field, file
from support.lane import EITHER, FORMS, JSON, Live, Raw, ScriptedExchange, eventually, hold, live, post

SOUND = bytes(range(256)) * 400
FORM = forms.body(field("model", b"whisper-1"), file("file", SOUND))
SPILLING = Bounds(spill_bytes=10_000)
IN_MEMORY = Bounds()


def upload_of(exchange: ScriptedExchange) -> Upload:
    upload = exchange.inbound.upload
    assert upload is not None
    return upload


def tell(exchange: ScriptedExchange) -> None:
    """Answer with what came."""
    inbound, upload = exchange.inbound, upload_of(exchange)
    assert inbound.form is not None
    seen = {
        "body": len(inbound.body),
        "query": inbound.query.decode(),
        "size": upload.size,
        "sum": hashlib.sha256(upload.read(upload.size, 0)).hexdigest(),
        "parts": [[part.name, part.size] for part in inbound.form.parts],
    }
    exchange.client.reply(200, [JSON], json.dumps(seen).encode())


def send(client: Raw, body: bytes = FORM, *, path: str = FORMS, boundary: str = BOUNDARY) -> None:
    client.send(as_form(body, path=path, boundary=boundary))


def as_form(body: bytes = FORM, *, path: str = FORMS, boundary: str = BOUNDARY) -> bytes:
    return forms.head(path, len(body), boundary) + body


def in_chunks(pieces: list[bytes]) -> bytes:
    head = b"POST %b HTTP/1.1\r\nhost: relay\r\ncontent-type: %b\r\n" % (FORMS.encode(), forms.content_type())
    sent = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return head + b"transfer-encoding: chunked\r\n\r\n" + sent + b"0\r\n\r\n"


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status, answer.json["error"]["code"]


def files(server: Live) -> int:
    """Descriptors of files without a name in this process."""
    del server
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found += "(deleted)" in str(entry.readlink())
        except OSError:
            continue
    return found


@pytest.mark.parametrize("bounds", [IN_MEMORY, SPILLING], ids=["in memory", "on disk"])
def test_a_form_arrives_whole_and_again_on_the_same_connection(bounds: Bounds, tmp_path: Path) -> None:
    with live(bounds=bounds, spool=tmp_path) as server:
        server.relay.script = tell
        client = server.connect()
        for _ in range(2):
            send(client, path=FORMS + "?output=srt&task=transcribe")
            seen = client.read().json
            assert seen == {
                "body": 0,
                "query": "output=srt&task=transcribe",
                "size": len(FORM),
                "sum": hashlib.sha256(FORM).hexdigest(),
                "parts": [["model", 9], ["file", len(SOUND)]],
            }
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bounds", [IN_MEMORY, SPILLING], ids=["in memory", "on disk"])
@pytest.mark.parametrize("piece", [1, 997, 70_000])
def test_a_chunked_form_arrives_whole_however_it_is_cut(bounds: Bounds, piece: int) -> None:
    data = forms.body(file("file", SOUND[:30_000] if piece == 1 else SOUND * 10))
    with live(bounds=bounds) as server:
        server.relay.script = tell
        client = server.connect()
        client.send(in_chunks([data[at : at + piece] for at in range(0, len(data), piece)]))
        assert client.read().json["sum"] == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(("extra", "on_disk"), [(-1, False), (0, True), (1, True)])
def test_a_form_goes_to_disk_from_the_bound_on(extra: int, *, on_disk: bool) -> None:
    with live(bounds=Bounds(spill_bytes=len(FORM) - extra)) as server:
        server.relay.script = hold
        client = server.connect()
        send(client)
        held = server.exchange()
        kept = len(b"whisper-1")
        if on_disk:
            assert (server.context.bytes_spooled, server.context.bytes_in_flight) == (len(FORM), kept)
        else:
            assert (server.context.bytes_spooled, server.context.bytes_in_flight) == (0, len(FORM) + kept)
        server.call(lambda: tell(held))
        assert client.read().json["size"] == len(FORM)


def test_an_upload_is_released_when_its_answer_is_over() -> None:
    with live(bounds=SPILLING) as server:
        server.relay.script = hold
        before = files(server)
        client = server.connect()
        send(client)
        held = server.exchange()
        upload = upload_of(held)
        assert files(server) == before + 1
        assert upload.read(4, len(FORM) - 4) == b"--\r\n"
        server.call(lambda: held.client.reply(200, [], b"ok"))
        assert client.read().body == b"ok"
        assert upload.released
        assert files(server) == before
        with pytest.raises(ReleasedError):
            upload.read(1, 0)


def test_an_upload_somebody_retains_outlives_a_client_that_leaves() -> None:
    with live(bounds=SPILLING) as server:
        server.relay.script = lambda exchange: upload_of(exchange).retain()
        client = server.connect()
        send(client)
        held = server.exchange()
        upload = upload_of(held)
        client.close()
        eventually(lambda: held.gone == 1)
        assert hashlib.sha256(upload.read(upload.size, 0)).digest() == hashlib.sha256(FORM).digest()
        assert server.context.bytes_spooled == len(FORM)
        server.call(upload.release)
        assert server.context.bytes_spooled == 0


@pytest.mark.parametrize("bounds", [IN_MEMORY, SPILLING], ids=["in memory", "on disk"])
def test_a_client_that_leaves_half_way_leaves_nothing(bounds: Bounds) -> None:
    with live(bounds=bounds) as server:
        before = files(server)
        client = server.connect()
        client.send(as_form()[:-20_000])
        eventually(lambda: server.context.bytes_spooled + server.context.bytes_in_flight > 50_000)
        client.close()
        eventually(lambda: server.context.bytes_spooled + server.context.bytes_in_flight == 0)
        assert files(server) == before
        assert server.relay.exchanges == []


def test_forms_wait_their_turn_on_disk_and_are_let_go_with_the_connection() -> None:
    with live(bounds=SPILLING) as server:
        server.relay.script = hold
        client = server.connect()
        client.send(as_form() * 3)
        eventually(lambda: server.context.bytes_spooled == 3 * len(FORM))
        held = server.exchange()
        server.call(lambda: held.client.reply(200, [], b"1"))
        assert client.read().body == b"1"
        eventually(lambda: server.context.bytes_spooled == 2 * len(FORM))
        client.close()
        eventually(lambda: server.context.bytes_spooled == 0)


def test_a_drain_that_runs_out_of_patience_lets_the_upload_go() -> None:
    with live(bounds=SPILLING, drain=0.05) as server:
        server.relay.script = hold
        client = server.connect()
        send(client)
        held = server.exchange()
        held.on_shut = held.client.cut
        server.server.stop()
        server.join()
        assert upload_of(held).released
        assert server.context.bytes_spooled == 0


def test_a_service_that_fails_lets_the_upload_go() -> None:
    def fail(exchange: ScriptedExchange) -> None:
        raise ValueError("a defect")

    with live(bounds=SPILLING) as server:
        server.relay.script = fail
        client = server.connect()
        send(client)
        assert client.read().status == 500
        eventually(lambda: server.context.bytes_spooled == 0)


@pytest.mark.parametrize("bounds", [IN_MEMORY, SPILLING], ids=["in memory", "on disk"])
def test_nothing_of_a_form_waits_for_the_garbage_collector(bounds: Bounds) -> None:
    def left() -> int:
        return sum(isinstance(found, (Arrival, FormReader, Upload)) for found in gc.get_objects())

    with live(bounds=bounds) as server:
        gc.collect()
        before = left()  # pytest keeps what tests have logged
        gc.disable()
        try:
            server.relay.script = tell
            for sent, status in ((as_form(), 200), (as_form(FORM[:-10]), 400), (as_form(MANY * 300 + FORM), 400)):
                client = server.connect()
                client.send(sent)
                assert client.read().status == status
                client.close()
                server.relay.exchanges.clear()
                server.relay.refused.clear()
                eventually(lambda: left() == before)
        finally:
            gc.enable()


# ── who takes what ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "kind", "said"),
    [
        (FORMS, b"application/json", "`content-type: multipart/form-data`."),
        (FORMS, b"multipart/mixed; boundary=x", "`content-type: multipart/form-data`."),
        (EITHER, b"text/plain", "`content-type: application/json`, in UTF-8 or `content-type: multipart/form-data`."),
        ("/v1/chat/completions", forms.content_type(), "`content-type: application/json`, in UTF-8."),
    ],
)
def test_415_says_what_the_route_takes(path: str, kind: bytes, said: str) -> None:
    with live() as server:
        client = server.connect()
        client.send(post(b"{}", path=path).replace(b"application/json", kind))
        answer = client.read()
        assert answer.status == 415
        assert answer.json["error"]["message"] == f"Send the body as {said}"


def test_a_route_that_takes_either_tells_them_apart() -> None:
    with live() as server:
        client = server.connect()
        client.post(b'{"a":1}', path=EITHER)
        assert client.read().json["length"] == 7
        assert server.exchange(0).inbound.form is None
        server.relay.script = tell
        send(client, path=EITHER)
        assert client.read().json["size"] == len(FORM)


def test_a_coded_form_gets_415() -> None:
    with live() as server:
        client = server.connect()
        client.send(as_form().replace(b"host: relay", b"host: relay\r\ncontent-encoding: gzip", 1))
        assert client.read().status == 415


# ── hostile ones ─────────────────────────────────────────────────────────────────────────────────────────────────

MANY = field("a", b"1").written()


@pytest.mark.parametrize(
    ("body", "boundary", "code"),
    [
        (FORM, "", "invalid_boundary"),
        (FORM, "b" * 71, "invalid_boundary"),
        (FORM, "other", "invalid_multipart"),
        (b"", BOUNDARY, "invalid_multipart"),
        (FORM[: -len(forms.CLOSE)], BOUNDARY, "invalid_multipart"),
        (FORM + FORM, BOUNDARY, "invalid_multipart"),
        (forms.body(file("f", FORM, kind=forms.content_type("inner").decode())), BOUNDARY, "invalid_multipart"),
        (forms.body(file("f", b"x", "../../etc/passwd")), BOUNDARY, "invalid_filename"),
        (forms.body(Piece((b"Content-Disposition: form-data",), b"x")), BOUNDARY, "invalid_multipart"),
        (forms.body(field("f", b"eA==", b"Content-Transfer-Encoding: base64")), BOUNDARY, "invalid_multipart"),
        (forms.body(field("_charset_", b"utf-16")), BOUNDARY, "invalid_multipart"),
        (MANY * 300 + forms.CLOSE, BOUNDARY, "too_many_parts"),
    ],
)
def test_a_hostile_form_gets_400(body: bytes, boundary: str, code: str) -> None:
    with live(bounds=SPILLING) as server:
        client = server.connect()
        send(client, body, boundary=boundary)
        assert code_of(client.read()) == (400, code)
        assert server.relay.exchanges == []
        assert server.context.bytes_in_flight == server.context.bytes_spooled == 0


def test_a_form_refused_at_its_end_keeps_the_connection() -> None:
    with live(bounds=SPILLING) as server:
        server.relay.script = tell
        client = server.connect()
        send(client, FORM[: -len(forms.CLOSE)])
        assert code_of(client.read()) == (400, "invalid_multipart")
        send(client)
        assert client.read().status == 200


def test_a_million_parts_are_not_read_on() -> None:
    with live(bounds=Bounds(upload_bytes=10**9)) as server:
        client = server.connect()
        client.send(
            post(b"", path=FORMS).replace(b"application/json", forms.content_type(), 1).replace(b": 0", b": 99999999")
        )
        began = time.process_time()
        client.send(MANY * 1000)
        assert code_of(client.read()) == (400, "too_many_parts")
        assert client.is_closed()
        assert time.process_time() - began < 0.5
        assert server.context.bytes_in_flight == 0


def test_the_key_is_looked_at_before_a_long_form_is_read() -> None:
    with live(bounds=SPILLING) as server:
        server.relay.screening = errors.Unauthenticated("No such key.")
        client = server.connect()
        client.send(as_form()[:-90_000])
        assert client.read().status == 401
        assert client.is_closed()
        assert server.relay.screened == [("forms", "127.0.0.1")]


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_form_has_its_own_bound_announced_or_not() -> None:
    bounds = Bounds(body_bytes=1000, upload_bytes=len(FORM), spill_bytes=10_000)
    with live(bounds=bounds) as server:
        server.relay.script = tell
        client = server.connect()
        send(client)
        assert client.read().status == 200
        client.send(in_chunks([FORM]))
        assert client.read().status == 200
        for sent in (as_form(FORM + b"x"), in_chunks([FORM, b"x"])):
            client = server.connect()
            client.send(sent)
            answer = client.read()
            assert answer.status == 413
            assert str(len(FORM)) in answer.json["error"]["message"]
        client = server.connect()
        client.post(b"x" * 1001, path=EITHER)
        assert client.read().status == 413


@pytest.mark.parametrize("announced", [True, False])
def test_forms_beyond_the_room_on_disk_get_503_until_one_is_done(*, announced: bool) -> None:
    sent = as_form() if announced else in_chunks([FORM])
    with live(bounds=Bounds(spill_bytes=10_000, spooled_bytes=len(FORM))) as server:
        server.relay.script = hold
        first, second = server.connect(), server.connect()
        first.send(sent)
        held = server.exchange()
        second.send(sent)
        answer = second.read()
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        server.call(lambda: held.client.reply(200, [], b"ok"))
        assert first.read().body == b"ok"
        server.relay.script = tell
        third = server.connect()
        third.send(sent)
        assert third.read().status == 200


def test_small_forms_beyond_the_memory_for_all_get_503() -> None:
    with live(bounds=Bounds(bytes_in_flight=len(FORM) - 1)) as server:
        for sent in (as_form(), in_chunks([FORM])):
            client = server.connect()
            client.send(sent)
            assert client.read().status == 503


REAL_FILE = tempfile.TemporaryFile


class FullDisk:
    """A file on a disk that takes so many bytes and then no more."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.closed = False
        self.file = REAL_FILE(buffering=0)

    def write(self, data: memoryview) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self.file.write(data[: self.room])
        self.room -= written
        return written

    def fileno(self) -> int:
        return self.file.fileno()

    def close(self) -> None:
        self.closed = True
        self.file.close()


def test_a_full_disk_is_503_and_what_was_stored_is_let_go(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with live(bounds=SPILLING) as server:
        server.relay.script = tell
        disk = FullDisk(60_000)
        with monkeypatch.context() as patched:
            patched.setattr(tempfile, "TemporaryFile", lambda **_: disk)
            client = server.connect()
            client.send(as_form())
            assert client.read().status == 503
        assert disk.closed
        assert server.context.bytes_spooled == server.context.bytes_in_flight == 0
        assert "No space left" in caplog.text
        client = server.connect()
        send(client)
        assert client.read().status == 200


def test_a_disk_that_takes_writes_in_parts_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Reluctant(FullDisk):
        def write(self, data: memoryview) -> int:
            self.room = 1000
            return super().write(data)

    with live(bounds=SPILLING) as server:
        server.relay.script = tell
        with monkeypatch.context() as patched:
            patched.setattr(tempfile, "TemporaryFile", lambda **_: Reluctant(1000))
            client = server.connect()
            send(client)
            assert client.read().json["sum"] == hashlib.sha256(FORM).hexdigest()


def test_a_spool_folder_that_is_gone_is_503(tmp_path: Path) -> None:
    with live(bounds=SPILLING, spool=tmp_path / "gone") as server:
        client = server.connect()
        send(client)
        assert client.read().status == 503


def test_a_slow_form_has_its_own_time() -> None:
    with live(bounds=Bounds(body_seconds=0.05, upload_seconds=0.3)) as server:
        client = server.connect()
        client.send(as_form()[:-50])
        began = time.monotonic()
        assert client.read().status == 408
        assert time.monotonic() - began > 0.25
        assert client.is_closed()
