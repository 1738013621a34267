"""The sandbox's words: what it says, and how text falls into tokens."""

import re

import msgspec

from polyrelay.sandbox.chat import schema
from polyrelay.sandbox.chat.request import ChatRequest, acknowledge
from polyrelay.sandbox.dice import Dice
from polyrelay.sandbox.framing import STAMP

TOKEN_BYTES = 4
"""A token is taken to be 4 bytes of prompt, the field's rule of thumb for English."""

_PIECE = re.compile(r"\s*\S{1,8}|\s+$")
_EXCERPT = 120
_SENTENCE = (
    "the relay carries each byte as it came and counts what was used so that every bill can be explained "
    "while streams end honestly and keys stay secret in quiet rivers of plain text that nobody needs to read twice"
)
_WORDS = _SENTENCE.split()


def pieces_of(text: str) -> list[str]:
    """Split a text into tokens: words with the space before, long ones by 8 characters. Joined, they are `text`."""
    return _PIECE.findall(text)


def reply_text(request: ChatRequest, dice: Dice, index: int) -> str:
    """What choice `index` says: that this is a sandbox, what arrived, and a few words more."""
    shape = request.response_format or {}
    if shape.get("type") in ("json_object", "json_schema"):
        return _json_text(shape, dice)
    said = ["This is the polyrelay sandbox, not a model."]
    if (request.n or 1) > 1:
        said.append(f"Choice {index}.")
    said += [f"Received {acknowledge(part)}." for message in request.messages for part in message.media()]
    last = request.messages[-1]
    excerpt = " ".join(last.text().split())[:_EXCERPT]
    if excerpt:
        said.append(f"The {'tool' if last.role == 'tool' else 'user'} said: {excerpt}")
    return " ".join(said) + "".join(filler(dice, 8 + dice.below(16)))


def filler(dice: Dice, count: int) -> list[str]:
    """So many words, each one token."""
    return [" " + _WORDS[dice.below(len(_WORDS))] for _ in range(count)]


def shaped(pieces: list[str], size: int | None, *, stamp: bool) -> list[str]:
    """Pieces turned into stamps, or cut and padded to `size` ASCII bytes, as a script asks."""
    if stamp:
        pieces = [STAMP + " "] * len(pieces)
    if size is None:
        return pieces
    least = len(STAMP) + 1 if stamp else 0
    return [piece.encode("ascii", "replace").decode()[: max(size, least)].ljust(size, "x") for piece in pieces]


def _json_text(shape: dict[str, object], dice: Dice) -> str:
    described = shape.get("json_schema")
    if isinstance(described, dict):
        value = schema.example(described.get("schema"), dice)
    else:
        value = {"sandbox": True, "note": "This is the polyrelay sandbox, not a model.", "number": dice.below(100)}
    return msgspec.json.encode(value).decode()
