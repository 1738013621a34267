"""What speech costs: by the text, by how long it is, and by tokens."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from polyrelay.exchange import guess, sound
from polyrelay.exchange.sound import Length
from polyrelay.exchange.usage import Usage
from polyrelay.wire import counts
from polyrelay.wire.containers import duration
from polyrelay.wire.openai_audio.schema import Coding

PCM_BYTES_A_SECOND = 48_000
"""OpenAI's `pcm`: 24 kHz, 16 bits, one channel, no header (its text-to-speech guide)."""

_USUAL_BYTES_A_SECOND: Mapping[Coding, int] = MappingProxyType(
    {"mp3": 16_000, "opus": 8_000, "aac": 12_000, "flac": 24_000, "wav": PCM_BYTES_A_SECOND, "pcm": PCM_BYTES_A_SECOND}
)
"""Where the length cannot be read: half of the samples' size for FLAC, else usual bit rates for one voice."""


class Said(msgspec.Struct, frozen=True, gc=False):
    """A text of so many `characters` that is spoken; `text_bytes` of UTF-8 with the instructions; `coding` as asked."""

    characters: int
    text_bytes: int
    coding: Coding

    def measured(self, head: bytes, tail: bytes, size: int) -> Usage:
        """What is charged for `size` bytes of sound, of which these are the first and the last."""
        if self.coding == "pcm" and not head.startswith(b"RIFF"):
            return self._usage(Length(size / PCM_BYTES_A_SECOND, guessed=False))
        found = duration.delivered(head, tail, size)
        return self.by_size(size) if found is None else self._usage(found)

    def by_size(self, size: int) -> Usage:
        """What is charged for `size` bytes that nobody has seen."""
        return self._usage(Length(size / _USUAL_BYTES_A_SECOND[self.coding], guessed=True))

    def stated(self, usage: object, size: int) -> Usage | None:
        """What is charged for a `usage` member of any shape and `size` bytes of sound; None when it counts nothing."""
        if not isinstance(usage, dict):
            return None
        given, made = counts.read(usage.get("input_tokens")), counts.read(usage.get("output_tokens"))
        if given is None and made is None:
            return None
        return msgspec.structs.replace(
            self.by_size(size), input_text=max(given or 0, 0), output_audio=max(made or 0, 0), estimated=False
        )

    def _usage(self, length: Length) -> Usage:
        """An answer that has begun counts a second at least."""
        return Usage(
            input_text=guess.tokens(self.text_bytes),
            output_audio=sound.spoken_tokens(length),
            estimated=True,
            seconds=max(length.whole, 1),
            characters=self.characters,
            seconds_estimated=length.guessed,
        )
