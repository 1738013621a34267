"""A job as it is kept: what was asked for, who pays, where it is being done, and how far it is."""

from enum import StrEnum

import msgspec

from polyrelay.exchange.call import NO_DEMAND, BillingGroup, Demand
from polyrelay.exchange.job import Ask, Result, Stage, Upstreamed
from polyrelay.exchange.music import Concat, LyricsAsk, MusicAsk, Stems
from polyrelay.exchange.video import VideoAsk
from polyrelay.jobs.lifecycle import Event, State, after
from polyrelay.kernel.ids import ExchangeId


class Kind(StrEnum):
    """Values of `jobs.kind`: what is made."""

    MUSIC = "music"
    LYRICS = "lyrics"
    CONCAT = "concat"
    STEMS = "stems"
    VIDEO = "video"


ASKS: dict[Kind, type[Ask]] = {
    Kind.MUSIC: MusicAsk,
    Kind.LYRICS: LyricsAsk,
    Kind.CONCAT: Concat,
    Kind.STEMS: Stems,
    Kind.VIDEO: VideoAsk,
}
"""How each kind is asked for."""

_KINDS: dict[type[Ask], Kind] = {ask: kind for kind, ask in ASKS.items()}


class Payer(msgspec.Struct, frozen=True):
    """Ids of who pays; `meters` are those of every meter, the wallet first, as they were when it was submitted."""

    account: str
    project: str | None
    key: str
    group: str
    meters: tuple[str, ...]


class Price(msgspec.Struct, frozen=True):
    """The tariff a hold pinned, as a journal's `Pinned` has it: the document, the group's multiplier, the window."""

    tariff: str
    multiplier: int
    window: str | None


class Place(msgspec.Struct, frozen=True):
    """Which upstream has it, by the names of the configuration. Only this credential can ask for it again."""

    channel: str
    provider: str
    credential: str


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One job. Times are Unix seconds, `held` nanos set aside in every meter, `progress` percent.

    `ask` has the client's own names, and no data of inline images; `upstreamed` the upstream's names. `keeper` is the
    worker that submits or polls it. `reason` says why it did not succeed, in words that a client may read. `watched` is
    whether its keeper is to look at it: until it ends, and after it was given up for a while; `late_at` is when it was
    then found to have succeeded. `notify` is the URL a client wants to be called at. `hidden` says that its
    client has thrown it away.
    """

    id: ExchangeId
    payer: Payer
    surface: str
    kind: Kind
    ask: Ask
    model: str
    held: int
    price: Price
    keeper: str
    created_at: float
    demand: Demand = NO_DEMAND
    label: str | None = None
    billing: BillingGroup | None = None
    notify: str | None = None
    state: State = State.SUBMITTING
    stage: Stage = Stage.SUBMITTED
    progress: int = 0
    result: Result | None = None
    reason: str | None = None
    place: Place | None = None
    upstreamed: Upstreamed | None = None
    attempts: int = 0
    accepted_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    watched: bool = True
    late_at: float | None = None
    hidden: bool = False

    def after(self, event: Event, **changes: object) -> "Job":
        """The job after `event`. Raises `lifecycle.NoSuchEdge`."""
        return msgspec.structs.replace(self, state=after(self.state, event).to, **changes)


def kind_of(ask: Ask) -> Kind:
    """What is made of `ask`."""
    return _KINDS[type(ask)]
