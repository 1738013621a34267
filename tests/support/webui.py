"""Pieces of Stable Diffusion WebUI and ReActor calls."""

import struct
import zlib
from base64 import b64encode
from dataclasses import dataclass


def png(width: int = 8, height: int = 8) -> str:
    """A real one, grey all over, in base64."""
    rows = (b"\0" + bytes([127]) * width) * height

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    file = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b64encode(file).decode()


PNG = png()
DATA_URL = f"data:image/png;base64,{PNG}"


@dataclass(frozen=True)
class Server:
    """An upstream as a request knows it."""

    scripts: frozenset[str] = frozenset({"controlnet", "reactor"})
    takes_stream_options: bool = True
    cap_field: str = "max_tokens"
    only_cap_field: bool = False
