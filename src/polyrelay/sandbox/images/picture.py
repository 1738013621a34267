"""Pictures that say which request they belong to.

The upper left corner of a picture is a grid of 16 columns and 14 rows of square cells, white for 1 and black for 0,
read row by row, the highest bit of each byte first. Its 28 bytes are

    16  BLAKE2b of the prompt as UTF-8 (`digest_of`)
     8  the seed, big-endian, unsigned
     4  CRC-32 of the 24 bytes before

A cell is 8 pixels wide, or as many as fit when the picture is smaller: `min(8, width // 16, height // 14)`, so that
JPEG and WebP keep the code too. The rest is tiles in colours that follow from the digest and the seed.
"""

import zlib
from hashlib import blake2b, sha256
from io import BytesIO
from typing import TYPE_CHECKING, Literal

from polyrelay.sandbox.dice import Dice

if TYPE_CHECKING:
    from PIL.Image import Image as Drawing

Kind = Literal["png", "jpeg", "webp"]
COLUMNS, ROWS = 16, 14
_CELL = 8
_DIGEST_BYTES, _SEED_BYTES = 16, 8
_WHITE, _THRESHOLD = 255, 128
_TILES = 6
MOST_SIDE = 4096
"""Pixels of the longest side that is drawn."""
SEEDS = 1 << (8 * _SEED_BYTES)


class UnreadableError(ValueError):
    """These bytes are no picture, or none with a code."""


def digest_of(prompt: str) -> str:
    """The digest of a prompt in hexadecimal, as pictures carry it."""
    return blake2b(prompt.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).hexdigest()


def seed_of(*images: bytes) -> int:
    """The seed that stands for uploaded images: the first 8 bytes of the SHA-256 of all of them joined."""
    return int.from_bytes(sha256(b"".join(images)).digest()[:_SEED_BYTES])


def draw(
    digest: str, seed: int, width: int, height: int, kind: Kind = "png", *, quality: int = 90, plain: bool = False
) -> bytes:
    """A picture of that size in pixels. `quality` (1..100) is for JPEG and WebP; `plain` leaves the tiles out.

    A picture smaller than 16x14 pixels has no room for the code.
    """
    return encode(_painted(digest, seed, width, height, plain=plain), kind, quality)


def sheet(digest: str, seeds: list[int], width: int, height: int) -> bytes:
    """Pictures of these seeds side by side in rows, as a PNG."""
    from PIL import Image  # noqa: PLC0415 - see tools/tidy.py

    columns = max(1, round(len(seeds) ** 0.5))
    rows = -(-len(seeds) // columns)
    whole = Image.new("RGB", (width * columns, height * rows))
    for place, seed in enumerate(seeds):
        picture = _painted(digest, seed, width, height, plain=False)
        whole.paste(picture, (place % columns * width, place // columns * height))
    return encode(whole, "png", 0)


def read_back(image: bytes) -> tuple[str, int]:
    """The digest of the prompt, in hexadecimal, and the seed of a picture that the sandbox drew.

    Raises:
        UnreadableError: it is no picture, or carries no code.
    """
    picture = _opened(image).convert("L")
    cell = _cell(picture.width, picture.height)
    bits = 0
    for place in range(COLUMNS * ROWS if cell else 0):
        at = (place % COLUMNS * cell + cell // 2, place // COLUMNS * cell + cell // 2)
        shade = picture.getpixel(at)
        bits = bits << 1 | (isinstance(shade, (int, float)) and shade >= _THRESHOLD)
    code = bits.to_bytes(COLUMNS * ROWS // 8)
    named = code[: _DIGEST_BYTES + _SEED_BYTES]
    if not cell or zlib.crc32(named) != int.from_bytes(code[len(named) :]):
        raise UnreadableError("the picture carries no code of the sandbox")
    return named[:_DIGEST_BYTES].hex(), int.from_bytes(named[_DIGEST_BYTES:])


def size_of(image: bytes) -> tuple[int, int]:
    """Width and height in pixels.

    Raises:
        UnreadableError: it is no picture.
    """
    picture = _opened(image)
    return picture.width, picture.height


def looks_like_one(data: bytes) -> bool:
    """Whether the first bytes are those of a PNG, JPEG or WebP file."""
    webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    return webp or data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"))


def encode(picture: "Drawing", kind: Kind, quality: int) -> bytes:
    """The picture as a file."""
    out = BytesIO()
    if kind == "png":
        picture.save(out, "PNG", compress_level=6)
    else:
        picture.save(out, kind.upper(), quality=max(1, min(100, quality)), **({"method": 0} if kind == "webp" else {}))
    return out.getvalue()


def _painted(digest: str, seed: int, width: int, height: int, *, plain: bool) -> "Drawing":
    from PIL import Image  # noqa: PLC0415 - see tools/tidy.py

    named = bytes.fromhex(digest) + (seed % SEEDS).to_bytes(_SEED_BYTES)
    dice = Dice(named)
    picture = Image.new("RGB", (width, height), _colour(dice))
    cell = _cell(width, height)
    for _ in range(0 if plain else _TILES):
        left, top = dice.below(width), dice.below(height)
        picture.paste(_colour(dice), (left, top, min(width, left + width // 4), min(height, top + height // 4)))
    if cell:
        code = int.from_bytes(named + zlib.crc32(named).to_bytes(4))
        shades = bytes(_WHITE * (code >> place & 1) for place in reversed(range(COLUMNS * ROWS)))
        grid = Image.frombytes("L", (COLUMNS, ROWS), shades)
        picture.paste(grid.resize((COLUMNS * cell, ROWS * cell), Image.Resampling.NEAREST), (0, 0))
    return picture


def _cell(width: int, height: int) -> int:
    return min(_CELL, width // COLUMNS, height // ROWS)


def _colour(dice: Dice) -> tuple[int, int, int]:
    return dice.below(256), dice.below(256), dice.below(256)


def _opened(image: bytes) -> "Drawing":
    from PIL import Image  # noqa: PLC0415 - see tools/tidy.py

    try:
        picture = Image.open(BytesIO(image), formats=["PNG", "JPEG", "WEBP"])
        picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableError(f"not a PNG, JPEG or WebP picture: {error}") from None
    return picture
