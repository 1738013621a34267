"""How the tables came to be, one file a revision; run by `storage.migrating`.

A revision is never changed once it was released. A new one is `versions/vNNNN_words.py` with the next number, which
also goes into `storage.revision`. `tests/contract/test_migrations.py` fails until migrations and `storage.schema`
agree, and shows the operations that are missing. There is no way down: restore the backup made before the upgrade.
"""
