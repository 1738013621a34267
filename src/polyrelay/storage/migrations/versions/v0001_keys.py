"""Accounts and their keys."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """From nothing. These constraints had no names of their own."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False, unique=True),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.create_table(
        "keys",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("account_id", sa.String(32), sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("hint", sa.String(32), nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("revoked_at", sa.Float),
        sa.Column("expires_at", sa.Float),
        sa.Column("models", sa.Text, nullable=False),
        sa.Column("networks", sa.Text, nullable=False),
        sa.Column("requests_per_minute", sa.Integer),
        sa.Column("tokens_per_minute", sa.Integer),
        sa.Column("concurrency", sa.Integer),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("change", sa.Integer, nullable=False),
    )
    op.create_index("ix_keys_account_id", "keys", ["account_id"])
    op.create_index("ix_keys_change", "keys", ["change"])
