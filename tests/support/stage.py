"""A relay on twins and virtual time, for playbook tests: every step is visible and nothing waits."""

import heapq
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import msgspec

from polyrelay.access.principal import Principal
from polyrelay.exchange.usage import Usage
from polyrelay.kernel.ids import AccountId, KeyId
from polyrelay.kernel.money import Nanos
from polyrelay.routing.catalog import Catalog
from polyrelay.routing.channel import Channel, Credential
from polyrelay.service import world
from polyrelay.service.dispatch import Dispatch
from polyrelay.service.ports import Funding, HeaderList, Hold, Inbound, Order, Record
from polyrelay.service.relay import Relay
from polyrelay.settings.root import AnswerSettings, Settings
from polyrelay.state.memory import MemoryLimits
from polyrelay.storage.books.memory_ledger import MemoryHold, MemoryLedger, MemoryWait
from polyrelay.upstream.recorded import Answer, RecordedUpstream

SERVES = {"m": "vendor-m"}
TOKEN = "pr-" + "k" * 43
HOLDER = Principal(KeyId("key_1"), AccountId("acc_1"), "ann")
SSE = ((b"content-type", b"text/event-stream"),)
JSON = ((b"content-type", b"application/json"),)


class VirtualTime:
    """The ports `Clock` and `Timers`; time passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._cancelled: set[int] = set()
        self._numbers = itertools.count()

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None], /) -> "VirtualTimer":
        number = next(self._numbers)
        heapq.heappush(self._queue, (self.now + delay, number, callback))
        return VirtualTimer(lambda: self._cancelled.add(number))

    def pass_(self, seconds: float) -> None:
        until = self.now + seconds
        while self._queue and self._queue[0][0] <= until:
            self.now, number, callback = heapq.heappop(self._queue)
            if number not in self._cancelled:
                callback()
        self.now = until

    @property
    def pending(self) -> int:
        return sum(number not in self._cancelled for _, number, _ in self._queue)


@dataclass
class VirtualTimer:
    cancel: Callable[[], None]


@dataclass
class Page:
    """The port `Client`: what the client has seen, in order, with the ledger's moves in between."""

    diary: list[str]
    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    ended: str = ""
    closed: bool = False

    def reply(self, status: int, headers: HeaderList, body: bytes) -> None:
        self.start(status, headers)
        self.write(body)
        self.finish()

    def start(self, status: int, headers: HeaderList) -> None:
        assert not self.status, "an answer starts once"
        self.status, self.headers = status, dict(headers)
        self.diary.append(f"start {status}")

    def write(self, data: bytes) -> None:
        assert self.status, "nothing is written before the start"
        assert not self.ended, "nothing is written after the end"
        self.body += data
        self.diary.append("terminator" if b"[DONE]" in data else "write")

    def finish(self, *, close: bool = False) -> None:
        assert not self.ended, "an answer ends once"
        self.ended, self.closed = "finished", close
        self.diary.append("finish")

    def cut(self) -> None:
        self.ended, self.closed = "cut", True
        self.diary.append("cut")

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class DiaryLedger(MemoryLedger):
    """Writes its moves into the diary, and may be told to fail. A token costs a thousandth of the currency."""

    def __init__(self, diary: list[str]) -> None:
        super().__init__()
        self.diary = diary
        self.failure: Exception | None = None
        self.failing: tuple[str, ...] = ("settle",)

    def reserve(self, order: Order, funding: Funding) -> MemoryHold | MemoryWait:
        self.diary.append("reserve")
        return super().reserve(order, funding)

    def sent(self, hold: Hold, channel: str | None) -> None:
        if self.failure is not None and "sent" in self.failing:
            raise self.failure
        self.diary.append("sent")
        super().sent(hold, channel)

    def price(self, hold: Hold, usage: Usage) -> Nanos:
        return Nanos(usage.total_tokens * 1_000_000)

    def settle(self, hold: Hold, record: Record, then: Callable[[], None]) -> Nanos:
        if self.failure is not None and "settle" in self.failing:
            raise self.failure
        self.diary.append("settle")
        super().settle(hold, record, then)
        assert record.usage is not None
        return self.price(hold, record.usage)

    def void(self, hold: Hold, record: Record) -> None:
        self.diary.append("void")
        super().void(hold, record)


