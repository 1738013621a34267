"""Reserving and settling in memory and on paper, when all goes well and when the paper ends."""

from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import msgspec
import pytest

from polyrelay.exchange.call import BillingGroup, Call, References
from polyrelay.exchange.outcome import Outcome
from polyrelay.exchange.usage import BUCKETS, ImageCount, Usage
from polyrelay.kernel import errors
from polyrelay.kernel.errors import PolyrelayError
from polyrelay.kernel.ids import ExchangeId
from polyrelay.ledger import entries
from polyrelay.service.ports import Order
from polyrelay.service.pricing import Pricing
from polyrelay.service.purses import Purses
from polyrelay.service.treasury import REFUSALS_PER_SECOND, Reserved, Treasury
from polyrelay.service.waiting import Waiting
from polyrelay.storage.journaling import frames
from polyrelay.wire.openai_images.schema import WORD_CHARACTERS
from support.stage import VirtualTime
from support.till import BOOK, TOKEN_NANOS, Outcomes, chat, holder, record, transcript

ANN = holder("acc_1")
WALLET = "wallet:acc_1"
HOLD = 1000 * TOKEN_NANOS


class PaperFull(PolyrelayError):
    pass


@dataclass
class Paper:
    """A journal in memory of `capacity` bytes that accounts for rooms as the file does."""

    capacity: int = 1 << 30
    size: int = 0
    reserved: int = 0
    records: list[bytes] = field(default_factory=list)

    def append(self, payload: bytes, *, room: int = 0, reserved: int = 0) -> int:
        kept = self.reserved + room - reserved
        if kept < room:
            raise ValueError("more than is reserved")
        if self.size + frames.OVERHEAD + len(payload) + kept > self.capacity:
            raise PaperFull
        self.size += frames.OVERHEAD + len(payload)
        self.reserved = kept
        self.records.append(payload)
        return self.size

    def make_room(self, size: int) -> None:
        if self.size + self.reserved + size > self.capacity:
            raise PaperFull

    @property
    def entries(self) -> list[entries.Entry]:
        return [entries.decode(each) for each in self.records]


class Desk:
    def __init__(self, free: int = 10 * HOLD, *, patient: bool = False) -> None:
        self.clock, self.paper, self.asked = VirtualTime(), Paper(), 0
        self.treasury = Treasury(
            Pricing(BOOK),
            Purses(ZoneInfo),
            self.clock,
            wake=lambda: None,
            unsynced=(lambda: None) if patient else None,
        )
        self.treasury.lease_until = self.clock.now + 60
        self.treasury.open_segment(self.paper)
        (self.purse,) = self.treasury.purses.payer(ANN, self.clock.now).purses
        self.purse.free = free
        self.numbers = 0

    def ask(self, call: Call) -> Reserved | Waiting:
        self.numbers += 1
        got = self.treasury.reserve(Order(ExchangeId(f"px_{self.numbers}"), ANN, call, "openai_chat"), Outcomes())
        assert isinstance(got, Reserved | Waiting)
        return got

    def jammed(self) -> bool:
        return self.treasury.jammed is not None

    def hold(self, call: Call | None = None) -> Reserved:
        got = self.ask(call or chat())
        assert isinstance(got, Reserved)
        return got

    def settle(self, hold: Reserved, tokens: int) -> tuple[int, list[bool]]:
        left: list[bool] = []
        usage = Usage(output_text=tokens)
        return self.treasury.settle(hold, record(hold, usage, Outcome.COMPLETE), lambda: left.append(True)), left

    def void(self, hold: Reserved) -> None:
        self.treasury.void(hold, record(hold, None, Outcome.UPSTREAM_ERROR))

    @property
    def state(self) -> tuple[int, int, int]:
        return self.purse.free, self.purse.held, self.purse.unposted


