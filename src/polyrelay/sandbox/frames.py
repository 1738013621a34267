"""Payloads as server-sent events, with every way a vendor's stream goes wrong."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from polyrelay.sandbox import refusals
from polyrelay.sandbox.script import Script

DONE = b"[DONE]"
GARBAGE = b"<!-- sandbox garbage -->"
_NEWLINES = {"lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}
_TYPE = re.compile(rb'\{"type":"([^"]+)"')


@dataclass(frozen=True, slots=True)
class Chunks:
    """A stream's JSON payloads: what comes piece by piece, and the end (such as finish and usage) that comes at once.

    With `named` each frame has an `event:` line with the payload's `type`, which must be its first member, and the
    stream ends without `[DONE]`.
    """

    content: list[bytes]
    ending: list[bytes]
    named: bool = False


def segments(chunks: Chunks, script: Script) -> list[bytes]:
    """The body of a stream in the portions to be written one by one.

    A portion is one frame, but the end (finish, usage, `[DONE]`) is one portion, and `coalesce` joins frames.
    """
    payloads, ending = _faulted(chunks, script)
    named = chunks.named
    events = [_event(payload, number, script, named=named) for number, payload in enumerate(payloads)]
    last = b"".join(_event(payload, number, script, named=named) for number, payload in enumerate(ending, len(events)))
    if script.garbage == "body":
        last += GARBAGE
    joined = [b"".join(events[at : at + script.coalesce]) for at in range(0, len(events), script.coalesce or 1)]
    return [*joined, last] if last else joined


def _faulted(chunks: Chunks, script: Script) -> tuple[list[bytes], list[bytes]]:
    """The payloads and the ending ones, after the script's faults."""
    if script.empty != "no":
        return [], [DONE] if script.empty == "done" else []
    content, ending = list(chunks.content), list(chunks.ending)
    if script.error is not None:
        return (content + ending)[: script.error], [refusals.frame(script.code)]
    if script.malformed is not None:
        target, at = (content, script.malformed) if script.malformed < len(content) else (ending, -1)
        target[at] = target[at][: len(target[at]) // 2]
    return content, [*ending, DONE] if script.done and not chunks.named else ending


def _event(payload: bytes, number: int, script: Script, *, named: bool) -> bytes:
    newline = _NEWLINES[script.newline]
    lines = [*_before(number, script, newline)]
    if named and payload != DONE:
        kind = _TYPE.match(payload)
        lines.append(b"event: " + (kind[1] if kind else b"error"))
    lines += [b"data: " + line for line in _lines(payload, script)]
    return newline.join(lines) + newline + newline


def _before(number: int, script: Script, newline: bytes) -> Iterator[bytes]:
    if script.comments and number % script.comments == 0:
        yield b": sandbox" + newline
    if script.pings and number % script.pings == 0:
        yield newline.join((b"event: ping", b'data: {"type":"ping"}')) + newline


def _lines(payload: bytes, script: Script) -> list[bytes]:
    """The payload over one `data:` line, or over three that a reader must join by line feeds (still JSON)."""
    if not script.multiline or payload == DONE:
        return [payload]
    return [payload[:1], payload[1:-1], payload[-1:]]
