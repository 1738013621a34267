"""The recording in a form: which part it is, how long it lasts, and what listening to it costs."""

from collections.abc import Sequence
from math import ceil

import msgspec

from polyrelay.exchange import guess, sound
from polyrelay.exchange.call import Call, Demand, References
from polyrelay.exchange.sound import Length
from polyrelay.exchange.upload import Upload
from polyrelay.exchange.usage import Usage
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire.containers import duration
from polyrelay.wire.multipart.form import Form, Part

WINDOW_SECONDS = 30
"""Whisper hears so much at a time, and may put the end of a phrase anywhere in it, past the recording's end too."""

_DOUBT = 2
"""For a hold: how many times longer a recording of a variable bit rate may be than it seems."""


class Recording(msgspec.Struct, frozen=True, gc=False):
    """`part` of a form. `length` as far as it is known; `most` seconds that it may last. `prompt_tokens` of the text
    that goes with it.
    """

    part: Part
    length: Length
    most: int
    prompt_tokens: int

    def usage(self, text: str, end: float = 0.0, stated: float | None = None) -> Usage:
        """What is charged for a transcript `text` whose last phrase ends at `end`, in seconds, by an upstream that has
        `stated` how long the recording is, or has not.
        """
        if stated:
            length = Length(stated, guessed=False)
        else:
            least = max(len(text) / sound.MOST_CHARACTERS_A_SECOND, end - WINDOW_SECONDS)
            length = sound.at_least(self.length, least)
        return Usage(
            input_text=self.prompt_tokens,
            input_audio=sound.heard_tokens(length),
            output_text=guess.tokens(len(text.encode())),
            estimated=True,
            seconds=max(length.whole, 1),
            seconds_estimated=length.guessed,
        )

    def unstated(self, delivered: int) -> Usage:
        """What is charged when `delivered` bytes of a transcript have left and nothing more is known."""
        return msgspec.structs.replace(self.usage(""), output_text=guess.tokens(delivered))

    def cut(self, characters: int, delivered: int, end: float) -> Usage:
        """The same when the upstream broke off after so many `characters`, and after a phrase that ends at `end`
        seconds, 0 where that is not known: no more of the recording is charged than they show to have been heard.
        """
        heard = min(max(characters / sound.BRISK_CHARACTERS_A_SECOND, end), self.length.seconds)
        return msgspec.structs.replace(self.unstated(delivered), seconds=max(ceil(heard), 1), seconds_estimated=True)


def find(form: Form, names: Sequence[str]) -> Part:
    """The one file among the parts of these names. Raises `InvalidRequest`."""
    found = [part for part in form.parts if part.name in names]
    if not found:
        message = f"Missing required parameter: '{names[0]}'."
        raise InvalidRequest(message, code="missing_required_parameter", param=names[0])
    if len(found) > 1:
        raise InvalidRequest("Send one recording at a time.", code="duplicate_field", param=found[1].name)
    if not found[0].is_file:
        message = f"'{found[0].name}' must be a file: its part has no file name."
        raise InvalidRequest(message, code="invalid_multipart", param=found[0].name)
    if not found[0].size:
        raise InvalidRequest("The recording is empty.", code="invalid_value", param=found[0].name)
    return found[0]


def measure(part: Part, upload: Upload, prompt: str) -> Recording:
    """The recording in `part`, its length read from its container."""

    def read(size: int, offset: int) -> bytes:
        return upload.read(min(size, part.size - offset), part.value_start + offset)

    tokens = guess.tokens(len(prompt.encode()))
    found = duration.of(read, part.size)
    if found is None:
        return Recording(part, sound.by_size(part.size), -(-part.size // sound.LEAST_BYTES_A_SECOND), tokens)
    return Recording(part, found, found.whole * (_DOUBT if found.guessed else 1), tokens)


def exact(part: Part, seconds: float, prompt: str) -> Recording:
    """The same of a length that is known otherwise."""
    length = Length(seconds, guessed=False)
    return Recording(part, length, length.whole, guess.tokens(len(prompt.encode())))


def call(model: str, form: Form, recording: Recording, *, stream: bool = False, others: Sequence[Part] = ()) -> Call:
    """The call that a form amounts to. `others` are recordings that go with it."""
    media = (recording.part, *others)
    return Call(
        model,
        stream,
        form.size,
        max_output=sound.most_heard(recording.most),
        references=References(audio=len(media), inline_bytes=sum(part.size for part in media)),
        demand=Demand(seconds=recording.most),
        capped=False,
    )
