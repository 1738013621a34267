"""Clients of every manner at once: patient, hurried, wrong and rude ones."""

import asyncio
import itertools
import socket
from collections import Counter
from collections.abc import Iterable

from support import raw

VENDOR_MODELS = {
    "good": "sandbox:tokens=12",
    "long": "sandbox:tokens=400,pace=20ms",
    "huge": "sandbox:tokens=30,piece=1MB",
    "closes": "sandbox:before=close",
    "resets": "sandbox:before=reset",
    "reset-midway": "sandbox:tokens=40,reset=1500",
    "cut-midway": "sandbox:tokens=40,cut=1500",
    "cut-whole": "sandbox:tokens=40,cut=100",
    "refused": "sandbox:status=400",
}
MODELS = ", ".join(f'{{ name = "{name}", upstream = "{upstream}" }}' for name, upstream in VENDOR_MODELS.items())
"""For a channel's `models`: what each client asks for decides what the sandbox does."""

Kind = tuple[str, bool] | str
"""A model and whether to stream, or the name of a manner."""

TINY_BUFFER = 4096
KEPT_REQUESTS = 3

WHOLE = (("good", False), ("good", True), ("good", False), ("good", True), ("good", False), ("good", True))
BROKEN = (("closes", True), ("resets", False), ("reset-midway", True), ("cut-midway", True), ("cut-whole", False))
NONE_OF_OURS = (("refused", True), ("unheard-of", False))
"""These are read to the end of the connection."""


KINDS: tuple[Kind, ...] = (*WHOLE, *BROKEN, *NONE_OF_OURS, "kept", "leaves", "deaf", "malformed")


class Crowd:
    """Visitors of the relay on `port`. `exchanges` counts requests, `ends` how answers ended."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._key = key
        self.exchanges = 0
        self.ends: Counter[str] = Counter()

    async def visit(self, exchanges: int, at_once: int) -> None:
        """At least so many more exchanges, each kind in its turn, `at_once` of them side by side."""
        target = self.exchanges + exchanges
        kinds = itertools.cycle(KINDS)

        async def one_after_another() -> None:
            while self.exchanges < target:
                await self._visit(next(kinds))

        await asyncio.gather(*(one_after_another() for _ in range(at_once)))

    async def _visit(self, kind: Kind) -> None:
        self.exchanges += KEPT_REQUESTS if kind == "kept" else 1
        with socket.socket() as made:
            if kind == "deaf":
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, TINY_BUFFER)
            made.setblocking(False)
            await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", self._port))
            match kind:
                case (str(model), bool(stream)):
                    await self._to_the_end(made, model, stream=stream)
                case "kept":
                    await self._kept(made)
                case "leaves":
                    await self._ask(made, raw.chat(self._key, "long"), until=b"data: ", times=3)
                case "deaf":
                    await self._ask(made, raw.chat(self._key, "huge"), until=b"data: ")
                    await asyncio.sleep(0.1)
                case "malformed":
                    await self._ask(made, raw.chat(self._key, close=True).replace(b'"stream"', b'!stream"'))

    async def _to_the_end(self, made: socket.socket, model: str, *, stream: bool) -> None:
        answer = await self._ask(made, raw.chat(self._key, model, stream=stream, close=True))
        self.ends[f"{model} {answer[9:12].decode()} {'[DONE]' if b'[DONE]' in answer else 'no end'}"] += 1

    async def _kept(self, made: socket.socket) -> None:
        for _ in range(KEPT_REQUESTS):
            await self._ask(made, raw.chat(self._key, "good"), until=b"\r\n0\r\n\r\n")

    async def _ask(self, made: socket.socket, request: bytes, *, until: bytes = b"", times: int = 1) -> bytes:
        """What came back, up to `until`, or else to the end of the connection."""
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(made, request)
        seen = b""
        while not until or seen.count(until) < times:
            piece = await loop.sock_recv(made, 65536)
            if not piece:
                assert not until, seen
                break
            seen += piece
        return seen


def sure_ends(counted: Counter[str], kinds: Iterable[str]) -> dict[str, set[str]]:
    """For each model, every way its answers ended."""
    return {kind: {end.removeprefix(f"{kind} ") for end in counted if end.startswith(f"{kind} ")} for kind in kinds}
