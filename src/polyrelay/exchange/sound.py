"""How sound is counted where nobody says: by its seconds, its bytes, and what is said in it.

Every unit that a tariff may price is given, so that the tariff decides which of them counts.
"""

from math import ceil
from typing import NamedTuple

HEARD_TOKENS_A_SECOND = 10
SPOKEN_TOKENS_A_SECOND = 20
"""OpenAI's guide to realtime costs: a token for 100 ms of a user's audio, and one for 50 ms of the assistant's."""

MOST_SPOKEN_TOKENS_A_SECOND = 25
"""For a hold: Gemini's rate, and a fifth above what OpenAI charges a minute for (1 250)."""

MOST_SECONDS_A_CHARACTER = 0.5
"""For a hold. Ideographs and digits, each a word, take up to 0.4 s at the usual pace; letters a sixth of that."""

USUAL_BYTES_A_SECOND = 8_000
"""Of a recording whose length cannot be read: 64 kbit/s, what recorders of speech use."""

LEAST_BYTES_A_SECOND = 590
"""For a hold: AMR at its lowest, 4.75 kbit/s. Nobody sends speech in fewer."""

USUAL_TEXT_BYTES_A_SECOND = 12
"""Of UTF-8 that is read out, at the usual pace: so many letters (Unreal Speech's price list takes 750 characters for a
minute, which is 12.5 a second; ElevenLabs' help page 10,000 for ten, 16.7), or four ideographs. Other scripts have two
or three bytes for a letter, and are said faster than that.
"""

BRISK_CHARACTERS_A_SECOND = 20
"""Of what is heard, at a brisk pace: 200 words a minute, with their spaces. With pauses it is less."""

MOST_CHARACTERS_A_SECOND = 50
"""Said or sung: twice the pace of an auctioneer. A text that is longer than that shows that the recording is, too."""

MOST_TEXT_TOKENS_A_SECOND = 20
"""For a hold: of what is said. Ideographs cost a token or two, and nobody says more than ten a second."""

LEAST_TEXT_TOKENS = 512
"""For a hold: models make up a few sentences even of silence."""

MOST_HEARD_TOKENS_A_SECOND = 50
"""For a hold: what Whisper's encoder makes of a second. No model counts finer (Gemini 32, Qwen 25, Voxtral 12.5)."""

MOST_SECONDS = 10_000_000
"""A duration above it (116 days) is none: no upstream hears or says so much in one call."""


class Length(NamedTuple):
    """A duration in seconds; `guessed` where it was neither stated nor read from the recording."""

    seconds: float
    guessed: bool

    @property
    def whole(self) -> int:
        """In whole seconds, begun ones included."""
        return ceil(self.seconds)


def by_size(size: int) -> Length:
    """How long a recording of `size` bytes usually is."""
    return Length(size / USUAL_BYTES_A_SECOND, guessed=True)


def at_least(length: Length, seconds: float) -> Length:
    """`length`, unless what was heard proves that the recording lasts at least so many seconds: a container is written
    by whoever sends it, and may say less.
    """
    return Length(seconds, guessed=True) if seconds > length.seconds else length


def heard_tokens(length: Length) -> int:
    """Tokens of a recording that is listened to."""
    return ceil(length.seconds * HEARD_TOKENS_A_SECOND)


def spoken_tokens(length: Length) -> int:
    """Tokens of speech that is made."""
    return ceil(length.seconds * SPOKEN_TOKENS_A_SECOND)


def most_spoken(characters: int, speed: float) -> float:
    """Seconds that a text of so many characters takes at most, at `speed` times the usual pace."""
    return characters * MOST_SECONDS_A_CHARACTER / speed


def usually_spoken(text: str, speed: float) -> float:
    """Seconds that `text` takes at `speed` times the usual pace. A digit is a word, and counts as an ideograph does."""
    digits = sum(map(text.count, "0123456789"))
    return (len(text.encode()) + 2 * digits) / USUAL_TEXT_BYTES_A_SECOND / speed


def most_heard(seconds: int) -> int:
    """Tokens of text that a recording of at most so many seconds gives at most."""
    return seconds * MOST_TEXT_TOKENS_A_SECOND + LEAST_TEXT_TOKENS
