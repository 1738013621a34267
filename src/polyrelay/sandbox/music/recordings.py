"""Serves what the links of clips lead to: the live stream, the recording, and the film of its cover."""

from polyrelay.sandbox.calls import Call, Later, Route
from polyrelay.sandbox.framing import Reply
from polyrelay.sandbox.images import picture
from polyrelay.sandbox.lives import Stage
from polyrelay.sandbox.music import studio
from polyrelay.sandbox.music.clips import Clip
from polyrelay.sandbox.music.studio import NoSuchClipError, Studio
from polyrelay.sandbox.surfaces import MEDIA, Refused
from polyrelay.sandbox.video import mp4

_MP3, _MP4 = ("content-type", "audio/mpeg"), ("content-type", "video/mp4")
_SIDE = 256
_PORTION_BYTES = 16 * 1024


class Recordings:
    """The files of a studio's clips."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def routes(self) -> list[Route]:
        """The calls of this counter."""
        return [
            Route("GET", "/audiopipe", MEDIA, self._live),
            Route("GET", "/media/songs/{name}", MEDIA, self._file),
        ]

    def _live(self, call: Call) -> Reply:
        """As much as there is so far."""
        clip = self._found(call.asked("item_id"))
        if clip.stage(call.now) in (Stage.SUBMITTED, Stage.QUEUED):
            raise _nothing()
        sound = studio.recording(clip, clip.life.part(call.now - clip.born))
        portions = [sound[at : at + _PORTION_BYTES] for at in range(0, len(sound), _PORTION_BYTES)]
        return Reply(200, (_MP3,), portions, stream=True)

    def _file(self, call: Call) -> Reply | Later:
        name, _, ending = call.names["name"].partition(".")
        clip = self._found(name)
        if clip.stage(call.now) is not Stage.DONE or ending not in ("mp3", "mp4"):
            raise _nothing()
        if ending == "mp3":
            return Reply(200, (_MP3,), [studio.recording(clip, 1.0)])
        return Later(lambda: Reply(200, (_MP4,), [_film(clip)]))

    def _found(self, clip_id: str) -> Clip:
        try:
            return self._studio.clip(clip_id)
        except NoSuchClipError:
            raise _nothing() from None


def _film(clip: Clip) -> bytes:
    seed = picture.seed_of(clip.id.encode())
    cover = picture.draw(picture.digest_of(clip.title), seed, _SIDE, _SIDE, "jpeg")
    return mp4.film(cover, _SIDE, _SIDE, clip.seconds)


def _nothing() -> Refused:
    return Refused("No such recording.", 404, code="not_found")
