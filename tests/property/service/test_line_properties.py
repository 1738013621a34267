"""Whatever comes, leaves and changes: no more calls than places, nobody is forgotten, nobody is overtaken."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from polyrelay.kernel import errors
from polyrelay.routing.channel import Candidate, Channel, Credential
from polyrelay.service.line import Entry, Lines

KEY = Credential("#1", "secret")
NAMES = ("a", "b", "c")
MOST_WAITING = 4


class Calls(RuleBasedStateMachine):
    """A model of the lines: who came in which order, who waits where, and who has a place."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = Lines()
        self.places = dict.fromkeys(NAMES, 1)
        self.seen = dict.fromkeys(NAMES, 0)
        self.waiting: dict[Entry, tuple[str, ...]] = {}
        self.inside: dict[Entry, str] = {}
        self.coming: Entry | None = None

    def _begin(self, entry: list[Entry], chosen: Candidate) -> None:
        name = chosen.channel.name
        if entry[0] in self.waiting:
            ahead = [each for each, names in self.waiting.items() if name in names]
            assert ahead[0] is entry[0], "whoever waited longest goes first"
            del self.waiting[entry[0]]
        else:
            assert self.coming is entry[0]
            assert not any(name in names for names in self.waiting.values()), "nobody is overtaken"
        self.inside[entry[0]] = name

    @rule(names=st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    def come(self, names: list[str]) -> None:
        candidates = [
            Candidate(Channel(n, "p", "http://x", (KEY,), concurrency=self.places[n], waiting=MOST_WAITING), KEY)
            for n in names
        ]
        box: list[Entry] = []
        entry = Entry(self.lines, candidates, lambda chosen: self._begin(box, chosen))
        box.append(entry)
        self.coming = entry
        try:
            entry.seek()
        except errors.Overloaded:
            assert not self._with_room(names)
            entry.leave()
        else:
            if entry not in self.inside:
                self.waiting[entry] = self._with_room(names)
        self.coming = None
        looked_at = names.index(self.inside[entry]) + 1 if entry in self.inside else len(names)
        self.seen.update({name: self.places[name] for name in names[:looked_at]})

    def _with_room(self, names: list[str]) -> tuple[str, ...]:
        """Once those have gone for whom a change of places made some."""
        return tuple(n for n in names if sum(n in each for each in self.waiting.values()) < MOST_WAITING)

    @precondition(lambda self: self.inside or self.waiting)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from([*self.inside, *self.waiting]))
        self.inside.pop(entry, None)
        self.waiting.pop(entry, None)
        entry.leave()
        entry.leave()

    @rule(name=st.sampled_from(NAMES), places=st.integers(1, 3))
    def change(self, name: str, places: int) -> None:
        self.places[name] = places

    @invariant()
    def no_place_is_idle_while_somebody_waits(self) -> None:
        for name in NAMES:
            busy = list(self.inside.values()).count(name)
            waits = any(name in names for names in self.waiting.values())
            assert not (waits and busy < self.seen[name])

    def teardown(self) -> None:
        while self.inside or self.waiting:
            for entry in [*self.inside, *self.waiting]:
                self.inside.pop(entry, None)
                self.waiting.pop(entry, None)
                entry.leave()
        assert len(self.lines) == 0


Calls.TestCase.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
TestLines = Calls.TestCase
