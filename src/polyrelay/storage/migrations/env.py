"""Alembic runs this file. It renders SQL and needs no connection; `storage.migrating` executes it."""

from alembic import context

context.configure(dialect_name=context.config.attributes["dialect"], literal_binds=True)
context.run_migrations()
