"""Everything behind the counter that outlives a request: the studios, the films, the queue of the WebUI."""

from collections.abc import Callable
from typing import Any

from polyrelay.sandbox.asr import counter as asr
from polyrelay.sandbox.audio import speaking, transcribing
from polyrelay.sandbox.calls import Route
from polyrelay.sandbox.images import counter as images
from polyrelay.sandbox.music.flat import Flat
from polyrelay.sandbox.music.native import Native
from polyrelay.sandbox.music.recordings import Recordings
from polyrelay.sandbox.music.studio import Studio
from polyrelay.sandbox.music.tasks import Tasks
from polyrelay.sandbox.video.aitoearn import VideoTasks
from polyrelay.sandbox.video.films import Films
from polyrelay.sandbox.video.openai import Videos
from polyrelay.sandbox.webui import reactor
from polyrelay.sandbox.webui.counter import Webui


class Premises:
    """One of each upstream. `clock` tells seconds since the epoch."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._studio = Studio()
        self._films = Films()
        self._webui = Webui()

    def routes(self) -> list[Route]:
        """Every call but chat and the list of models."""
        return [
            *images.routes(),
            *speaking.routes(),
            *transcribing.routes(),
            *Videos(self._films).routes(),
            *VideoTasks(self._films).routes(),
            *asr.routes(),
            *self._webui.routes(),
            *reactor.routes(),
            *Native(self._studio).routes(),
            *Tasks(self._studio).routes(),
            *Flat(self._studio).routes(),
            *Recordings(self._studio).routes(),
        ]

    def jobs(self) -> list[dict[str, Any]]:
        """Clips, lyrics and videos, each kind from the oldest, with where they are in their lives."""
        now = self._clock()
        return [*self._studio.jobs(now), *self._films.jobs(now)]

    def state(self) -> dict[str, int]:
        """The counts, as JSON can hold them; those in all are of orders, whatever became of them."""
        return {
            "songs_total": self._studio.songs_total,
            "lyrics_total": self._studio.lyrics_total,
            "videos_total": self._films.total,
            "webui_total": self._webui.line.total,
            "webui_waiting": self._webui.line.waiting(self._clock()),
        }
