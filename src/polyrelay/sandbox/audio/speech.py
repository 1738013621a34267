"""Speech as samples: by espeak-ng where it is installed, else a tone for each word."""

import shutil
import struct
import subprocess
import sys
from array import array
from dataclasses import dataclass
from functools import lru_cache
from math import gcd, pi, sin

from polyrelay.sandbox.audio import language
from polyrelay.sandbox.dice import Dice

RATE = 24_000
"""Samples a second, as OpenAI's `pcm` has them."""
_ESPEAK = "espeak-ng"
_ESPEAK_SECONDS = 60.0
"""Far above what 4096 characters take (under 2 s)."""
_WORDS_A_MINUTE, _SLOWEST, _FASTEST = 175, 80, 450
_LOUD = 8000
_TONE_SECONDS_A_LETTER, _GAP_SECONDS = 0.06, 0.05
_LEAST_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Speech:
    """Signed 16-bit samples of one channel at `RATE`, and what they say."""

    samples: "array[int]"
    text: str

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / RATE

    def lasting(self, seconds: float) -> "Speech":
        """The same cut, or with silence after it, to exactly that length."""
        wanted = round(seconds * RATE)
        return Speech(self.samples[:wanted] + silence(max(0, wanted - len(self.samples))), self.text)

    def little_endian(self) -> bytes:
        """The samples as every format here wants them."""
        if sys.byteorder == "little":
            return self.samples.tobytes()
        swapped = self.samples[:]
        swapped.byteswap()
        return swapped.tobytes()


def silence(samples: int) -> "array[int]":
    """So many samples of nothing."""
    return array("h", bytes(2 * samples))


@lru_cache(maxsize=8)
def speak(text: str, voice: str = "alloy", speed: float = 1.0) -> Speech:
    """Say `text`; `speed` is 1 for the usual pace. Takes up to a second or two for the longest texts."""
    program = shutil.which(_ESPEAK)
    samples = _toned(text, voice, speed) if program is None else _espoken(program, text, voice, speed)
    return Speech(samples + silence(max(0, round(_LEAST_SECONDS * RATE) - len(samples))), text)


def _espoken(program: str, text: str, voice: str, speed: float) -> "array[int]":
    pace = max(_SLOWEST, min(_FASTEST, round(_WORDS_A_MINUTE * speed)))
    pitch = 30 + Dice(voice.encode()).below(40)
    options = ["-v", language.espeak_voice(text), "-s", str(pace), "-p", str(pitch), "--stdin", "--stdout"]
    done = subprocess.run(  # noqa: S603 - no shell, and the text is its input
        [program, *options], input=text.encode(), capture_output=True, timeout=_ESPEAK_SECONDS, check=False
    )
    head, _, data = done.stdout.partition(b"data")
    if done.returncode or len(head) < _RATE_AT + 4:
        return _toned(text, voice, speed)
    (rate,) = struct.unpack_from("<I", head, _RATE_AT)
    samples = array("h", data[4 : 4 + (len(data) - 4) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return _resampled(samples, rate)


_RATE_AT = 24
"""Where a WAV file's head has its rate; espeak-ng's is the canonical one of 44 bytes."""


def _resampled(samples: "array[int]", rate: int) -> "array[int]":
    """The samples at `RATE`, by straight lines between them: all that lie equally far between two at a time."""
    if rate == RATE:
        return samples
    shared = gcd(rate, RATE)
    down, up = rate // shared, RATE // shared
    rounds = max(0, len(samples) - 1) // down
    out = silence(rounds * up)
    for phase in range(up if rounds else 0):
        first, weight = divmod(phase * down, up)
        upto = first + (rounds - 1) * down + 1
        ends = zip(samples[first:upto:down], samples[first + 1 : upto + 1 : down], strict=True)
        out[phase::up] = array("h", [one + (other - one) * weight // up for one, other in ends])
    return out


def _toned(text: str, voice: str, speed: float) -> "array[int]":
    samples = array("h")
    gap = silence(round(_GAP_SECONDS / speed * RATE))
    for word in text.split():
        period = 60 + Dice(f"{voice} {word}".encode()).below(120)
        wave = array("h", (round(_LOUD * sin(2 * pi * place / period)) for place in range(period)))
        wanted = round(_TONE_SECONDS_A_LETTER * len(word) / speed * RATE)
        samples += (wave * (wanted // period + 1))[:wanted] + gap
    return samples
