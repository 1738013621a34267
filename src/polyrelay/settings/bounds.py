"""How much of everything the relay accepts. Each bound exists so that no client can exhaust the process."""

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits on sizes (bytes), counts and times (seconds). None of them can be switched off; raise them instead."""

    header_bytes: int = 64 * 1024
    """Request line and headers together. OpenAI documents 64 KiB."""

    body_bytes: int = 32 * MIB
    """One request body. A 20 MB image in base64 is 27 MB. Forms have `upload_bytes` instead."""

    bytes_in_flight: int = 512 * MIB
    """Bodies of all requests together, as far as they are in memory; beyond it new ones get 503. A quarter of a 2 GB
    machine. As much again may be images of more than 8 MiB that wait in memory to be complete, as one event or answer;
    beyond it such an answer is broken off."""

    upload_bytes: int = 128 * MIB
    """One form (multipart/form-data). OpenAI takes 25 MB of audio, and 16 images that are usually below 4 MB each."""

    spill_bytes: int = MIB
    """A form up to this size waits in memory, a longer one in the data folder. Most voice messages and images that are
    sent are shorter, and 500 of this size are what `bytes_in_flight` allows."""

    spooled_bytes: int = 4096 * MIB
    """Forms on disk, of one process; beyond it new ones get 503. A hundred of 25 MB and as many being read."""

    streams_in_flight: int = 4096
    """Exchanges open at once; beyond it 503 with Retry-After. Each costs about 60 KB with its upstream socket."""

    header_seconds: float = 10.0
    """From the first byte of a request to the end of its headers (slow-loris bound)."""

    body_seconds: float = 60.0
    """From the end of the headers to the end of the body. 32 MiB in 60 s is a 4.5 Mbit/s line."""

    upload_seconds: float = 240.0
    """The same for a form. 128 MiB in 240 s is a 4.5 Mbit/s line."""

    keep_alive_seconds: float = 75.0
    """An idle connection is closed after it. Longer than the 60 s of common load balancers, so they close first."""

    unary_bytes: int = 4 * MIB
    """A non-streamed answer up to this size is buffered whole (failover stays possible); a larger one is streamed."""

    write_buffer_bytes: int = 256 * 1024
    """Unsent answer bytes per client before its upstream is paused."""

    drained_bytes: int = 8 * MIB
    """Of an answer whose client has left, on channels with `client_gone = "drain"`: most bytes still read."""

    drained_seconds: float = 30.0
    """The same in time. Most answers end within it; a client that hangs up must not keep a socket busy for long."""
