"""ID3v2.4 tags, which stand before MP3 and ADTS frames (id3.org, ID3 tag version 2.4.0)."""

_HEAD = b"ID3\x04\x00\x00"
_HEAD_BYTES = 10
_COMMENT = b"COMM"
_UTF8_ENGLISH_UNNAMED = b"\x03eng\x00"


def write(text: str) -> bytes:
    """A tag with one frame, the comment."""
    body = _UTF8_ENGLISH_UNNAMED + text.encode()
    frame = _COMMENT + _synchsafe(len(body)) + b"\0\0" + body
    return _HEAD + _synchsafe(len(frame)) + frame


def read(data: bytes) -> tuple[str | None, int]:
    """The text of a tag that `write` made, None for another's, and where the audio begins."""
    if data[:3] != b"ID3" or len(data) < _HEAD_BYTES:
        return None, 0
    end = _HEAD_BYTES + _plain(data[6:10])
    frame = data[_HEAD_BYTES:end]
    body = frame[_HEAD_BYTES : _HEAD_BYTES + _plain(frame[4:8])]
    ours = frame[:4] == _COMMENT and body.startswith(_UTF8_ENGLISH_UNNAMED)
    return (body[len(_UTF8_ENGLISH_UNNAMED) :].decode("utf-8", "replace") if ours else None), end


def _synchsafe(number: int) -> bytes:
    """Four bytes of seven bits each."""
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def _plain(synchsafe: bytes) -> int:
    number = 0
    for byte in synchsafe:
        number = number << 7 | byte & 0x7F
    return number
