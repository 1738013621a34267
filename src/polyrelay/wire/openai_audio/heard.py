"""What an answer says of the recording: its text, and its usage as OpenAI states it, by tokens or by duration."""

from typing import Any

import msgspec

from polyrelay.exchange import guess
from polyrelay.exchange.usage import Usage
from polyrelay.wire import counts, transcripts
from polyrelay.wire.recording import Recording
from polyrelay.wire.spoken import Seen

_NO_DETAILS: dict[str, Any] = {}


def observe(body: bytes, recording: Recording) -> Seen:
    """Read a whole answer in JSON. Never raises."""
    if not body.strip():
        return Seen(empty=True)
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Seen(garbled=True)
    if not isinstance(found, dict):
        return Seen(garbled=True)
    if found.get("error") is not None:
        return Seen(error=True)
    transcript = transcripts.of(found)
    if transcript is None:
        return Seen(garbled=True)
    used = usage(found.get("usage"), transcript.text, recording, transcript.end, transcript.duration)
    return Seen(used, content_bytes=len(transcript.text.encode()))


def usage(stated: object, text: str, recording: Recording, end: float = 0.0, duration: float | None = None) -> Usage:
    """What is charged for `text`, whose last phrase ends at `end`: as a `usage` member of any shape says, else the
    `duration` that the upstream tells, else the recording. Never raises.
    """
    known = recording.usage(text, end, _duration(stated) or duration)
    return _with_tokens(known, stated)


def with_text(usage: Usage, size: int) -> Usage:
    """`usage` of an answer that is `size` bytes of text."""
    return msgspec.structs.replace(usage, output_text=guess.tokens(size))


def _with_tokens(known: Usage, stated: object) -> Usage:
    """`known` with the tokens that are stated, and as it is when none are.

    `input_tokens` contains what its details name; what they leave open is sound.
    """
    if not isinstance(stated, dict):
        return known
    given, made = counts.read(stated.get("input_tokens")), counts.read(stated.get("output_tokens"))
    if given is None and made is None:
        return known
    details = stated.get("input_token_details", stated.get("input_tokens_details"))
    named = counts.read((details if isinstance(details, dict) else _NO_DETAILS).get("text_tokens"))
    text, audio = counts.split(given, named)
    return msgspec.structs.replace(
        known, input_text=text, input_audio=audio, output_text=max(made or 0, 0), estimated=False
    )


def _duration(stated: object) -> float | None:
    return transcripts.seconds(stated.get("seconds")) if isinstance(stated, dict) else None