class OneKey:
    """The port `Keys` with one holder."""

    def __init__(self, holder: Principal) -> None:
        self.holder = holder

    def find(self, token: str) -> Principal | None:
        return self.holder if token == TOKEN else None


class Shelf(list[Record]):
    """The port `Records`."""

    def add(self, record: Record) -> None:
        self.append(record)


class Stage:
    """A relay whose channels `a`, `b`, … all serve model `m` and are tried in that order. `terms` are theirs."""

    def __init__(
        self,
        *answers: Answer,
        channels: int = 1,
        holder: Principal = HOLDER,
        drains: bool = False,
        terms: Mapping[str, Any] = MappingProxyType({}),
        **settings: Any,
    ) -> None:
        self.diary: list[str] = []
        self.time = VirtualTime()
        self.upstream = RecordedUpstream(answers)
        self.ledger = DiaryLedger(self.diary)
        self.records = Shelf()
        self.limits = MemoryLimits(self.time)
        adapters = world.World(
            self.upstream, OneKey(holder), self.limits, self.ledger, self.records, self.time, self.time, bytes
        )
        catalog = Catalog(
            Channel(
                name,
                "openai",
                f"https://{name}.example/v1",
                (Credential("#1", f"key-{name}"),),
                SERVES,
                n,
                drains=drains,
                **terms,
            )
            for n, name in enumerate("abcdefgh"[:channels])
        )
        self.relay = Relay(adapters, world.snapshot(replace(Settings(), **settings), catalog, "polyrelay/test"))

    def ask(self, *, deliver: bool = True, headers: HeaderList = (), **body: Any) -> tuple[Dispatch | None, Page]:
        page = Page(self.diary)
        content = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **body}
        head = [(b"authorization", b"Bearer " + TOKEN.encode()), *headers]
        # The relay's ids come from milliseconds and entropy; the stage has none, so time moves by more than one.
        self.time.pass_(0.002)
        inbound = Inbound("openai_chat", head, msgspec.json.encode(content), "127.0.0.1", self.time.now)
        dispatch = self.relay.open(inbound, page)
        if deliver:
            self.upstream.deliver()
        return dispatch, page

    def at_rest(self) -> None:
        """Nothing is held, open or pending any more."""
        assert self.ledger.live == ()
        assert self.ledger.waits == set()
        assert not self.ledger.undurable
        assert self.relay.in_flight == 0
        assert self.upstream.active == 0
        assert len(self.relay.world.lines) == 0
        assert self.time.pending == 0


def comments(seconds: float) -> AnswerSettings:
    return AnswerSettings(keep_alive_comment_seconds=seconds)


def frame(content: str | None = None, *, finish: str | None = None, role: str | None = None) -> bytes:
    """One chat chunk."""
    delta = {name: value for name, value in (("role", role), ("content", content)) if value is not None}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + msgspec.json.encode({"object": "chat.completion.chunk", "choices": [choice]}) + b"\n\n"


USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}\n\n'
DONE = b"data: [DONE]\n\n"
WHOLE = (
    b'{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},'
    b'"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}'
)


def stream(*chunks: bytes, **answer: Any) -> Answer:
    return Answer(200, SSE, chunks, **answer)


def good_stream() -> Answer:
    return stream(frame(role="assistant", content=""), frame("hello"), frame(finish="stop"), USAGE, DONE)


def whole(body: bytes = WHOLE, **answer: Any) -> Answer:
    return Answer(200, JSON, (body,), **answer)
