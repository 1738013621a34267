"""The order of the calls that every ledger enforces."""

import pytest

from polyrelay.access.principal import Principal
from polyrelay.exchange.call import Call
from polyrelay.exchange.outcome import Outcome
from polyrelay.exchange.usage import Usage
from polyrelay.kernel.ids import AccountId, ExchangeId, KeyId
from polyrelay.service.ports import Hold, Ledger
from polyrelay.storage.memory import LedgerMisuse, MemoryLedger, Settlement

PRINCIPAL = Principal(KeyId("key_1"), AccountId("acc_1"), "acme")
CALL = Call("gpt-4o", stream=True, input_bytes=100)
USAGE = Usage(input_text=10, output_text=5)


def reserve(ledger: Ledger, name: str = "px_1") -> Hold:
    return ledger.reserve(ExchangeId(name), PRINCIPAL, CALL)


def test_a_hold_lives_until_it_is_settled() -> None:
    ledger = MemoryLedger()
    hold = reserve(ledger)
    assert list(ledger.live) == [hold]
    assert ledger.settlement(hold.exchange) is None
    ledger.settle(hold, USAGE, Outcome.COMPLETE)
    assert not ledger.live
    assert ledger.settlement(hold.exchange) == Settlement(USAGE, Outcome.COMPLETE)


def test_settling_and_voiding_again_is_idempotent() -> None:
    ledger = MemoryLedger()
    settled, voided = reserve(ledger, "px_1"), reserve(ledger, "px_2")
    for _ in range(2):
        ledger.settle(settled, USAGE, Outcome.COMPLETE)
        ledger.void(voided)
    assert ledger.settlement(voided.exchange) == Settlement()


def test_a_second_settle_with_other_values_is_misuse() -> None:
    ledger = MemoryLedger()
    hold = reserve(ledger)
    ledger.settle(hold, USAGE, Outcome.COMPLETE)
    with pytest.raises(LedgerMisuse):
        ledger.settle(hold, Usage(), Outcome.COMPLETE)
    with pytest.raises(LedgerMisuse):
        ledger.settle(hold, USAGE, Outcome.TRUNCATED)
    with pytest.raises(LedgerMisuse):
        ledger.void(hold)


def test_a_settle_after_a_void_is_misuse() -> None:
    ledger = MemoryLedger()
    hold = reserve(ledger)
    ledger.void(hold)
    with pytest.raises(LedgerMisuse):
        ledger.settle(hold, USAGE, Outcome.COMPLETE)


def test_an_exchange_reserves_once() -> None:
    ledger = MemoryLedger()
    hold = reserve(ledger)
    with pytest.raises(LedgerMisuse, match="twice"):
        reserve(ledger)
    ledger.void(hold)
    with pytest.raises(LedgerMisuse, match="twice"):
        reserve(ledger)


def test_a_hold_of_nobody_is_misuse() -> None:
    ledger = MemoryLedger()
    stranger = Hold(ExchangeId("px_9"), PRINCIPAL, CALL)
    with pytest.raises(LedgerMisuse, match="never reserved"):
        ledger.settle(stranger, USAGE, Outcome.COMPLETE)
    with pytest.raises(LedgerMisuse, match="never reserved"):
        ledger.void(stranger)


def test_memory_of_the_ended_is_bounded() -> None:
    ledger = MemoryLedger(kept=3)
    for number in range(10):
        ledger.void(reserve(ledger, f"px_{number}"))
    assert [number for number in range(10) if ledger.settlement(ExchangeId(f"px_{number}"))] == [7, 8, 9]
    assert not ledger.live
