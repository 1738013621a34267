"""The order of the calls that every ledger enforces."""

import pytest

from polyrelay.access.principal import Principal
from polyrelay.exchange.call import Call
from polyrelay.exchange.outcome import Outcome
from polyrelay.exchange.usage import Usage
from polyrelay.kernel import errors
from polyrelay.kernel.ids import AccountId, ExchangeId, KeyId
from polyrelay.service.ports import Hold, Order, Record
from polyrelay.storage.books.memory_ledger import LedgerMisuse, MemoryHold, MemoryLedger, MemoryWait, Settlement

PRINCIPAL = Principal(KeyId("key_1"), AccountId("acc_1"), "acme")
CALL = Call("gpt-4o", stream=True, input_bytes=100)
USAGE = Usage(input_text=10, output_text=5)


class Purse:
    """The port `Funding`: what it was told."""

    def __init__(self) -> None:
        self.hold: Hold | None = None
        self.refusal: errors.Refusal | None = None

    def funded(self, hold: Hold) -> None:
        self.hold = hold

    def unfunded(self, refusal: errors.Refusal) -> None:
        self.refusal = refusal


def order(name: str = "px_1") -> Order:
    return Order(ExchangeId(name), PRINCIPAL, CALL, "openai_chat")


def record(usage: Usage | None = USAGE, outcome: Outcome = Outcome.COMPLETE) -> Record:
    return Record(
        exchange=ExchangeId("px_1"),
        label=None,
        surface="openai_chat",
        account="acme",
        key="key_1",
        model="gpt-4o",
        channel="a",
        status=200,
        outcome=outcome,
        attempts=1,
        seconds=1.0,
        first_token=0.5,
        usage=usage,
        finish="stop",
        error=None,
        billing=None,
    )


def reserve(ledger: MemoryLedger, name: str = "px_1") -> MemoryHold:
    hold = ledger.reserve(order(name), Purse())
    assert isinstance(hold, MemoryHold)
    return hold


def wait(ledger: MemoryLedger, purse: Purse, name: str = "px_1") -> MemoryWait:
    ledger.waiting = True
    waiting = ledger.reserve(order(name), purse)
    assert isinstance(waiting, MemoryWait)
    return waiting


def settle(ledger: MemoryLedger, hold: Hold, settled: Record) -> list[str]:
    heard: list[str] = []
    ledger.settle(hold, settled, lambda: heard.append("then"))
    return heard


def test_a_hold_lives_until_it_is_settled() -> None:
    ledger = MemoryLedger()
    hold = reserve(ledger)
    assert list(ledger.live) == [hold]
    assert ledger.settlement(hold.exchange) is None
    ledger.sent(hold, "a")
    assert ledger.price(hold, USAGE) == 0
    assert settle(ledger, hold, record()) == ["then"]
    assert not ledger.live
    assert ledger.settlement(hold.exchange) == Settlement(USAGE, Outcome.COMPLETE)


def test_a_settle_is_final_when_it_is_durable() -> None:
    ledger = MemoryLedger()
    ledger.patient = True
    heard = settle(ledger, reserve(ledger), record())
    assert heard == []
    ledger.durable()
    assert heard == ["then"]


def test_settling_and_voiding_again_is_idempotent() -> None:
    ledger = MemoryLedger()
    settled, voided = reserve(ledger, "px_1"), reserve(ledger, "px_2")
    for _ in range(2):
        assert settle(ledger, settled, record()) == ["then"]
        ledger.void(voided, record(None))
    assert ledger.settlement(voided.exchange) == Settlement()


def test_a_second_settle_with_other_values_is_misuse() -> None:
    ledger = MemoryLedger()
    hold = reserve(ledger)
    settle(ledger, hold, record())
    for other in (record(Usage()), record(outcome=Outcome.TRUNCATED), record(None)):
        with pytest.raises(LedgerMisuse):
            settle(ledger, hold, other)
    with pytest.raises(LedgerMisuse):
        ledger.void(hold, record(None))


def test_after_a_void_nothing_is_sent_or_settled() -> None:
    ledger = MemoryLedger()
    hold = reserve(ledger)
    ledger.void(hold, record(None))
    with pytest.raises(LedgerMisuse):
        ledger.sent(hold, "a")
    with pytest.raises(LedgerMisuse):
        settle(ledger, hold, record())


def test_bytes_are_sent_for_the_first_time_once() -> None:
    ledger = MemoryLedger()
    hold = reserve(ledger)
    ledger.sent(hold, "a")
    with pytest.raises(LedgerMisuse):
        ledger.sent(hold, "a")


def test_an_exchange_reserves_once() -> None:
    ledger = MemoryLedger()
    hold = reserve(ledger)
    with pytest.raises(LedgerMisuse, match="twice"):
        reserve(ledger)
    ledger.void(hold, record(None))
    with pytest.raises(LedgerMisuse, match="twice"):
        reserve(ledger)


def test_a_wait_ends_once_funded_refused_or_cancelled() -> None:
    ledger = MemoryLedger()
    funded, refused, gone = Purse(), Purse(), Purse()
    first, second, third = (wait(ledger, purse, f"px_{n}") for n, purse in enumerate((funded, refused, gone)))
    with pytest.raises(LedgerMisuse, match="waits already"):
        wait(ledger, Purse(), "px_0")
    assert not ledger.live
    first.fund(cap=7, clamped=True)
    assert funded.hold is not None
    assert (funded.hold.cap, funded.hold.clamped, list(ledger.live)) == (7, True, [funded.hold])
    second.refuse(errors.InsufficientQuota("none"))
    third.cancel()
    assert (refused.hold, type(refused.refusal)) == (None, errors.InsufficientQuota)
    assert (gone.hold, gone.refusal) == (None, None)
    assert not ledger.waits
    for over in (first, second, third):
        assert over.over
        with pytest.raises(LedgerMisuse, match="nobody waits"):
            over.fund()


def test_a_hold_of_nobody_is_misuse() -> None:
    ledger = MemoryLedger()
    stranger = MemoryHold(ExchangeId("px_9"))
    with pytest.raises(LedgerMisuse, match="never reserved"):
        settle(ledger, stranger, record())
    with pytest.raises(LedgerMisuse, match="never reserved"):
        ledger.void(stranger, record(None))


def test_memory_of_the_ended_is_bounded() -> None:
    ledger = MemoryLedger(kept=3)
    for number in range(10):
        ledger.void(reserve(ledger, f"px_{number}"), record(None))
    assert [number for number in range(10) if ledger.settlement(ExchangeId(f"px_{number}"))] == [7, 8, 9]
    assert not ledger.live
