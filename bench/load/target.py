"""Where a client sends a request to."""

from dataclasses import dataclass, replace

_CHAT, _SPEECH = "/chat/completions", "/audio/speech"


@dataclass(frozen=True, slots=True)
class Target:
    """One contender's address for one model: everything a client must know."""

    port: int
    path: str
    model: str
    headers: dict[str, str]

    @property
    def url(self) -> str:
        """The address as wrk takes it."""
        return f"http://127.0.0.1:{self.port}{self.path}"

    def speaking(self) -> "Target":
        """The same contender's address for speech."""
        return replace(self, path=self.path.replace(_CHAT, _SPEECH))

    def head(self, body_bytes: int) -> bytes:
        """The request line and headers of a POST with a JSON body of that size."""
        lines = [f"POST {self.path} HTTP/1.1", f"host: 127.0.0.1:{self.port}", "content-type: application/json"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines.append(f"content-length: {body_bytes}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()
