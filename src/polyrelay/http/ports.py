"""What the HTTP side asks of the service."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from polyrelay.kernel.errors import Refusal
from polyrelay.service.artefacts.gallery import Lent
from polyrelay.service.ports import Client, Exchange, Head, HeaderList, Inbound

Answered = tuple[int, HeaderList, bytes]
"""Status, headers (lower-case names, without content-length) and body of a whole answer."""

Unready = Callable[[], tuple[str, ...]]
"""Why the relay cannot serve now, in words for an operator; empty when it can."""


class Relay(Protocol):
    """The service behind the relay routes. Nothing here blocks, awaits or raises."""

    def open(self, inbound: Inbound, client: Client) -> Exchange | None:
        """Begin an exchange; None when `client` has already had its whole answer."""
        ...

    def screen(self, surface: str, headers: HeaderList, peer: str) -> Refusal | None:
        """Look at the head alone, before a long body is read or `100 Continue` is sent: None lets it in."""
        ...

    def identify(self, head: Head) -> HeaderList:
        """`x-request-id` and `openai-processing-ms` for an answer that is made at once."""
        ...

    def refuse(self, surface: str, headers: HeaderList, refusal: Refusal, client: Client) -> None:
        """Answer `refusal` in the surface's own error shape, through `client.reply`, before returning."""
        ...


class Directory(Protocol):
    """The models a key may use, as OpenAI's `GET /v1/models` shows them, and what identifies any answer."""

    def identify(self, headers: HeaderList) -> HeaderList:
        """`x-request-id` and `openai-processing-ms` for an answer to a request with these headers."""
        ...

    def models(self, headers: HeaderList, peer: str) -> Answered:
        """The whole list, or a refusal."""
        ...

    def model(self, name: str, headers: HeaderList, peer: str) -> Answered:
        """One model by its name as clients say it, or a refusal."""
        ...


class Lists(Protocol):
    """What a client may read of the APIs of Stable Diffusion WebUIs, where they are offered."""

    def serves(self, path: str) -> bool:
        """Whether `path` belongs to one of these APIs, whatever may be done there."""
        ...

    async def answer(self, method: str, path: str, query: bytes, headers: HeaderList, peer: str) -> Answered:
        """The whole answer, or a refusal in the shape of these APIs."""
        ...


class Streamed(Protocol):
    """An answer whose body comes piece by piece."""

    @property
    def status(self) -> int:
        """HTTP's."""
        ...

    @property
    def headers(self) -> HeaderList:
        """Lower-case names, with content-length where it is known."""
        ...

    @property
    def pieces(self) -> Callable[[], Awaitable[bytes]]:
        """The next piece, empty at the end. Raises `PolyrelayError` when the rest will not come."""
        ...

    @property
    def close(self) -> Callable[[], None]:
        """Lets go of where it comes from: to be called whether it was read to its end or not."""
        ...


class Jobs(Protocol):
    """The surfaces of jobs. Their answers identify themselves."""

    def serves(self, path: str) -> bool:
        """Whether `path` is one of theirs."""
        ...

    async def answer(
        self, method: str, path: str, query: bytes, headers: HeaderList, body: bytes, peer: str
    ) -> Answered | Streamed | Lent:
        """The answer, or a refusal in the surface's own words. Never raises."""
        ...


class Billing(Protocol):
    """What a client may ask about what is its own: its money, its webhooks."""

    def serves(self, path: str) -> bool:
        """Whether `path` is one of its routes."""
        ...

    async def answer(self, path: str, query: bytes, headers: HeaderList, peer: str) -> Answered:
        """The whole answer to a GET of one of its routes, or a refusal."""
        ...
