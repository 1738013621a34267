"""Forms as clients send them, and as hostile clients do."""

from dataclasses import dataclass

from polyrelay.wire.multipart.form import Form
from polyrelay.wire.multipart.reader import FormReader

BOUNDARY = "----------------------------9f2c7a51d0e4"
DELIMITER = b"--" + BOUNDARY.encode()
CLOSE = DELIMITER + b"--\r\n"


@dataclass(frozen=True)
class Piece:
    """One part as it is written: its header lines without line ends, and its value."""

    headers: tuple[bytes, ...]
    value: bytes

    def written(self, boundary: str = BOUNDARY) -> bytes:
        lines = b"".join(line + b"\r\n" for line in self.headers)
        return b"--" + boundary.encode() + b"\r\n" + lines + b"\r\n" + self.value + b"\r\n"


def field(name: str, value: bytes, *more: bytes) -> Piece:
    return Piece((f'Content-Disposition: form-data; name="{name}"'.encode(), *more), value)


def file(name: str, value: bytes, filename: str = "a.mp3", kind: str = "audio/mpeg") -> Piece:
    disposition = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"'.encode()
    return Piece((disposition, f"Content-Type: {kind}".encode()), value)


def body(*pieces: Piece, boundary: str = BOUNDARY, end: bytes = b"\r\n") -> bytes:
    return b"".join(piece.written(boundary) for piece in pieces) + b"--" + boundary.encode() + b"--" + end


def content_type(boundary: str = BOUNDARY) -> bytes:
    return b"multipart/form-data; boundary=" + boundary.encode()


def read(data: bytes, step: int = 0, boundary: str = BOUNDARY) -> Form:
    """The form of `data`, fed in pieces of `step` bytes, or whole. Raises `InvalidRequest`."""
    reader = FormReader(boundary)
    for at in range(0, len(data), step or max(len(data), 1)):
        reader.feed(data[at : at + (step or len(data))])
    return reader.finish()


def head(path: str, length: int, boundary: str = BOUNDARY) -> bytes:
    """The head of a POST whose body is a form of `length` bytes."""
    lines = b"POST %b HTTP/1.1\r\nhost: relay\r\ncontent-type: %b\r\n" % (path.encode(), content_type(boundary))
    return lines + b"content-length: %d\r\n\r\n" % length
