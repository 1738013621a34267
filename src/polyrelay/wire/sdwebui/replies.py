"""How an answer of txt2img and img2img is taken: one JSON body, whose images are counted, and which leaves as it is."""

import msgspec

from polyrelay.wire.sdwebui.work import Work
from polyrelay.wire.spoken import JSON, Seen, WholeReply

KEPT_BYTES = 64 * 1024 * 1024
"""Most bytes of an answer that are taken off the server's hands before any of them leaves, so that no client that reads
slowly keeps others waiting: sixteen images of 1024x1024 that hardly compress. A larger one passes as it comes."""

_NOT_FOUND, _FAILED = 404, 500


class _Answer(msgspec.Struct, gc=False):
    images: list[msgspec.Raw] | None = None


class _Detail(msgspec.Struct, gc=False):
    detail: str = ""


_ANSWER = msgspec.json.Decoder(_Answer)
_DETAIL = msgspec.json.Decoder(_Detail)

NO_SUCH_ROUTE = "Not Found"
"""What FastAPI says of a path that is not there: then the channel is wrong (`--api` is missing), not the request."""

NO_IMAGE = "Invalid encoded image"
"""What the server says of an image that it cannot read, under status 500."""


class Images(WholeReply):
    """The answer to a request for `work`. A 404 is an init image or a sampler that is not there, and one 500 of the
    server's is about an image that it cannot read (WIRE 3.1).
    """

    media = frozenset({JSON})
    rejections = frozenset({_NOT_FOUND, _FAILED})
    kept_bytes = KEPT_BYTES

    def __init__(self, work: Work) -> None:
        self._work = work

    def observe(self, body: bytes) -> Seen:
        """Count the images; grids and what extensions add are not charged."""
        try:
            images = _ANSWER.decode(body).images
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Seen(garbled=True)
        if images is None:
            return Seen(garbled=True)
        return Seen(usage=self._work.usage(len(images)), empty=not images)

    def blames(self, status: int, body: bytes) -> bool:
        """Whether it is the request that is wrong."""
        if status not in self.rejections:
            return True
        try:
            detail = _DETAIL.decode(body).detail
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        return detail == NO_IMAGE if status == _FAILED else detail not in ("", NO_SUCH_ROUTE)
