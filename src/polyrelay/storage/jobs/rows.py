"""A job as a row of table `jobs`, and back. Documents are JSON."""

from collections.abc import Sequence
from typing import Any

import msgspec

from polyrelay.exchange.call import BillingGroup, Demand
from polyrelay.exchange.job import Result, Stage, Upstreamed
from polyrelay.jobs.job import ASKS, Job, Kind, Payer, Place, Price
from polyrelay.jobs.lifecycle import State
from polyrelay.kernel.ids import ExchangeId
from polyrelay.storage.sql.transaction import Row

FIXED = (
    "id", "account_id", "project_id", "key_id", "customer_group", "surface", "kind", "ask", "model", "demand", "held",
    "meters", "tariff", "multiplier", "price_window", "label", "billing_group", "source", "notify", "created_at",
    "keeper",
)  # fmt: skip
"""Columns that are written once; but `keeper` changes when another worker takes the job over."""

CHANGING = (
    "state", "stage", "progress", "result", "reason", "channel", "provider", "credential", "upstreamed", "attempts",
    "accepted_at", "started_at", "finished_at", "watched", "late_at",
)  # fmt: skip

WIDTHS = {"model": 200, "label": 128, "billing_group": 200, "source": 40, "reason": 500}
"""Characters of the columns whose text comes from outside: PostgreSQL refuses more."""

_encode = msgspec.json.Encoder().encode


def fixed(job: Job) -> Sequence[Any]:
    """Values of `FIXED`."""
    payer, price, billing = job.payer, job.price, job.billing or BillingGroup()
    return (
        job.id, payer.account, payer.project, payer.key, payer.group, job.surface, job.kind.value, _json(job.ask),
        _cut("model", job.model), _json(job.demand), job.held, _json(payer.meters), price.tariff, price.multiplier,
        price.window, _cut("label", job.label), _cut("billing_group", billing.group_id),
        _cut("source", billing.source), job.notify, job.created_at, job.keeper,
    )  # fmt: skip


def changing(job: Job) -> Sequence[Any]:
    """Values of `CHANGING`."""
    place = job.place
    return (
        job.state.value, job.stage.value, job.progress, None if job.result is None else _json(job.result),
        _cut("reason", job.reason), place and place.channel, place and place.provider, place and place.credential,
        None if job.upstreamed is None else _json(job.upstreamed), job.attempts,
        job.accepted_at, job.started_at, job.finished_at, int(job.watched), job.late_at,
    )  # fmt: skip


def read(row: Row) -> Job:
    """The job of a row with all columns."""
    kind = Kind(row["kind"])
    return Job(
        id=ExchangeId(row["id"]),
        payer=Payer(
            row["account_id"],
            row["project_id"],
            row["key_id"],
            row["customer_group"],
            msgspec.json.decode(row["meters"], type=tuple[str, ...]),
        ),
        surface=row["surface"],
        kind=kind,
        ask=msgspec.json.decode(row["ask"], type=ASKS[kind]),
        model=row["model"],
        demand=msgspec.json.decode(row["demand"], type=Demand),
        held=row["held"],
        price=Price(row["tariff"], row["multiplier"], row["price_window"]),
        keeper=row["keeper"],
        label=row["label"],
        billing=_billing(row["billing_group"], row["source"]),
        notify=row["notify"],
        state=State(row["state"]),
        stage=Stage(row["stage"]),
        progress=row["progress"],
        result=None if row["result"] is None else _result(row["result"]),
        reason=row["reason"],
        place=None if row["channel"] is None else Place(row["channel"], row["provider"], row["credential"]),
        upstreamed=None if row["upstreamed"] is None else _upstreamed(row["upstreamed"]),
        attempts=row["attempts"],
        created_at=row["created_at"],
        accepted_at=row["accepted_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        watched=bool(row["watched"]),
        late_at=row["late_at"],
        hidden=bool(row["hidden"]),
    )


_result = msgspec.json.Decoder(Result).decode
_upstreamed = msgspec.json.Decoder(Upstreamed).decode


def _json(value: Any) -> str:
    return _encode(value).decode()


def _cut(column: str, text: str | None) -> str | None:
    return None if text is None else text.replace("\0", "")[: WIDTHS[column]]


def _billing(group: str | None, source: str | None) -> BillingGroup | None:
    return None if group is None and source is None else BillingGroup(group, source)
