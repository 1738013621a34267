"""Wave64 (Sony Pictures Digital's specification): WAV with GUIDs for names, and lengths of 64 bits that count heads."""

from polyrelay.wire.containers import wav
from polyrelay.wire.containers.chunks import Layout, walk
from polyrelay.wire.containers.media import Media

MAGIC = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb"
"""The first three quarters of the file's GUID."""

_HEADER = 40
_GUID_TAIL = b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
FORMAT = b"fmt " + _GUID_TAIL
_CHUNKS = Layout(16, 8, "little", inclusive=True, align=8, sound=b"data" + _GUID_TAIL)


def seconds(media: Media) -> float | None:
    """The duration; of a file that is shorter than it says, that of what is there."""
    form = b""
    sound = 0
    for chunk in walk(media, _HEADER, _CHUNKS):
        if chunk.name == FORMAT:
            form = media.read(wav.FORMAT_BYTES, chunk.start)
        elif chunk.name == _CHUNKS.sound:
            sound += chunk.size
    return wav.played(form, sound) if sound else None
