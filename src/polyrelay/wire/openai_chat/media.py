"""Counts what a chat request makes the vendor look at besides its text: images, audio, files, videos (WIRE 4.1, 4.4).

A customer writes the body, and upstreams disagree on repeated keys and on letter case. So the typed request alone does
not tell: `{"type":"text","Type":"image_url","image_url":"https://…"}` is text to one parser and an image to another.
What no parser can do without is the key that names the source, so those keys are counted in the raw text, in any case
and with any escapes, wherever they stand in the messages and in members the contract does not know. That is never less
than the parts there are, and exactly as many in an ordinary request.

Three questions, the cheap ones first, let requests without media pass by: is there a typed part that is not text, is
there any array inside the messages at all (a part stands in one), does anything in them end like such a key.
"""

import re
from collections.abc import Collection, Mapping

from polyrelay.exchange.call import NO_REFERENCES, References
from polyrelay.wire.members import Span
from polyrelay.wire.openai_chat import messages
from polyrelay.wire.openai_chat.schema import ChatForm
from polyrelay.wire.outline import Marked

_HINT = re.compile(rb'_(?i:url|(?<=input_)(?:audio|image|file|video)|(?<=file_)(?:data|id))"')
"""The end of a key that names a source, or of one inside `file`. Starts with a byte that is rare in prose, which keeps
the search fast; in the text of a string the quote would be escaped."""

_ESCAPED_LETTER = re.compile(rb"\\u00([4-7][0-9a-fA-F])")
"""A letter or underscore written as an escape: no encoder does that, but a key so written is the same key."""

_SOURCES = re.compile(
    rb'"(?:(image_url|input_image)|(input_audio|audio_url)|(file|file_url|document_url|input_file)'
    rb'|(video_url|input_video))"\s*:'
)
_BASE64 = ";base64,"
_LONGEST_TYPE = 256
"""Characters of a data URL before its base64. Media types with parameters stay under 100."""

_LONGEST_SCHEME = 16
"""Characters in which a URL has its colon: base64 has none."""

_TEXTS = (messages.TextPart, messages.RefusalPart)
"""Types are compared with `is` and `in` here: `isinstance` goes through the metaclass of structs, ten times slower."""


_Assistant = messages.AssistantMessage
_Part = messages.Part | messages.RefusalPart


def references(
    text: bytes, spans: Mapping[str, Span], unknown: Collection[str], form: ChatForm, marked: Marked | None
) -> References:
    """The media of the request `text` with top-level members at `spans`, of which `unknown` are not the contract's.

    `form` is the request decoded, from `marked` if the body is outlined. Assistant messages that name an earlier spoken
    answer count as audio: it is not in the body.
    """
    _, start, end = said = spans["messages"]
    spoken = len([None for message in form.messages if type(message) is _Assistant and message.audio is not None])
    arrays = text.find(b"[", start + 1, end) >= 0
    if not arrays and not unknown:
        return References(audio=spoken) if spoken else NO_REFERENCES
    parts = _typed(form.messages) if arrays else []
    regions = [said] if parts or (arrays and _may_name_media(text, said)) else []
    if unknown:
        regions += [spans[name] for name in unknown if parts or _may_name_media(text, spans[name])]
    if not regions:
        return References(audio=spoken) if spoken else NO_REFERENCES
    images, audio, files, videos = _count(b"\n".join([text[start:end] for start, _, end in regions]))
    if not (images or audio or files or videos or spoken):
        return NO_REFERENCES
    return References(images, audio + spoken, files, videos, sum([_inline(part, marked) for part in parts]))


def _typed(said: list[messages.Message]) -> list[_Part]:
    """The media parts that the contract's own reading finds."""
    parts: list[_Part] = []
    for message in said:
        content = message.content
        if type(content) is list:
            parts += [part for part in content if type(part) not in _TEXTS]
    return parts


def _may_name_media(text: bytes, region: Span) -> bool:
    key, _, end = region
    if text.find(b"_", key, end) >= 0 and _HINT.search(text, key, end):
        return True
    return text.find(b"\\", key, end) >= 0 and _ESCAPED_LETTER.search(text, key, end) is not None


def _count(text: bytes) -> list[int]:
    """Keys in `text` that name the source of an image, of audio, of a file, of a video."""
    plain = _ESCAPED_LETTER.sub(_letter, text).lower() if b"\\" in text else text.lower()
    counts = [0, 0, 0, 0]
    for key in _SOURCES.finditer(plain):
        counts[(key.lastindex or 1) - 1] += 1
    return counts


def _letter(escape: re.Match[bytes]) -> bytes:
    return bytes.fromhex(escape[1].decode())


def _inline(part: _Part, marked: Marked | None) -> int:
    """Bytes of base64 in `part`; never more than its string has in the body. 0 where it is not certain."""
    given = _source(part)
    if not given or not given.isascii():
        return 0
    start = given.find(_BASE64, 0, _LONGEST_TYPE)
    if start >= 0:
        start += len(_BASE64)
    elif type(part) in (messages.ImagePart, messages.VideoPart) or ":" in given[:_LONGEST_SCHEME]:
        return 0
    else:
        start = 0
    return len(given) - start + (marked.hidden(given) if marked else 0)


def _source(part: _Part) -> str | None:
    """The URL, data URL or base64 of `part`."""
    if type(part) is messages.ImagePart:
        return part.image_url.url if part.image_url else None
    if type(part) is messages.AudioPart:
        return part.input_audio.data if part.input_audio else None
    if type(part) is messages.FilePart:
        return part.file.file_data if part.file else None
    if type(part) is messages.VideoPart:
        return part.video_url.url if part.video_url else None
    return None