def test_what_is_not_used_is_free_again_at_once() -> None:
    desk = Desk(free=HOLD)
    hold = desk.hold()
    assert desk.state == (0, HOLD, 0)
    assert isinstance(desk.ask(chat()), Waiting)
    assert desk.settle(hold, 1) == (TOKEN_NANOS, [True])
    assert desk.state == (HOLD - TOKEN_NANOS, 0, TOKEN_NANOS)
    assert (len(desk.treasury), desk.treasury.unposted, desk.paper.reserved) == (0, 1, 0)


def test_a_hold_ends_once() -> None:
    desk = Desk()
    settled, voided = desk.hold(), desk.hold()
    told = desk.settle(settled, 5)
    assert desk.settle(settled, 700) == told
    desk.void(settled)
    desk.void(voided)
    desk.void(voided)
    with pytest.raises(errors.InternalFault):
        desk.settle(voided, 5)
    assert desk.state == (10 * HOLD - told[0], 0, told[0])
    ends = [each for each in desk.paper.entries if isinstance(each, entries.Settled | entries.Voided)]
    assert [each.exchange for each in ends] == [settled.exchange, voided.exchange]


@pytest.mark.parametrize(("free", "covered"), [(0, 1000), (300, 1300), (5000, 1500)])
def test_what_passes_the_hold_takes_free_slices_and_leaves_the_rest_to_the_bank(free: int, covered: int) -> None:
    desk = Desk(free=HOLD + free * TOKEN_NANOS)
    told, _ = desk.settle(desk.hold(), 1500)
    (end,) = [each for each in desk.paper.entries if isinstance(each, entries.Settled)]
    assert told == 1500 * TOKEN_NANOS
    assert (end.amount, end.short) == (covered * TOKEN_NANOS, (1500 - covered) * TOKEN_NANOS)
    assert desk.state == ((1000 + free - covered) * TOKEN_NANOS, 0, covered * TOKEN_NANOS)


def test_recovery_is_told_the_text_of_a_prompt_without_its_base64() -> None:
    desk = Desk()
    call = Call("chat", True, 5400, max_output=1, references=References(images=1, inline_bytes=5000))
    desk.treasury.sent(desk.hold(call), "main")
    reader = transcript()
    for entry in desk.paper.entries:
        reader.row(entry)
    assert [row.amount for row in reader.unresolved()] == [100 * TOKEN_NANOS]


def test_what_has_no_price_costs_the_hold() -> None:
    desk = Desk()
    hold = desk.hold(Call("call", stream=False, input_bytes=1))
    nothing_counted = Usage(requests=0, output_text=3)
    assert desk.treasury.price(hold, nothing_counted) == hold.amount


def test_nothing_is_reserved_past_the_lease() -> None:
    desk = Desk()
    desk.clock.pass_(60 - 0.001)
    desk.hold()
    desk.clock.pass_(0.001)
    with pytest.raises(errors.BooksAway):
        desk.hold()


def test_a_full_disk_refuses_holds_and_no_end() -> None:
    desk = Desk()
    holds = [desk.hold() for _ in range(3)]
    desk.paper.capacity = desk.paper.size + desk.paper.reserved
    with pytest.raises(errors.Overloaded):
        desk.hold()
    desk.treasury.unjam()
    assert desk.jammed()
    desk.treasury.sent(holds[0], "main")
    desk.settle(holds[0], 1)
    desk.settle(holds[1], 2000)
    desk.void(holds[2])
    assert (desk.state[1], desk.paper.reserved, len(desk.treasury)) == (0, 0, 0)
    desk.treasury.unjam()
    assert not desk.jammed()
    desk.hold()


