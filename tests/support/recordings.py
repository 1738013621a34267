"""Recordings of known length, and forms that carry them."""

from dataclasses import dataclass

from polyrelay.exchange.upload import Stream, Upload, in_memory
from polyrelay.wire.multipart.form import Form
from support import forms
from support.forms import Piece

RATE = 8_000


def wav(seconds: float) -> bytes:
    """Silence: 8 kHz, 8 bits, one channel."""
    size = round(seconds * RATE)
    fmt = b"fmt \x10\0\0\0\1\0\1\0" + RATE.to_bytes(4, "little") * 2 + b"\1\0\x08\0"
    return (
        b"RIFF" + (36 + size).to_bytes(4, "little") + b"WAVE" + fmt + b"data" + size.to_bytes(4, "little") + bytes(size)
    )


@dataclass(frozen=True)
class Posted:
    """Implements `spoken.Incoming` for a form."""

    form: Form | None
    upload: Upload | None
    query: bytes = b""
    body: bytes = b""


def posted(*pieces: Piece, query: bytes = b"") -> Posted:
    body = forms.body(*pieces)
    return Posted(forms.read(body), in_memory(body), query)


def sent(stream: object) -> bytes:
    """All bytes of an outgoing body."""
    assert isinstance(stream, Stream)
    return stream.read(stream.size, 0)


class AnyUpstream:
    """Implements `spoken.Upstream`."""

    takes_stream_options = True
    cap_field = "max_tokens"
    only_cap_field = False
    scripts: frozenset[str] = frozenset()
