"""From a reply to the exact bytes of an HTTP/1.1 message, and what becomes of the connection."""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from polyrelay.sandbox import frames, refusals
from polyrelay.sandbox.script import Script

STAMP = "@monotonic-ns-stamp@"
"""Stands for 20 digits of nanoseconds until the moment of sending; as long as they are, so that sizes hold."""

MARK = STAMP.encode()
_WRITE_BYTES = 64 * 1024
"""Longest single write; a huge answer is written in such portions, as fast as the client reads."""


class Ending(Enum):
    """What follows the last byte that is sent."""

    KEEP = "keep"
    CLOSE = "close"
    RESET = "reset"
    STALL = "stall"
    DROP = "drop"
    """Keep the connection until the next request begins to arrive, then close it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it is framed: the body in the portions it should be written in.

    A `stream` has no length beforehand. `events` are server-sent ones, with the script's faults in them already.
    Nothing is sent before the instant `due`, seconds since the epoch.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    portions: Sequence[bytes]
    stream: bool = False
    events: bool = False
    due: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is sent for one request, and when. Times are seconds.

    `writes` are sent one by one, `pace` apart; `apart` asks for a turn of the event loop between them even without a
    pace; `whole` is everything in one piece where nothing stands against that.
    """

    head: bytes
    writes: tuple[bytes, ...]
    ending: Ending
    complete: bool
    before: Ending | None = None
    headers: float = 0.0
    first: float = 0.0
    pace: float = 0.0
    stamped: bool = False
    apart: bool = False
    whole: bytes | None = None


Work = Callable[[], Plan]
"""A plan that takes long to make; to be called off the event loop."""


def plan(reply: Reply, script: Script, *, legacy: bool = False, closing: bool = False) -> Plan:
    """Frame a reply. `legacy` is an HTTP/1.0 client (no chunking); `closing` one that asked to close."""
    portions = list(_portions(reply, script))
    framing = _framing(reply, script, legacy=legacy)
    total = sum(map(len, portions))
    limit, fate = _fate(script)
    complete = limit is None or (limit >= total and framing == "length" and script.length <= 0)
    if limit is not None:
        portions = list(_up_to(portions, limit))
    ending = fate if limit is not None else _afterwards(script, framing, closing=closing)
    writes = [b"%x\r\n%b\r\n" % (len(part), part) for part in portions] if framing == "chunked" else portions
    tail = b"" if limit is not None else _tail(script, framing)
    if tail:
        writes[-1:] = [b"".join([*writes[-1:], tail])]
    head = _head(reply, script, framing, total, closing=ending is Ending.CLOSE and (closing or framing == "close"))
    stamped = script.stamp and not script.gzip
    at_once = not (script.headers or script.first or script.pace or script.split or stamped)
    whole = b"".join([head, *writes]) if at_once and total <= _WRITE_BYTES else None
    return Plan(
        head=head,
        writes=tuple(writes),
        ending=ending,
        complete=complete,
        before=None if script.before == "no" else Ending(script.before),
        headers=script.headers,
        first=script.first,
        pace=script.pace,
        stamped=stamped,
        apart=bool(script.split),
        whole=whole,
    )


def _portions(reply: Reply, script: Script) -> Iterator[bytes]:
    portions: Iterable[bytes] = reply.portions
    if script.gzip:
        portions = _squeezed(portions) if reply.stream else [gzip.compress(b"".join(portions), mtime=0)]
    if script.split:
        whole = b"".join(portions)
        portions = [whole[at : at + script.split] for at in range(0, len(whole), script.split)]
    for portion in portions:
        for at in range(0, len(portion), _WRITE_BYTES):
            yield portion[at : at + _WRITE_BYTES]


def _squeezed(portions: Iterable[bytes]) -> Iterator[bytes]:
    """Compress each portion so that it can be read as soon as it arrives."""
    press = zlib.compressobj(wbits=31)
    for portion in portions:
        yield press.compress(portion) + press.flush(zlib.Z_SYNC_FLUSH)
    yield press.flush()


def _up_to(portions: Iterable[bytes], limit: int) -> Iterator[bytes]:
    for portion in portions:
        if limit > 0:
            yield portion[:limit]
        limit -= len(portion)


def _fate(script: Script) -> tuple[int | None, Ending]:
    """The first of the script's early ends: after how many body bytes, and what then."""
    ends = [(script.cut, Ending.CLOSE), (script.stall, Ending.STALL), (script.reset, Ending.RESET)]
    early = [(limit, ending) for limit, ending in ends if limit is not None]
    return min(early, key=lambda end: end[0]) if early else (None, Ending.KEEP)


def _framing(reply: Reply, script: Script, *, legacy: bool) -> str:
    framing = script.framing
    if framing == "auto":
        framing = "chunked" if reply.stream and not script.length else "length"
    return "close" if framing == "chunked" and legacy else framing


def _afterwards(script: Script, framing: str, *, closing: bool) -> Ending:
    if closing or framing == "close" or (framing == "length" and script.length > 0):
        return Ending.CLOSE
    return Ending.KEEP if script.after == "no" else Ending(script.after)


def _tail(script: Script, framing: str) -> bytes:
    end = b"0\r\n\r\n" if framing == "chunked" else b""
    return end + frames.GARBAGE if script.garbage == "wire" else end


def _head(reply: Reply, script: Script, framing: str, total: int, *, closing: bool) -> bytes:
    interim = [
        f"HTTP/1.1 {status} {refusals.reason(status)}\r\nx-sandbox: polyrelay\r\n\r\n" for status in script.inform
    ]
    lines = [f"HTTP/1.1 {reply.status} {refusals.reason(reply.status)}", "x-sandbox: polyrelay"]
    lines += [f"{name}: {_header(name, value, script)}" for name, value in reply.headers]
    if script.gzip:
        lines.append("content-encoding: gzip")
    if framing == "length":
        lines.append(f"content-length: {max(0, total + script.length)}")
    elif framing == "chunked":
        lines.append("transfer-encoding: chunked")
    if closing:
        lines.append("connection: close")
    return ("".join(interim) + "\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def _header(name: str, value: str, script: Script) -> str:
    return script.type if name == "content-type" and script.type is not None else value
