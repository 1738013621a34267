"""The tables. Times are seconds since the epoch, UTC; lists are JSON arrays in text.

Rows of keys are never deleted: a revoked one stays, so that readers who follow `change` learn of it, and so that
records can name it.
"""

from sqlalchemy import Boolean, Column, Float, ForeignKey, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()

accounts = Table(
    "accounts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", ForeignKey(accounts.c.id), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("fingerprint", LargeBinary(32), nullable=False, unique=True),
    Column("hint", String(32), nullable=False),
    Column("disabled", Boolean, nullable=False, default=False),
    Column("revoked_at", Float),
    Column("expires_at", Float),
    Column("models", Text, nullable=False),
    Column("networks", Text, nullable=False),
    Column("requests_per_minute", Integer, comment="null: the configured default; 0: unlimited"),
    Column("tokens_per_minute", Integer, comment="null: the configured default; 0: unlimited"),
    Column("concurrency", Integer, comment="null: the configured default; 0: unlimited"),
    Column("created_at", Float, nullable=False),
    Column("change", Integer, nullable=False, index=True, comment="grows with every change of any key; see KeyStore"),
)
