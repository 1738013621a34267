"""A process with the real lane and the real HTTP client, and between them the least service that passes forms on.

`python -m support.carrier SPOOL UPSTREAM...` serves a form surface: the field `model` is replaced, upstreams are tried
in turn until one answers 200. Prints its port, and ends with its standard input, so that no test leaves it behind. For
what can only be seen from outside a process: memory, files, stalls.
"""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

import uvloop

from polyrelay.exchange.faults import Fault
from polyrelay.exchange.upload import Stream
from polyrelay.http import server as http_server
from polyrelay.http.context import LaneContext, LaneSettings
from polyrelay.kernel.errors import Refusal
from polyrelay.providers.outbound import OutboundRequest
from polyrelay.routing.channel import Channel, Credential
from polyrelay.service.ports import Client, Exchange, Flight, HeaderList, Inbound
from polyrelay.settings.root import ServerSettings
from polyrelay.upstream.curl import CurlUpstream
from support.lane import EITHER, FORMS, JSON, SURFACES, EchoApplication

CREDENTIAL = Credential("only", "sk-test")


class Passage:
    """One form on its way: an exchange to the lane, a sink to the client library."""

    def __init__(self, carrier: "Carrier", inbound: Inbound, client: Client) -> None:
        self._carrier = carrier
        self._client = client
        self._left = list(carrier.upstreams)
        self._flight: Flight | None = None
        self._status = 0
        self._body = b""
        self._streams = inbound.form is None
        self._kind = "application/json"
        self._outgoing: bytes | Stream = inbound.body
        if inbound.form is not None and inbound.upload is not None:
            self._kind = inbound.form.content_type
            self._outgoing = Stream(inbound.form.edit(replace={"model": b"upstream-model"}), inbound.upload)
        self._next()

    def _next(self) -> None:
        self._status, self._body = 0, b""
        url = self._left.pop(0)
        fixed = (f"content-type: {self._kind}",)
        channel = self._carrier.channel
        self._flight = self._carrier.client.send(
            OutboundRequest(channel, CREDENTIAL, url, fixed, (), self._outgoing), self
        )

    def client_gone(self) -> None:
        if self._flight is not None:
            self._flight.cancel()

    shut = client_gone

    def pause(self) -> None:
        if self._flight is not None:
            self._flight.pause()

    def resume(self) -> None:
        if self._flight is not None:
            self._flight.resume()

    def head(self, status: int, headers: HeaderList) -> None:
        self._status = status
        if self._streams:
            self._client.start(status, [])

    def data(self, data: bytes, /) -> None:
        if self._streams:
            self._client.write(data)
        else:
            self._body += data

    def ended(self) -> None:
        if self._streams:
            self._client.finish()
        elif self._status >= 500 and self._left:
            self._next()
        else:
            self._client.reply(self._status, [JSON], self._body)

    def failed(self, fault: Fault) -> None:
        if self._left:
            self._next()
        else:
            self._client.reply(502, [JSON], fault.detail.encode())


class Carrier:
    """The port `Relay`: everyone is let in."""

    def __init__(self, upstreams: list[str]) -> None:
        self.upstreams = upstreams
        self.channel = Channel(name="test", provider="openai", base_url="", credentials=(CREDENTIAL,))
        self.client = CurlUpstream(asyncio.get_running_loop())

    def open(self, inbound: Inbound, client: Client) -> Exchange:
        return Passage(self, inbound, client)

    def screen(self, surface: str, headers: HeaderList, peer: str) -> None:
        return None

    def identify(self, head: Mapping[bytes, bytes]) -> HeaderList:
        return []

    def refuse(self, surface: str, headers: HeaderList, refusal: Refusal, client: Client) -> None:
        client.reply(refusal.status, [JSON], refusal.message.encode())


async def serve(spool: Path, upstreams: list[str]) -> None:
    carrier = Carrier(upstreams)
    routes = {each.path: each for each in SURFACES if each.path in (FORMS, EITHER)}
    context = LaneContext(LaneSettings(carrier, routes), spool)
    server = http_server.build(ServerSettings(port=0), context, EchoApplication())
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), server.abort)
    port = server.bind()
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - a flag of uvicorn's
        await asyncio.sleep(0.005)
    print(port, flush=True)  # noqa: T201 - read by whoever started it
    await serving


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), sys.argv[2:]))
