"""Films that were ordered, and their files."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from polyrelay.sandbox.images import picture
from polyrelay.sandbox.images.picture import Kind
from polyrelay.sandbox.lives import Life, Stage
from polyrelay.sandbox.video import mp4

_MOST_KEPT = 20_000
"""Older ones are forgotten."""
FAILURE = "The sandbox was told to let this video fail."


@dataclass(frozen=True, slots=True)
class Film:
    """One order. `born` is in seconds since the epoch, `seconds` the film's length, `size` in pixels.

    `seed` is that in its pictures: it stands for the reference image where there is one. `asked` is the body.
    """

    id: str
    model: str
    prompt: str
    seconds: float
    size: tuple[int, int]
    seed: int
    life: Life
    born: float
    remix_of: str | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)

    def stage(self, now: float) -> Stage:
        """Where in its life it is."""
        return self.life.stage(now - self.born)

    def progress(self, now: float) -> int:
        """Percent."""
        return int(100 * self.life.part(now - self.born))

    @property
    def over_at(self) -> float:
        """When its life ends, in seconds since the epoch; one that is stuck never gets there."""
        return self.born + self.life.seconds

    def still(self, kind: Kind) -> bytes:
        """One picture of it."""
        return picture.draw(picture.digest_of(self.prompt), self.seed, *self.size, kind)

    def file(self) -> bytes:
        """The MP4."""
        return mp4.film(self.still("jpeg"), *self.size, self.seconds)


class Films:
    """Keeps what was ordered; what has become of it follows from the time."""

    def __init__(self) -> None:
        self._films: OrderedDict[str, Film] = OrderedDict()
        self.total = 0

    def order(self, film: Film) -> Film:
        """Keep a new order."""
        self.total += 1
        self._films[film.id] = film
        if len(self._films) > _MOST_KEPT:
            self._films.popitem(last=False)
        return film

    def find(self, film_id: str) -> Film | None:
        """The film of that id."""
        return self._films.get(film_id)

    def forget(self, film_id: str) -> None:
        """Delete it."""
        self._films.pop(film_id, None)

    def all(self) -> list[Film]:
        """All of them, the oldest first."""
        return list(self._films.values())

    def jobs(self, now: float) -> list[dict[str, Any]]:
        """Everything there is, for the control endpoint."""
        return [
            {"kind": "video", "id": film.id, "model": film.model, "born": film.born, "stage": film.stage(now).value}
            for film in self._films.values()
        ]
