"""What speech costs: by the text, by how long it is, and by tokens.

A text that was said in part is charged in part. Which part nobody tells: it is what is usually said in the time that
the sound lasts, and rather less than more.
"""

from collections.abc import Mapping
from math import ceil
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


_MOST_BYTES_A_SECOND: Mapping[Coding, int] = MappingProxyType(
    {"mp3": 40_000, "opus": 64_000, "aac": 66_150, "flac": 96_000, "wav": 96_000, "pcm": PCM_BYTES_A_SECOND}
)
"""The same where sound broke off, so that it is rather taken for too short: the highest bit rates of MPEG audio layer
III (320 kbit/s), of Opus (RFC 6716: 510 kbit/s), of AAC (6 144 bits for a frame of 1 024 samples, at 88.2 kHz), and
samples of 16 bits at 48 kHz.
"""


class Said(msgspec.Struct, frozen=True, gc=False):
    """A text of so many `characters` that is spoken, which takes `seconds` as a rule; `text_bytes` of UTF-8 with the
    instructions; `coding` as asked.
    """

    characters: int
    text_bytes: int
    coding: Coding
    seconds: float

    def measured(self, head: bytes, tail: bytes, size: int) -> Usage:
        """What is charged for `size` bytes of sound, of which these are the first and the last."""
        found = self._length(head, tail, size, whole=True)
        return self.by_size(size) if found is None else self._usage(found)

    def cut(self, head: bytes, tail: bytes, size: int) -> Usage:
        """The same of sound that broke off there."""
        found = self._length(head, tail, size, whole=False)
        return self.cut_by_size(size) if found is None else self._part(found)

    def cut_by_size(self, size: int) -> Usage:
        """What is charged for `size` bytes that nobody has seen, after which the sound broke off."""
        return self._part(Length(size / _MOST_BYTES_A_SECOND[self.coding], guessed=True))

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

    def _length(self, head: bytes, tail: bytes, size: int, *, whole: bool) -> Length | None:
        if self.coding == "pcm" and not head.startswith(b"RIFF"):
            return Length(size / PCM_BYTES_A_SECOND, guessed=False)
        return duration.delivered(head, tail, size, whole=whole)

    def _part(self, length: Length) -> Usage:
        """So much of the text as is usually said in that time; the vendor had read all of it, as it reads a prompt."""
        said = ceil(self.characters * length.seconds / self.seconds)
        return msgspec.structs.replace(
            self._usage(length), characters=min(said, self.characters), characters_estimated=said < self.characters
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
