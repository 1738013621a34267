"""Long jobs, and who has the slices that are what they hold."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ENDLESS = 1e15
"""Seconds since the epoch: some thirty million years on."""


def upgrade() -> None:
    """A table, its indexes, and one row."""
    _make_table()
    op.create_index("ix_jobs_account", "jobs", ["account_id", "id"])
    op.create_index("ix_jobs_key", "jobs", ["key_id", "id"])
    unfinished, watched = sa.text("finished_at IS NULL"), sa.text("watched = 1")
    op.create_index("ix_jobs_open", "jobs", ["account_id"], sqlite_where=unfinished, postgresql_where=unfinished)
    op.create_index("ix_jobs_watched", "jobs", ["keeper", "id"], sqlite_where=watched, postgresql_where=watched)
    op.execute(f"""
        INSERT INTO workers (id, machine, journal, pid, state, lease_until, started_at)
        VALUES ('jobs', '-', '', 0, 'live', {ENDLESS}, 0)
    """)  # noqa: S608 - a constant


def _make_table() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(40), nullable=False, comment="of its exchange, which is written when it ends"),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("project_id", sa.String(40)),
        sa.Column("key_id", sa.String(40), nullable=False),
        sa.Column("customer_group", sa.String(64), nullable=False),
        sa.Column("surface", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False, comment="music, lyrics, concat or video"),
        sa.Column("ask", sa.Text, nullable=False, comment="what was asked for, with the client's own names"),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("demand", sa.Text, nullable=False, comment="upper bounds of what it may use"),
        sa.Column("held", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("meters", sa.Text, nullable=False, comment="ids; as much is held of each"),
        sa.Column("tariff", sa.Text, nullable=False, comment="as metering.read takes it"),
        sa.Column("multiplier", sa.BigInteger, nullable=False),
        sa.Column("price_window", sa.Text),
        sa.Column("label", sa.String(128)),
        sa.Column("billing_group", sa.String(200)),
        sa.Column("source", sa.String(40)),
        sa.Column("notify", sa.Text),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("keeper", sa.String(40), nullable=False, comment="the worker that submits or polls it"),
        sa.Column("state", sa.String(12), nullable=False, comment="see jobs.lifecycle"),
        sa.Column("stage", sa.String(12), nullable=False, comment="how far its upstream says it is"),
        sa.Column("progress", sa.Integer, nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("reason", sa.String(500)),
        sa.Column("channel", sa.Text),
        sa.Column("provider", sa.Text),
        sa.Column("credential", sa.Text),
        sa.Column("upstreamed", sa.Text, comment="by which names its upstream knows it"),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("accepted_at", sa.Double),
        sa.Column("started_at", sa.Double),
        sa.Column("finished_at", sa.Double),
        sa.Column("watched", sa.Integer, nullable=False, comment="whether its keeper is to look at it"),
        sa.Column("late_at", sa.Double, comment="when it had succeeded after all, uncharged and undelivered"),
        sa.Column("hidden", sa.Integer, nullable=False, server_default="0", comment="its client has thrown it away"),
        sa.CheckConstraint("held >= 0", name="ck_jobs_positive"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
