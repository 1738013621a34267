"""FLAC with verbatim subframes: the samples as they are, uncompressed (RFC 9639). The text is a Vorbis comment."""

import struct
from hashlib import md5

from polyrelay.sandbox.audio import vorbis
from polyrelay.sandbox.audio.checks import Check
from polyrelay.sandbox.audio.heard import Heard
from polyrelay.sandbox.audio.speech import RATE, Speech

KIND = "audio/flac"
_BLOCK = 4096
_STREAMINFO, _COMMENT, _LAST = 0, 4, 0x80
_HEAD = bytes((0xFF, 0xF8, 0x77, 0x08))
"""Sync and fixed block size; the block size follows in 16 bits, 24 kHz; one channel, 16 bits."""
_VERBATIM = b"\x02"
_HEAD_CHECK, _FRAME_CHECK = Check(8, 0x07), Check(16, 0x8005)


def write(speech: Speech) -> bytes:
    """A whole file."""
    samples = speech.samples
    rate_and_more = RATE << 44 | 15 << 36 | len(samples)
    digest = md5(speech.little_endian(), usedforsecurity=False).digest()
    info = struct.pack(">HH6xQ", _BLOCK, _BLOCK, rate_and_more) + digest
    comment = vorbis.write(speech.text)
    blocks = [_block(_STREAMINFO, info), _block(_COMMENT | _LAST, comment)]
    frames = [_frame(number, speech, at) for number, at in enumerate(range(0, len(samples), _BLOCK))]
    return b"".join([b"fLaC", *blocks, *frames])


def read(data: bytes) -> Heard | None:
    """What is heard in any FLAC file, None in anything else."""
    if data[:4] != b"fLaC":
        return None
    text, seconds, at, last = None, 0.0, 4, False
    while not last and at + 4 <= len(data):
        kind, size = data[at], int.from_bytes(data[at + 1 : at + 4])
        body = data[at + 4 : at + 4 + size]
        last = bool(kind & _LAST)
        if kind & ~_LAST == _STREAMINFO:
            packed = int.from_bytes(body[10:18])
            seconds = (packed & (1 << 36) - 1) / max(1, packed >> 44)
        elif kind & ~_LAST == _COMMENT:
            text = vorbis.read(body)
        at += 4 + size
    return Heard(text, seconds)


def _block(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(3) + body


def _frame(number: int, speech: Speech, at: int) -> bytes:
    block = Speech(speech.samples[at : at + _BLOCK], "")
    head = _HEAD + chr(number).encode("utf-8", "surrogatepass") + struct.pack(">H", len(block.samples) - 1)
    body = head + bytes((_HEAD_CHECK.of(head),)) + _VERBATIM + _big_endian(block.little_endian())
    return body + _FRAME_CHECK.of(body).to_bytes(2)


def _big_endian(little: bytes) -> bytes:
    swapped = bytearray(len(little))
    swapped[::2], swapped[1::2] = little[1::2], little[::2]
    return bytes(swapped)
