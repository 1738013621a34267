"""The tables. SQLAlchemy describes them once; migrations make them, hand-written SQL uses them on the request path.

Amounts are nano-units of the instance's currency (64 bits), times are seconds since the epoch (UTC), lists and
documents are JSON in text, flags are 0 or 1. What is money is append-only (`transfers`, `exchanges`) or a running sum
of it (`pots`, `slices`), so that an audit can add it up again.

Rows of keys are never deleted: a revoked one stays, so that readers who follow `change` learn of it, and so that
records can name it.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _limits() -> tuple[Column[int], ...]:
    """Null takes the configured default, 0 is unlimited."""
    names = ("requests_per_minute", "requests_per_day", "tokens_per_minute", "concurrency")
    return tuple(Column(name, BigInteger) for name in names)


def _money(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, default=0, server_default="0")


meta = Table(
    "meta",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

# ── who: accounts > projects > keys ──────────────────────────────────────────────────────────────────────────────

accounts = Table(
    "accounts",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("customer_group", String(64), nullable=False, server_default="default"),
    Column(
        "zone", String(64), nullable=False, server_default="UTC", comment="IANA name; where its budgets' days begin"
    ),
    Column("hold_policy", String(8), nullable=False, server_default="clamp", comment="strict or clamp"),
    *_limits(),
    Column("disabled", Integer, nullable=False, server_default="0"),
    Column("tags", Text, nullable=False, server_default="[]"),
    Column("created_at", Double, nullable=False),
    Column("version", Integer, nullable=False, server_default="1", comment="grows with every change; the ETag"),
)

projects = Table(
    "projects",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("account_id", ForeignKey(accounts.c.id), nullable=False),
    Column("name", String(200), nullable=False),
    *_limits(),
    Column("disabled", Integer, nullable=False, server_default="0"),
    Column("tags", Text, nullable=False, server_default="[]"),
    Column("created_at", Double, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    UniqueConstraint("account_id", "name"),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("account_id", ForeignKey(accounts.c.id), nullable=False, index=True),
    Column("project_id", ForeignKey(projects.c.id), index=True),
    Column("name", String(200), nullable=False),
    Column("fingerprint", LargeBinary(32), nullable=False, unique=True),
    Column("secret_id", String(32), nullable=False, server_default="", comment="which server secret keyed the hash"),
    Column("hint", String(32), nullable=False),
    Column("disabled", Integer, nullable=False, server_default="0"),
    Column("revoked_at", Double),
    Column("expires_at", Double),
    Column("replaced_by", String(40), comment="the key that a rotation made in its place"),
    Column("last_used_at", Double),
    Column("models", Text, nullable=False),
    Column("networks", Text, nullable=False),
    *_limits(),
    Column("tags", Text, nullable=False, server_default="[]"),
    Column("created_at", Double, nullable=False),
    Column("change", BigInteger, nullable=False, index=True, comment="grows with every change of what the key may do"),
)

budgets = Table(
    "budgets",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("account_id", ForeignKey(accounts.c.id), nullable=False, index=True),
    Column("scope", String(8), nullable=False, comment="account, project or key"),
    Column("owner", String(40), nullable=False, comment="id of that account, project or key"),
    Column("period", String(8), nullable=False, comment="day, week, month or total"),
    _money("amount"),
    Column("created_at", Double, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    UniqueConstraint("owner", "period"),
)

groups = Table(
    "customer_groups",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("multiplier", String(32), nullable=False, server_default="1", comment="decimal; of every sell price"),
    *_limits(),
    Column("created_at", Double, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
)

# ── money ────────────────────────────────────────────────────────────────────────────────────────────────────────

pots = Table(
    "pots",
    metadata,
    Column("id", String(120), primary_key=True),
    Column("meter", String(120), nullable=False, index=True, comment="see ledger.meters"),
    Column("account_id", ForeignKey(accounts.c.id), nullable=False, index=True),
    Column("kind", String(12), nullable=False, comment="wallet, promotion or budget"),
    _money("granted"),
    _money("overdraft"),
    _money("spent"),
    _money("escrowed"),
    _money("ceiling"),
    Column("expires_at", Double, index=True),
    Column("created_at", Double, nullable=False),
    CheckConstraint("escrowed >= 0 AND spent >= 0", name="positive"),
    CheckConstraint("spent + escrowed <= ceiling", name="never_overdrawn"),
    comment="ceiling: granted + overdraft, or what was spent and escrowed when the limit was lowered below that",
)

workers = Table(
    "workers",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("machine", String(80), nullable=False),
    Column("journal", Text, nullable=False, comment="path of its segments without their numbers"),
    Column("pid", Integer, nullable=False),
    Column("state", String(12), nullable=False, index=True, comment="live, suspense or closed"),
    Column("segment", Integer, nullable=False, server_default="0"),
    Column("position", BigInteger, nullable=False, server_default="0", comment="posted up to here, in that segment"),
    Column("lease_until", Double, nullable=False),
    Column("started_at", Double, nullable=False),
)

slices = Table(
    "slices",
    metadata,
    Column("worker_id", ForeignKey(workers.c.id), primary_key=True),
    Column("pot_id", ForeignKey(pots.c.id), primary_key=True, index=True),
    _money("amount"),
    CheckConstraint("amount >= 0", name="positive"),
)

recalls = Table(
    "recalls",
    metadata,
    Column("meter", String(120), primary_key=True),
    Column("asked_at", Double, nullable=False, index=True),
)

transfers = Table(
    "transfers",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("at", Double, nullable=False),
    Column("kind", String(16), nullable=False, comment="see ledger.transfer"),
    Column("debit", String(140), nullable=False),
    Column("credit", String(140), nullable=False),
    _money("amount"),
    Column("account_id", String(40)),
    Column("exchange", String(40), index=True),
    Column("batch", String(64), index=True),
    Column("actor", String(80), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("idempotency_key", String(200), unique=True),
    CheckConstraint("amount > 0", name="positive"),
    CheckConstraint("debit <> credit", name="two_sides"),
)
Index("ix_transfers_account", transfers.c.account_id, transfers.c.id)
Index(
    "ix_transfers_moves",
    transfers.c.account_id,
    transfers.c.id,
    sqlite_where=transfers.c.kind != "charge",
    postgresql_where=transfers.c.kind != "charge",
)

exchanges = Table(
    "exchanges",
    metadata,
    Column("id", String(40), primary_key=True, comment="begins with its time, so that ids sort by it"),
    Column("at", Double, nullable=False),
    Column("account_id", String(40), nullable=False),
    Column("project_id", String(40)),
    Column("key_id", String(40), nullable=False),
    Column("customer_group", String(64), nullable=False),
    Column("surface", String(32), nullable=False),
    Column("model", String(200), nullable=False),
    Column("channel", String(120)),
    Column("status", Integer, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("first_token", Double),
    Column("finish", String(40)),
    Column("error", String(80)),
    Column("label", String(128)),
    Column("billing_group", String(200)),
    Column("source", String(40)),
    Column("input_tokens", BigInteger, nullable=False, server_default="0"),
    Column("output_tokens", BigInteger, nullable=False, server_default="0"),
    Column("usage", Text, comment="buckets that are not zero"),
    Column("estimated", Integer, nullable=False, server_default="0"),
    Column("indeterminate", Integer, nullable=False, server_default="0", comment="its worker died before it ended"),
    _money("held"),
    Column("amount", BigInteger, comment="charged; null when nothing was to be charged"),
    _money("write_off"),
    Column("cost", BigInteger, comment="what the upstream takes; null when unknown"),
    Column("tariff", String(200)),
    Column("tariff_version", String(64)),
    Column("multiplier", String(32)),
    Column("lines", Text, comment="the bill: bucket, quantity, unit price, amount"),
    Column("batch", String(64)),
)
Index("ix_exchanges_account", exchanges.c.account_id, exchanges.c.id)
Index("ix_exchanges_key", exchanges.c.key_id, exchanges.c.id)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(40), primary_key=True, comment="of its exchange, which is written when it ends"),
    Column("account_id", String(40), nullable=False),
    Column("project_id", String(40)),
    Column("key_id", String(40), nullable=False),
    Column("customer_group", String(64), nullable=False),
    Column("surface", String(32), nullable=False),
    Column("kind", String(12), nullable=False, comment="music, lyrics, concat or video"),
    Column("ask", Text, nullable=False, comment="what was asked for, with the client's own names"),
    Column("model", String(200), nullable=False),
    Column("demand", Text, nullable=False, comment="upper bounds of what it may use"),
    _money("held"),
    Column("meters", Text, nullable=False, comment="ids; as much is held of each"),
    Column("tariff", Text, nullable=False, comment="as metering.read takes it"),
    Column("multiplier", BigInteger, nullable=False),
    Column("price_window", Text),
    Column("label", String(128)),
    Column("billing_group", String(200)),
    Column("source", String(40)),
    Column("notify", Text),
    Column("created_at", Double, nullable=False),
    Column("keeper", String(40), nullable=False, comment="the worker that submits or polls it"),
    Column("state", String(12), nullable=False, comment="see jobs.lifecycle"),
    Column("stage", String(12), nullable=False, comment="how far its upstream says it is"),
    Column("progress", Integer, nullable=False),
    Column("result", Text),
    Column("reason", String(500)),
    Column("channel", Text),
    Column("provider", Text),
    Column("credential", Text),
    Column("upstreamed", Text, comment="by which names its upstream knows it"),
    Column("attempts", Integer, nullable=False),
    Column("accepted_at", Double),
    Column("started_at", Double),
    Column("finished_at", Double),
    Column("watched", Integer, nullable=False, comment="whether its keeper is to look at it"),
    Column("late_at", Double, comment="when it had succeeded after all, uncharged and undelivered"),
    Column("hidden", Integer, nullable=False, server_default="0", comment="its client has thrown it away"),
    CheckConstraint("held >= 0", name="positive"),
)
Index("ix_jobs_account", jobs.c.account_id, jobs.c.id)
Index("ix_jobs_key", jobs.c.key_id, jobs.c.id)
Index(
    "ix_jobs_open",
    jobs.c.account_id,
    sqlite_where=jobs.c.finished_at.is_(None),
    postgresql_where=jobs.c.finished_at.is_(None),
)
Index(
    "ix_jobs_watched",
    jobs.c.keeper,
    jobs.c.id,
    sqlite_where=jobs.c.watched == 1,
    postgresql_where=jobs.c.watched == 1,
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", String(40), primary_key=True, comment="webhook-id; made of the job's id, so that it is once"),
    Column("job_id", String(40), nullable=False),
    Column("account_id", String(40), nullable=False),
    Column("key_id", String(40), nullable=False),
    Column("url", Text, nullable=False),
    Column("state", String(12), nullable=False, comment="pending, delivered or failed"),
    Column("attempts", Integer, nullable=False, server_default="0", comment="begun; one may have been cut"),
    Column("next_at", Double, comment="when it is due, or its lease ends; null once it is over"),
    Column("created_at", Double, nullable=False),
    Column("finished_at", Double),
)
Index(
    "ix_webhook_deliveries_due",
    webhook_deliveries.c.next_at,
    sqlite_where=webhook_deliveries.c.next_at.is_not(None),
    postgresql_where=webhook_deliveries.c.next_at.is_not(None),
)
Index("ix_webhook_deliveries_account", webhook_deliveries.c.account_id, webhook_deliveries.c.id)
Index("ix_webhook_deliveries_finished", webhook_deliveries.c.finished_at)

webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column("delivery_id", ForeignKey(webhook_deliveries.c.id), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", Double, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("status", Integer),
    Column("error", String(300)),
)

artefacts = Table(
    "artefacts",
    metadata,
    Column("id", String(40), primary_key=True, comment="made of the job's id and a number"),
    Column("job_id", String(40), nullable=False),
    Column("account_id", String(40), nullable=False),
    Column("slot", String(20), nullable=False, comment="its place in the job's result"),
    Column("state", String(12), nullable=False, comment="wanted, stored or failed"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_at", Double, comment="when it is to be fetched, or its lease ends; null once it is over"),
    Column("error", String(300), comment="of the latest attempt"),
    Column("name", String(40)),
    Column("size", BigInteger),
    Column("media_type", String(40)),
    Column("digest", String(64), comment="SHA-256 in hexadecimal digits"),
    Column("place", String(12)),
    Column("created_at", Double, nullable=False),
    Column("stored_at", Double),
    Column("expires_at", Double, comment="when it is deleted"),
)
Index("ix_artefacts_job", artefacts.c.job_id)
Index(
    "ix_artefacts_due",
    artefacts.c.next_at,
    sqlite_where=artefacts.c.next_at.is_not(None),
    postgresql_where=artefacts.c.next_at.is_not(None),
)
Index(
    "ix_artefacts_expired",
    artefacts.c.expires_at,
    sqlite_where=artefacts.c.expires_at.is_not(None),
    postgresql_where=artefacts.c.expires_at.is_not(None),
)


def _uses() -> tuple[Column[Any], ...]:
    """Of one account, project, key, model and channel: what an hour or a day adds up to."""
    return (
        Column("account_id", String(40), primary_key=True),
        Column("project_id", String(40), primary_key=True, comment="empty for none"),
        Column("key_id", String(40), primary_key=True),
        Column("model", String(200), primary_key=True),
        Column("channel", String(120), primary_key=True, comment="empty when none was called"),
        Column("requests", BigInteger, nullable=False),
        Column("failures", BigInteger, nullable=False),
        Column("input_tokens", BigInteger, nullable=False),
        Column("output_tokens", BigInteger, nullable=False),
        _money("amount"),
        _money("cost"),
        _money("write_off"),
        Column("seconds", Double, nullable=False),
    )


rollups = Table(
    "rollups",
    metadata,
    Column("hour", BigInteger, primary_key=True, comment="hours since the epoch"),
    *_uses(),
)
Index("ix_rollups_account", rollups.c.account_id, rollups.c.hour)
Index("ix_rollups_key", rollups.c.key_id, rollups.c.hour)

days = Table(
    "days",
    metadata,
    Column("day", BigInteger, primary_key=True, comment="days since the epoch, UTC; the sums of its hours"),
    *_uses(),
    sqlite_with_rowid=False,
)
Index("ix_days_account", days.c.account_id, days.c.day)
Index("ix_days_key", days.c.key_id, days.c.day)

# ── what the operator keeps in the database ──────────────────────────────────────────────────────────────────────

tariffs = Table(
    "tariffs",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("version", String(64), primary_key=True),
    Column("document", Text, nullable=False, comment="as metering.read takes it"),
    Column("created_at", Double, nullable=False),
    Column("retired_at", Double),
)

channels = Table(
    "channels",
    metadata,
    Column("name", String(120), primary_key=True),
    Column("document", Text, nullable=False, comment="as config.channels takes it, without credentials"),
    Column("disabled", Integer, nullable=False, server_default="0"),
    Column("created_at", Double, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
)

credentials = Table(
    "credentials",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("channel", ForeignKey(channels.c.name), nullable=False, index=True),
    Column("name", String(120), nullable=False),
    Column("sealed", Text, nullable=False, comment="see storage.vault"),
    Column("disabled", Integer, nullable=False, server_default="0"),
    Column("created_at", Double, nullable=False),
    UniqueConstraint("channel", "name"),
)

admin_tokens = Table(
    "admin_tokens",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("role", String(16), nullable=False, comment="owner, operator, auditor or support"),
    Column("fingerprint", LargeBinary(32), nullable=False, unique=True),
    Column("hint", String(32), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("revoked_at", Double),
    Column("last_used_at", Double),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("at", Double, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("action", String(80), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("object", String(200), nullable=False),
    Column("before", Text),
    Column("after", Text),
    Column("request", String(128)),
)
Index("ix_audit_log_object", audit_log.c.kind, audit_log.c.object, audit_log.c.id)

idempotency = Table(
    "idempotency",
    metadata,
    Column("actor", String(80), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("request", LargeBinary(32), nullable=False, comment="hash of method, path and body"),
    Column("status", Integer, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("at", Double, nullable=False, index=True),
)
