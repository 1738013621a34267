"""The formats of speech, by OpenAI's names, and hearing what any of them says."""

from collections.abc import Callable
from dataclasses import dataclass

from polyrelay.sandbox.audio import adts, flac, mpeg, opus, pcm, wav
from polyrelay.sandbox.audio.heard import Heard
from polyrelay.sandbox.audio.speech import Speech

_BYTES_A_SECOND = 16_000
"""What an unknown file is taken to have: 128 kbit/s."""
UNKNOWN = "The polyrelay sandbox does not know what this recording says."


@dataclass(frozen=True, slots=True)
class Format:
    """`kind` is the content type."""

    kind: str
    write: Callable[[Speech], bytes]


FORMATS = {
    "mp3": Format(mpeg.KIND, mpeg.write),
    "opus": Format(opus.KIND, opus.write),
    "aac": Format(adts.KIND, adts.write),
    "flac": Format(flac.KIND, flac.write),
    "wav": Format(wav.KIND, wav.write),
    "pcm": Format("audio/pcm", pcm.write),
}
_READERS = (wav.read, flac.read, opus.read, mpeg.read, adts.read, pcm.read)


def listen(data: bytes) -> tuple[str, float]:
    """The text that a recording says, and its length in seconds.

    A recording that the sandbox did not make says one fixed sentence. The length is read from its container, and
    estimated at 128 kbit/s where the container is none of `FORMATS`.
    """
    found: Heard | None = None
    for read in _READERS:
        found = found or read(data)
    heard = found or Heard(None, len(data) / _BYTES_A_SECOND)
    return UNKNOWN if heard.text is None else heard.text, round(heard.seconds, 6)
