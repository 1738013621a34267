"""The database: transactions on SQLite and PostgreSQL, opening, upgrading. It knows no table of ours."""
