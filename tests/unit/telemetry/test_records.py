import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from polyrelay.exchange.call import BillingGroup
from polyrelay.exchange.outcome import Outcome
from polyrelay.exchange.usage import Usage
from polyrelay.kernel.ids import ExchangeId
from polyrelay.service.ports import Record, Records
from polyrelay.telemetry.records import Finished, Lines, NoRecords, RecordLog, console_line, json_line
from polyrelay.telemetry.redact import Redactor

RECORD = Record(
    exchange=ExchangeId("px_1"), label="mine", surface="openai_chat", account="acme", key="key_1", model="gpt-4o",
    channel="main", status=200, outcome=Outcome.COMPLETE, attempts=2, seconds=1.25, first_token=0.5,
    usage=Usage(input_text=10, cached_read=5, output_text=7, reasoning=2), finish="stop", error=None,
    billing=BillingGroup("g1", "web"),
)  # fmt: skip
REFUSED = replace(
    RECORD, label=None, account=None, key=None, model=None, channel=None, status=401, outcome=Outcome.REFUSED,
    attempts=0, first_token=None, usage=None, finish=None, error="invalid_api_key", billing=None,
)  # fmt: skip


@dataclass
class HandClock:
    def monotonic(self) -> float:
        return 0.0

    def wall(self) -> float:
        return 1_700_000_000.0


def numbered(count: int) -> list[Record]:
    return [replace(RECORD, exchange=ExchangeId(f"px_{number}")) for number in range(count)]


def named(finished: Finished) -> str:
    return finished.record.exchange


def test_batches_are_written_and_the_rest_at_the_end() -> None:
    batches: list[str] = []
    first, second, last = numbered(3)

    async def serve() -> None:
        loop, written = asyncio.get_running_loop(), asyncio.Event()

        def write(text: str) -> None:
            batches.append(text)
            loop.call_soon_threadsafe(written.set)

        log = RecordLog(named, write, HandClock())
        task = asyncio.create_task(log.run(interval=0.01))
        log.add(first)
        log.add(second)
        await written.wait()
        log.add(last)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(serve())
    assert batches == ["px_0\npx_1\n", "px_2\n"]


def test_the_oldest_gives_way_and_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    written: list[str] = []
    log = RecordLog(named, written.append, HandClock(), capacity=3)
    for record in numbered(5):
        log.add(record)
    log.flush()
    log.flush()
    assert written == ["px_2\npx_3\npx_4\n"]
    assert log.dropped == 2
    assert [record.message.split(":")[0] for record in caplog.records] == ["2 exchange records were dropped"]


def test_a_failed_write_does_not_end_the_log(caplog: pytest.LogCaptureFixture) -> None:
    written: list[str] = []

    def write(text: str) -> None:
        written.append(text)
        if len(written) == 1:
            raise OSError("disk full")

    log = RecordLog(named, write, HandClock())
    for record in numbered(2):
        log.add(record)
        log.flush()
    assert len(written) == 2
    assert "could not be written" in caplog.text


def test_lines_are_redacted() -> None:
    secret = replace(RECORD, model="pr-" + "x" * 43, error="Bearer abcdefgh12345")
    form = Lines(Redactor(), as_json=True)
    lines = [json.loads(form(Finished(0.0, record))) for record in (RECORD, secret)]
    assert [line["model"] for line in lines] == ["gpt-4o", "[redacted]"]
    assert lines[1]["error"] == "Bearer [redacted]"


def test_json_lines_carry_what_is_known() -> None:
    line = json.loads(json_line(Finished(1_700_000_000.0, RECORD)))
    assert (line["outcome"], line["input_tokens"], line["cached_tokens"]) == ("complete", 15, 5)
    assert (line["output_tokens"], line["reasoning_tokens"], line["estimated"]) == (9, 2, False)
    assert (line["billing_group"], line["source"], line["time"]) == ("g1", "web", "2023-11-14T22:13:20.000Z")
    refused = json.loads(json_line(Finished(0.0, REFUSED)))
    assert (refused["usage"] if "usage" in refused else refused["input_tokens"]) is None
    assert refused["error"] == "invalid_api_key"


def test_console_lines_are_short_and_single() -> None:
    assert console_line(Finished(1_700_000_000.0, RECORD)) == (
        "22:13:20 200 complete gpt-4o via main 1.250s first 0.500s in 15 out 9 attempts 2 acme px_1"
    )
    assert "401 refused - 1.250s px_1 invalid_api_key" in console_line(Finished(0.0, REFUSED))
    assert "\n" not in console_line(Finished(0.0, replace(RECORD, model="a\nb\x1b[0m")))


def test_both_are_the_port() -> None:
    ports: list[Records] = [NoRecords(), RecordLog(named, print, HandClock())]
    for port in ports:
        port.add(RECORD)
