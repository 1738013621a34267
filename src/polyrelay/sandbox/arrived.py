"""A request as it came over the wire."""

from dataclasses import dataclass

from polyrelay.sandbox.records import Header


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request that has arrived whole. `legacy` is HTTP/1.0; `closing`: the connection ends after the answer."""

    method: bytes
    path: bytes
    headers: list[Header]
    body: bytes
    legacy: bool
    closing: bool

    def header(self, name: bytes) -> str:
        """The first header of this name, which is lower case; empty when there is none."""
        return next((value for key, value in self.headers if key.lower() == name), b"").decode("latin-1")
