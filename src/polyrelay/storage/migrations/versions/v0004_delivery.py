"""What follows a job's end: calls to its client, and what it made."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Three tables and their indexes."""
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.String(40), nullable=False, comment="webhook-id; made of the job's id, so that it is once"),
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("key_id", sa.String(40), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("state", sa.String(12), nullable=False, comment="pending, delivered or failed"),
        sa.Column("attempts", sa.Integer, server_default="0", nullable=False, comment="begun; one may have been cut"),
        sa.Column("next_at", sa.Double, comment="when it is due, or its lease ends; null once it is over"),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("finished_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_deliveries"),
    )
    waiting = sa.text("next_at IS NOT NULL")
    op.create_index(
        "ix_webhook_deliveries_due", "webhook_deliveries", ["next_at"], sqlite_where=waiting, postgresql_where=waiting
    )
    op.create_index("ix_webhook_deliveries_account", "webhook_deliveries", ["account_id", "id"])
    op.create_index("ix_webhook_deliveries_finished", "webhook_deliveries", ["finished_at"])
    op.create_table(
        "webhook_attempts",
        sa.Column("delivery_id", sa.String(40), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("error", sa.String(300)),
        sa.ForeignKeyConstraint(["delivery_id"], ["webhook_deliveries.id"], name="fk_webhook_attempts_delivery_id"),
        sa.PrimaryKeyConstraint("delivery_id", "number", name="pk_webhook_attempts"),
    )
    _make_artefacts()


def _make_artefacts() -> None:
    op.create_table(
        "artefacts",
        sa.Column("id", sa.String(40), nullable=False, comment="made of the job's id and a number"),
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("slot", sa.String(20), nullable=False, comment="its place in the job's result"),
        sa.Column("state", sa.String(12), nullable=False, comment="wanted, stored or failed"),
        sa.Column("attempts", sa.Integer, server_default="0", nullable=False),
        sa.Column("next_at", sa.Double, comment="when it is to be fetched, or its lease ends; null once it is over"),
        sa.Column("error", sa.String(300), comment="of the latest attempt"),
        sa.Column("name", sa.String(40)),
        sa.Column("size", sa.BigInteger),
        sa.Column("media_type", sa.String(40)),
        sa.Column("digest", sa.String(64), comment="SHA-256 in hexadecimal digits"),
        sa.Column("place", sa.String(12)),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("stored_at", sa.Double),
        sa.Column("expires_at", sa.Double, comment="when it is deleted"),
        sa.PrimaryKeyConstraint("id", name="pk_artefacts"),
    )
    op.create_index("ix_artefacts_job", "artefacts", ["job_id"])
    waiting, ending = sa.text("next_at IS NOT NULL"), sa.text("expires_at IS NOT NULL")
    op.create_index("ix_artefacts_due", "artefacts", ["next_at"], sqlite_where=waiting, postgresql_where=waiting)
    op.create_index("ix_artefacts_expired", "artefacts", ["expires_at"], sqlite_where=ending, postgresql_where=ending)
