"""Projects, budgets, groups, money, exchanges, and what the operator keeps; accounts and keys get more columns."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Accounts and keys are made anew and filled from the old ones: SQLite cannot change a constraint in place."""
    op.drop_index("ix_keys_account_id", "keys")
    op.drop_index("ix_keys_change", "keys")
    op.rename_table("keys", "keys_0001")
    op.rename_table("accounts", "accounts_0001")
    _make_tables()
    op.execute("INSERT INTO accounts (id, name, created_at) SELECT id, name, created_at FROM accounts_0001")
    op.execute("""
        INSERT INTO keys (id, account_id, name, fingerprint, hint, disabled, revoked_at, expires_at, models, networks,
            requests_per_minute, tokens_per_minute, concurrency, created_at, change)
        SELECT id, account_id, name, fingerprint, hint, CASE WHEN disabled THEN 1 ELSE 0 END, revoked_at, expires_at,
            models, networks, requests_per_minute, tokens_per_minute, concurrency, created_at, change FROM keys_0001
    """)
    op.drop_table("keys_0001")
    op.drop_table("accounts_0001")


def _make_tables() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("customer_group", sa.String(64), server_default="default", nullable=False),
        sa.Column(
            "zone",
            sa.String(64),
            server_default="UTC",
            nullable=False,
            comment="IANA name; where its budgets' days begin",
        ),
        sa.Column("hold_policy", sa.String(8), server_default="clamp", nullable=False, comment="strict or clamp"),
        sa.Column("requests_per_minute", sa.BigInteger),
        sa.Column("requests_per_day", sa.BigInteger),
        sa.Column("tokens_per_minute", sa.BigInteger),
        sa.Column("concurrency", sa.BigInteger),
        sa.Column("disabled", sa.Integer, server_default="0", nullable=False),
        sa.Column("tags", sa.Text, server_default="[]", nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column(
            "version", sa.Integer, server_default="1", nullable=False, comment="grows with every change; the ETag"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("name", name="uq_accounts_name"),
    )
    op.create_table(
        "admin_tokens",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("role", sa.String(16), nullable=False, comment="owner, operator, auditor or support"),
        sa.Column("fingerprint", sa.LargeBinary(32), nullable=False),
        sa.Column("hint", sa.String(32), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double),
        sa.Column("revoked_at", sa.Double),
        sa.Column("last_used_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_admin_tokens"),
        sa.UniqueConstraint("fingerprint", name="uq_admin_tokens_fingerprint"),
    )
    op.create_table(
        "audit_log",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("action", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("object", sa.String(200), nullable=False),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
        sa.Column("request", sa.String(128)),
        sa.PrimaryKeyConstraint("id", name="pk_audit_log"),
    )
    op.create_index("ix_audit_log_object", "audit_log", ["kind", "object", "id"])
    op.create_table(
        "channels",
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("document", sa.Text, nullable=False, comment="as config.channels takes it, without credentials"),
        sa.Column("disabled", sa.Integer, server_default="0", nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("version", sa.Integer, server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_channels"),
    )
    op.create_table(
        "customer_groups",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column(
            "multiplier", sa.String(32), server_default="1", nullable=False, comment="decimal; of every sell price"
        ),
        sa.Column("requests_per_minute", sa.BigInteger),
        sa.Column("requests_per_day", sa.BigInteger),
        sa.Column("tokens_per_minute", sa.BigInteger),
        sa.Column("concurrency", sa.BigInteger),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("version", sa.Integer, server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_customer_groups"),
    )
    op.create_table(
        "exchanges",
        sa.Column("id", sa.String(40), nullable=False, comment="begins with its time, so that ids sort by it"),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("project_id", sa.String(40)),
        sa.Column("key_id", sa.String(40), nullable=False),
        sa.Column("customer_group", sa.String(64), nullable=False),
        sa.Column("surface", sa.String(32), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("channel", sa.String(120)),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("first_token", sa.Double),
        sa.Column("finish", sa.String(40)),
        sa.Column("error", sa.String(80)),
        sa.Column("label", sa.String(128)),
        sa.Column("billing_group", sa.String(200)),
        sa.Column("source", sa.String(40)),
        sa.Column("input_tokens", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("output_tokens", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("usage", sa.Text, comment="buckets that are not zero"),
        sa.Column("estimated", sa.Integer, server_default="0", nullable=False),
        sa.Column(
            "indeterminate", sa.Integer, server_default="0", nullable=False, comment="its worker died before it ended"
        ),
        sa.Column("held", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("amount", sa.BigInteger, comment="charged; null when nothing was to be charged"),
        sa.Column("write_off", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("cost", sa.BigInteger, comment="what the upstream takes; null when unknown"),
        sa.Column("tariff", sa.String(200)),
        sa.Column("tariff_version", sa.String(64)),
        sa.Column("multiplier", sa.String(32)),
        sa.Column("lines", sa.Text, comment="the bill: bucket, quantity, unit price, amount"),
        sa.Column("batch", sa.String(64)),
        sa.PrimaryKeyConstraint("id", name="pk_exchanges"),
    )
    op.create_index("ix_exchanges_account", "exchanges", ["account_id", "id"])
    op.create_index("ix_exchanges_key", "exchanges", ["key_id", "id"])
    op.create_table(
        "idempotency",
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("request", sa.LargeBinary(32), nullable=False, comment="hash of method, path and body"),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("actor", "key", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_at", "idempotency", ["at"])
    op.create_table(
        "meta",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_meta"),
    )
    op.create_table(
        "recalls",
        sa.Column("meter", sa.String(120), nullable=False),
        sa.Column("asked_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("meter", name="pk_recalls"),
    )
    op.create_index("ix_recalls_asked_at", "recalls", ["asked_at"])
    op.create_table(
        "rollups",
        sa.Column("hour", sa.BigInteger, nullable=False, comment="hours since the epoch"),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("project_id", sa.String(40), nullable=False, comment="empty for none"),
        sa.Column("key_id", sa.String(40), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("channel", sa.String(120), nullable=False, comment="empty when none was called"),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.BigInteger, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("amount", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("cost", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("write_off", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("hour", "account_id", "project_id", "key_id", "model", "channel", name="pk_rollups"),
    )
    op.create_index("ix_rollups_account", "rollups", ["account_id", "hour"])
    op.create_index("ix_rollups_key", "rollups", ["key_id", "hour"])
    op.create_table(
        "days",
        sa.Column("day", sa.BigInteger, nullable=False, comment="days since the epoch, UTC; the sums of its hours"),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("project_id", sa.String(40), nullable=False, comment="empty for none"),
        sa.Column("key_id", sa.String(40), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("channel", sa.String(120), nullable=False, comment="empty when none was called"),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.BigInteger, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("amount", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("cost", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("write_off", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("day", "account_id", "project_id", "key_id", "model", "channel", name="pk_days"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_days_account", "days", ["account_id", "day"])
    op.create_index("ix_days_key", "days", ["key_id", "day"])
    op.create_table(
        "tariffs",
        sa.Column("id", sa.String(200), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("document", sa.Text, nullable=False, comment="as metering.read takes it"),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("retired_at", sa.Double),
        sa.PrimaryKeyConstraint("id", "version", name="pk_tariffs"),
    )
    op.create_table(
        "transfers",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False, comment="see ledger.transfer"),
        sa.Column("debit", sa.String(140), nullable=False),
        sa.Column("credit", sa.String(140), nullable=False),
        sa.Column("amount", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("account_id", sa.String(40)),
        sa.Column("exchange", sa.String(40)),
        sa.Column("batch", sa.String(64)),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("reason", sa.Text, server_default="", nullable=False),
        sa.Column("idempotency_key", sa.String(200)),
        sa.CheckConstraint("amount > 0", name="ck_transfers_positive"),
        sa.CheckConstraint("debit <> credit", name="ck_transfers_two_sides"),
        sa.PrimaryKeyConstraint("id", name="pk_transfers"),
        sa.UniqueConstraint("idempotency_key", name="uq_transfers_idempotency_key"),
    )
    op.create_index("ix_transfers_account", "transfers", ["account_id", "id"])
    charges_aside = sa.text("kind != 'charge'")
    op.create_index(
        "ix_transfers_moves",
        "transfers",
        ["account_id", "id"],
        sqlite_where=charges_aside,
        postgresql_where=charges_aside,
    )
    op.create_index("ix_transfers_batch", "transfers", ["batch"])
    op.create_index("ix_transfers_exchange", "transfers", ["exchange"])
    op.create_table(
        "workers",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("machine", sa.String(80), nullable=False),
        sa.Column("journal", sa.Text, nullable=False, comment="path of its segments without their numbers"),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("state", sa.String(12), nullable=False, comment="live, suspense or closed"),
        sa.Column("segment", sa.Integer, server_default="0", nullable=False),
        sa.Column(
            "position", sa.BigInteger, server_default="0", nullable=False, comment="posted up to here, in that segment"
        ),
        sa.Column("lease_until", sa.Double, nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
    )
    op.create_index("ix_workers_state", "workers", ["state"])
    op.create_table(
        "budgets",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("scope", sa.String(8), nullable=False, comment="account, project or key"),
        sa.Column("owner", sa.String(40), nullable=False, comment="id of that account, project or key"),
        sa.Column("period", sa.String(8), nullable=False, comment="day, week, month or total"),
        sa.Column("amount", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("version", sa.Integer, server_default="1", nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_budgets_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_budgets"),
        sa.UniqueConstraint("owner", "period", name="uq_budgets_owner_period"),
    )
    op.create_index("ix_budgets_account_id", "budgets", ["account_id"])
    op.create_table(
        "credentials",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("channel", sa.String(120), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("sealed", sa.Text, nullable=False, comment="see storage.vault"),
        sa.Column("disabled", sa.Integer, server_default="0", nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.ForeignKeyConstraint(["channel"], ["channels.name"], name="fk_credentials_channel"),
        sa.PrimaryKeyConstraint("id", name="pk_credentials"),
        sa.UniqueConstraint("channel", "name", name="uq_credentials_channel_name"),
    )
    op.create_index("ix_credentials_channel", "credentials", ["channel"])
    op.create_table(
        "pots",
        sa.Column("id", sa.String(120), nullable=False),
        sa.Column("meter", sa.String(120), nullable=False, comment="see ledger.meters"),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False, comment="wallet, promotion or budget"),
        sa.Column("granted", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("overdraft", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("spent", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("escrowed", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("ceiling", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("expires_at", sa.Double),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.CheckConstraint("escrowed >= 0 AND spent >= 0", name="ck_pots_positive"),
        sa.CheckConstraint("spent + escrowed <= ceiling", name="ck_pots_never_overdrawn"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_pots_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_pots"),
        comment="ceiling: granted + overdraft, or what was spent and escrowed when the limit was lowered below that",
    )
    op.create_index("ix_pots_expires_at", "pots", ["expires_at"])
    op.create_index("ix_pots_account_id", "pots", ["account_id"])
    op.create_index("ix_pots_meter", "pots", ["meter"])
    op.create_table(
        "projects",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("requests_per_minute", sa.BigInteger),
        sa.Column("requests_per_day", sa.BigInteger),
        sa.Column("tokens_per_minute", sa.BigInteger),
        sa.Column("concurrency", sa.BigInteger),
        sa.Column("disabled", sa.Integer, server_default="0", nullable=False),
        sa.Column("tags", sa.Text, server_default="[]", nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("version", sa.Integer, server_default="1", nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_projects_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
        sa.UniqueConstraint("account_id", "name", name="uq_projects_account_id_name"),
    )
    op.create_table(
        "keys",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("project_id", sa.String(40)),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(32), nullable=False),
        sa.Column(
            "secret_id", sa.String(32), server_default="", nullable=False, comment="which server secret keyed the hash"
        ),
        sa.Column("hint", sa.String(32), nullable=False),
        sa.Column("disabled", sa.Integer, server_default="0", nullable=False),
        sa.Column("revoked_at", sa.Double),
        sa.Column("expires_at", sa.Double),
        sa.Column("replaced_by", sa.String(40), comment="the key that a rotation made in its place"),
        sa.Column("last_used_at", sa.Double),
        sa.Column("models", sa.Text, nullable=False),
        sa.Column("networks", sa.Text, nullable=False),
        sa.Column("requests_per_minute", sa.BigInteger),
        sa.Column("requests_per_day", sa.BigInteger),
        sa.Column("tokens_per_minute", sa.BigInteger),
        sa.Column("concurrency", sa.BigInteger),
        sa.Column("tags", sa.Text, server_default="[]", nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("change", sa.BigInteger, nullable=False, comment="grows with every change of what the key may do"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_keys_account_id"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_keys_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
        sa.UniqueConstraint("fingerprint", name="uq_keys_fingerprint"),
    )
    op.create_index("ix_keys_account_id", "keys", ["account_id"])
    op.create_index("ix_keys_change", "keys", ["change"])
    op.create_index("ix_keys_project_id", "keys", ["project_id"])
    op.create_table(
        "slices",
        sa.Column("worker_id", sa.String(40), nullable=False),
        sa.Column("pot_id", sa.String(120), nullable=False),
        sa.Column("amount", sa.BigInteger, server_default="0", nullable=False),
        sa.CheckConstraint("amount >= 0", name="ck_slices_positive"),
        sa.ForeignKeyConstraint(["pot_id"], ["pots.id"], name="fk_slices_pot_id"),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.id"], name="fk_slices_worker_id"),
        sa.PrimaryKeyConstraint("worker_id", "pot_id", name="pk_slices"),
    )
    op.create_index("ix_slices_pot_id", "slices", ["pot_id"])
