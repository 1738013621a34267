"""Who may call an upstream that takes so many calls at once, and in which order others wait: first come, first served.

A vendor that works on one call at a time would keep the others waiting itself, while their deadlines run and nobody
knows their order. A call that several channels may serve stands in the line of each, and takes the first place that is
free. Lines go by the name of a channel, so that they outlive a change of the configuration.
"""

from collections.abc import Callable, Sequence

from polyrelay.access.windows import share
from polyrelay.kernel import errors
from polyrelay.routing.channel import Candidate, Channel

RETRY_SECONDS = 10.0
"""Advice to whom there is no room to wait: about as long as an upstream works on one image."""

Begin = Callable[[Candidate], None]
"""Makes the call through this candidate. Does not raise."""


class Entry:
    """One call: stands in line, has a place, or has left."""

    __slots__ = ("_begin", "_lines", "candidates", "inside")

    def __init__(self, lines: "Lines", candidates: Sequence[Candidate], begin: Begin) -> None:
        """`candidates` are those that it may go to, best first; `begin` is called once it may go."""
        self._lines: Lines | None = lines
        self._begin = begin
        self.candidates = candidates
        self.inside: str | None = None
        """The channel whose place it has."""

    def seek(self) -> None:
        """Begin with the best candidate that is free, now or when it is this one's turn.

        Raises `errors.Overloaded` when nobody is free, and no line has room.
        """
        if self._lines is not None:
            self._lines.seek(self)

    def leave(self) -> None:
        """Give up the place, or wait no more. Again is no error."""
        lines, self._lines = self._lines, None
        if lines is not None:
            lines.left(self)

    def begin(self, candidate: Candidate) -> None:
        """It may go."""
        self._begin(candidate)

    def through(self, channel: str) -> Candidate:
        """The best candidate of a channel."""
        return next(each for each in self.candidates if each.channel.name == channel)


class Line:
    """The line of one channel: `busy` calls have one of its `places`."""

    __slots__ = ("busy", "places", "serving", "waiting")

    def __init__(self) -> None:
        self.places = 0
        self.busy = 0
        self.waiting: dict[Entry, None] = {}
        self.serving = False

    @property
    def free(self) -> bool:
        """Whether there is a place for one more."""
        return self.busy < self.places


class Lines:
    """All lines of one process, of which there are `workers`; `index` (from 0) is this one."""

    def __init__(self, workers: int = 1, index: int = 0) -> None:
        self._workers = workers
        self._index = index
        self._lines: dict[str, Line] = {}

    def __len__(self) -> int:
        """Channels that have a line now."""
        return len(self._lines)

    def seek(self, entry: Entry) -> None:
        """See `Entry.seek`."""
        for candidate in entry.candidates:
            channel = candidate.channel
            if not channel.concurrency:
                entry.begin(candidate)
                return
            line = self._line(channel)
            if line.free:
                line.busy += 1
                entry.inside = channel.name
                entry.begin(candidate)
                return
        self._stand(entry)

    def left(self, entry: Entry) -> None:
        """An entry has left: the next one of its line may go."""
        if entry.inside is None:
            self._drop(entry)
            return
        line = self._lines[entry.inside]
        line.busy -= 1
        self._serve(entry.inside, line)

    def _line(self, channel: Channel) -> Line:
        """The line of a channel, with as many places as its configuration says by now. A free one is free for all."""
        line = self._lines.get(channel.name)
        if line is None:
            line = self._lines[channel.name] = Line()
        line.places = max(share(channel.concurrency, self._workers, self._index), 1)
        if line.waiting:
            self._serve(channel.name, line)
        return self._lines.setdefault(channel.name, line)

    def _stand(self, entry: Entry) -> None:
        stands = False
        for candidate in entry.candidates:
            waiting = self._line(candidate.channel).waiting
            if entry in waiting or len(waiting) < candidate.channel.waiting:
                waiting[entry] = None
                stands = True
        if not stands:
            raise errors.Overloaded(
                "Too many requests wait for this model; retry later.", code="queue_full", retry_after=RETRY_SECONDS
            )

    def _serve(self, name: str, line: Line) -> None:
        """Let those go who have waited longest. One that ends at once gives its place back within this very loop."""
        if line.serving:
            return
        line.serving = True
        while line.waiting and line.free:
            entry = next(iter(line.waiting))
            line.busy += 1
            entry.inside = name
            self._drop(entry)
            entry.begin(entry.through(name))
        line.serving = False
        self._forget(name, line)

    def _drop(self, entry: Entry) -> None:
        """It waits no more."""
        for name in {each.channel.name for each in entry.candidates}:
            line = self._lines.get(name)
            if line is not None:
                line.waiting.pop(entry, None)
                self._forget(name, line)

    def _forget(self, name: str, line: Line) -> None:
        if not (line.busy or line.waiting or line.serving):
            self._lines.pop(name, None)
