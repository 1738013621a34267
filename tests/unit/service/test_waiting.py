"""What becomes of those that wait, as a table of how their meters stand."""

from zoneinfo import ZoneInfo

import pytest

from polyrelay.access.principal import HoldPolicy
from polyrelay.kernel import errors
from polyrelay.kernel.ids import ExchangeId
from polyrelay.metering import estimate
from polyrelay.service.bank import Taken
from polyrelay.service.ports import Order
from polyrelay.service.pricing import Pricing
from polyrelay.service.purses import Purse, Purses
from polyrelay.service.waiting import (
    FLOOR_TOKENS,
    PATIENCE_SECONDS,
    RECALL_SECONDS,
    Queue,
    Verdict,
    Waiting,
    judge,
    note,
)
from support.till import BOOK, TOKEN_NANOS, Outcomes, chat, holder

NEED = 1000 * TOKEN_NANOS
FLOOR = FLOOR_TOKENS * TOKEN_NANOS
PURSES = Purses(ZoneInfo)
PRICING = Pricing(BOOK)


def waits(queue: Queue, policy: HoldPolicy = "clamp", *, tokens: int = 1000, account: str = "acc_1") -> Waiting:
    customer = holder(account, hold_policy=policy)
    call, pin = chat(0, tokens), PRICING.pin("chat", "default", 0.0)
    order = Order(ExchangeId("px_1"), customer, call, "openai_chat")
    return Waiting(queue, order, Outcomes(), PURSES.payer(customer, 0.0), pin, estimate.bound(call, pin.quote), 0.0)


def standing(waiting: Waiting, *, free: int = 0, left: int = 0, escrowed: int = 0, held: int = 0) -> Purse:
    (purse,) = waiting.payer.purses
    purse.free, purse.left, purse.escrowed, purse.held, purse.unposted = free, left, escrowed, held, 0
    return purse


def word(verdict: Verdict) -> str:
    if verdict.refusal is not None:
        return type(verdict.refusal).__name__
    if verdict.full:
        return "full"
    return f"clamp {verdict.clamp}" if verdict.clamp else "recall" if verdict.recall else "waits"


@pytest.mark.parametrize(
    ("policy", "stand", "words"),
    [
        ("clamp", {"free": NEED}, ["full"]),
        ("clamp", {"left": FLOOR - 1}, ["InsufficientQuota"]),
        ("strict", {"free": NEED - 1, "escrowed": NEED - 1}, ["InsufficientQuota"]),
        ("strict", {"escrowed": NEED}, ["recall", "waits", "waits", "FundsInFlight"]),
        ("clamp", {"free": FLOOR, "escrowed": FLOOR}, ["waits", f"clamp {FLOOR}"]),
        ("clamp", {"free": FLOOR, "escrowed": NEED - 1}, ["recall", "waits", f"clamp {FLOOR}"]),
        ("clamp", {"free": FLOOR, "escrowed": NEED}, ["recall", "waits", "waits", f"clamp {FLOOR}"]),
        ("clamp", {"free": FLOOR - 1, "escrowed": FLOOR, "held": 1}, ["waits", "FundsInFlight"]),
    ],
)
def test_the_verdict_follows_from_how_the_meter_stands(
    policy: HoldPolicy, stand: dict[str, int], words: list[str]
) -> None:
    waiting = waits(Queue(), policy)
    standing(waiting, **stand)
    told = []
    for now in (0.0, RECALL_SECONDS, PATIENCE_SECONDS, PATIENCE_SECONDS + 0.1):
        told.append(word(judge(waiting, now)))
        if told[-1] not in ("waits", "recall"):
            break
    assert told == words


def test_a_short_answer_is_not_shortened() -> None:
    waiting = waits(Queue(), tokens=FLOOR_TOKENS)
    assert waiting.floor == waiting.bound.amount
    standing(waiting, free=FLOOR - 1, left=0, escrowed=FLOOR - 1)
    assert isinstance(judge(waiting, 0.0).refusal, errors.InsufficientQuota)


def test_the_bank_is_asked_for_all_and_at_least_for_the_most_modest() -> None:
    queue = Queue()
    large = waits(queue)
    waits(queue, tokens=10)
    standing(large, free=4 * TOKEN_NANOS)
    (want,) = queue.wants()
    assert (want.least, want.most) == (6 * TOKEN_NANOS, 1006 * TOKEN_NANOS)
    standing(large, free=20 * TOKEN_NANOS)
    (want,) = queue.wants()
    assert (want.least, want.most) == (1, 990 * TOKEN_NANOS)
    standing(large, free=1010 * TOKEN_NANOS)
    assert queue.wants() == []


def test_one_that_is_late_asks_for_the_least_that_is_of_use() -> None:
    queue = Queue()
    waiting = waits(queue)
    standing(waiting)
    waiting.late = True
    (want,) = queue.wants()
    assert (want.least, want.most) == (FLOOR, NEED)


def test_who_went_away_is_gone_once() -> None:
    queue = Queue()
    first, second = waits(queue), waits(queue)
    (purse,) = first.payer.purses
    count = purse.waiting
    first.cancel()
    first.cancel()
    assert (first in queue, second in queue, list(queue), purse.waiting) == (False, True, [second], count - 1)


@pytest.mark.parametrize(("left", "tight"), [(8 * NEED, False), (8 * NEED - 1, True)])
def test_near_its_limit_a_purse_keeps_nothing_idle(left: int, tight: bool) -> None:
    queue = Queue()
    waiting = waits(queue, account=f"acc_{left}")
    purse = standing(waiting)
    (want,) = queue.wants()
    note(purse, want, Taken(want.meter.id, NEED, left, NEED))
    assert (purse.free, purse.tight) == (NEED, tight)