def test_the_largest_entries_fit_the_room_of_a_hold() -> None:
    hold = Desk().hold()
    long = "漢" * 10_000
    kinds = (ImageCount("漢" * WORD_CHARACTERS, f"{at:{WORD_CHARACTERS}}", 2**53 - 1) for at in range(4))
    usage = msgspec.structs.replace(Usage(images=tuple(kinds)), **dict.fromkeys((*BUCKETS, "characters"), 10**12))
    made = record(hold, usage, Outcome.UPSTREAM_ERROR)
    texts = dict.fromkeys(("model", "channel", "provider", "finish", "error"), long)
    made = msgspec.structs.replace(made, **texts, billing=BillingGroup(long, long), label="l" * 128)
    desk = Desk()
    hold = desk.hold()
    desk.paper.capacity = desk.paper.size + desk.paper.reserved
    desk.treasury.sent(hold, long)
    desk.treasury.settle(hold, made, lambda: None)
    assert desk.treasury.unposted == 1


def test_a_new_segment_can_be_read_alone() -> None:
    desk = Desk()
    sent, held = desk.hold(chat(400)), desk.hold()
    desk.treasury.sent(sent, "main")
    desk.treasury.open_segment(following := Paper())
    reader = transcript()
    for entry in following.entries:
        assert reader.row(entry) is None
    rows = {row.id: row for row in reader.unresolved()}
    assert (rows[sent.exchange].amount, rows[sent.exchange].channel) == (100 * TOKEN_NANOS, "main")
    assert rows[held.exchange].amount is None
    assert following.reserved == sent.room + held.room
    desk.settle(sent, 3)
    desk.settle(desk.hold(), 3)
    desk.void(held)
    done = [row for entry in following.entries if (row := reader.row(entry))]
    assert [row.amount for row in done] == [3 * TOKEN_NANOS, 3 * TOKEN_NANOS, None]
    assert (following.reserved, list(reader.unresolved())) == (0, [])


def test_a_segment_that_does_not_take_all_holds_changes_nothing() -> None:
    desk = Desk()
    holds = [desk.hold() for _ in range(3)]
    desk.treasury.sent(holds[0], "main")
    desk.paper.capacity = desk.paper.size + desk.paper.reserved
    with pytest.raises(PaperFull):
        desk.treasury.open_segment(Paper(capacity=2 * entries.SETTLE_ROOM + 1000))
    for hold in holds:
        desk.settle(hold, 1)
    assert desk.paper.reserved == 0
    desk.paper.capacity *= 2
    desk.settle(desk.hold(), 1)
    reader = transcript()
    assert len([row for entry in desk.paper.entries if (row := reader.row(entry))]) == 4


def test_a_patient_settle_waits_for_its_own_place_on_the_disk() -> None:
    desk = Desk(patient=True)
    first, second = desk.hold(), desk.hold()
    told = [desk.settle(first, 1)[1]]
    end = desk.paper.size
    told.append(desk.settle(second, 1)[1])
    before = desk.paper
    desk.treasury.open_segment(following := Paper())
    told.append(desk.settle(desk.hold(), 1)[1])
    desk.treasury.durable(following, following.size)
    desk.treasury.durable(before, end - 1)
    assert told == [[], [], []]
    desk.treasury.durable(before, end)
    assert told == [[True], [], []]
    desk.treasury.durable(before, before.size)
    desk.treasury.durable(following, following.size)
    assert told == [[True], [True], [True]]


def test_refusals_are_recorded_at_most_so_many_a_second() -> None:
    desk = Desk()
    made = record(desk.hold(), None, Outcome.UPSTREAM_ERROR)
    for _ in range(REFUSALS_PER_SECOND + 5):
        desk.treasury.refuse(made, ANN)
    assert desk.treasury.unposted == REFUSALS_PER_SECOND
    desk.clock.pass_(1)
    desk.treasury.refuse(made, ANN)
    assert desk.treasury.unposted == REFUSALS_PER_SECOND + 1


def test_a_closed_treasury_takes_nothing_and_writes_nothing() -> None:
    desk = Desk()
    hold = desk.hold()
    desk.treasury.close()
    size = desk.paper.size
    with pytest.raises(errors.BooksAway):
        desk.hold()
    with pytest.raises(errors.BooksAway):
        desk.settle(hold, 1)
    desk.treasury.refuse(record(hold, None, Outcome.UPSTREAM_ERROR), ANN)
    assert desk.paper.size == size
