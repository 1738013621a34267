"""Secrets that follow from the server's own: the same for as long as a key lives, and gone with it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from polyrelay.storage.rings import Kind
from polyrelay.storage.secrecy import custody, derived, rotation
from polyrelay.storage.secrecy import secrets as server_secrets
from polyrelay.storage.secrecy.derived import DerivedSecrets
from polyrelay.storage.sql.database import open_postgres, open_sqlite
from polyrelay.storage.sql.transaction import Database, Tx
from support import postgres

T = TypeVar("T")
Run = Callable[[Callable[[Database], Awaitable[Any]]], Any]


@pytest.fixture(params=["sqlite", "postgresql"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    url = postgres.ready_database() if request.param == "postgresql" else ""

    def run(use: Callable[[Database], Awaitable[T]]) -> T:
        async def opened() -> T:
            database = await open_postgres(url) if url else await open_sqlite(tmp_path)
            try:
                return await use(database)
            finally:
                await database.close()

        return asyncio.run(opened())

    return run


async def make_keys(database: Database, data: Path, *names: str) -> None:
    """Keys made under the server's current secret."""
    current = (await custody.establish(data, database)).current

    async def insert(tx: Tx) -> None:
        await tx.execute("INSERT INTO accounts (id, name, created_at) VALUES ('acc_1', 'a', 0) ON CONFLICT DO NOTHING")
        rows = [(name, name.encode(), current) for name in names]
        await tx.many(
            "INSERT INTO keys (id, account_id, name, fingerprint, secret_id, hint, models, networks, tags, created_at, "
            "change) VALUES ($1, 'acc_1', '', $2, $3, '', '[]', '[]', '{}', 0, 0)",
            rows,
        )

    await database.write(insert)


def test_a_key_s_secret_is_its_own_and_outlives_rotations(run: Run, tmp_path: Path) -> None:
    async def use(database: Database) -> None:
        await make_keys(database, tmp_path, "key_1", "key_2")
        secrets = DerivedSecrets(tmp_path, database)
        first, second = await secrets.of("key_1"), await secrets.of("key_2")
        assert first is not None
        assert len(first) == derived.BYTES
        assert first != second
        rotation.rotate_fingerprint(tmp_path)
        await make_keys(database, tmp_path, "key_3")
        assert await secrets.of("key_1") == await DerivedSecrets(tmp_path, database).of("key_1") == first
        third = await secrets.of("key_3")
        assert third not in {None, first, second}
        assert derived.derive(server_secrets.load(tmp_path).fingerprint_key, "webhook key_3") == third

    run(use)


def test_a_key_that_was_revoked_or_never_made_has_none(run: Run, tmp_path: Path) -> None:
    async def use(database: Database) -> None:
        await make_keys(database, tmp_path, "key_1")
        await database.write(lambda tx: tx.execute("UPDATE keys SET revoked_at = 1 WHERE id = 'key_1'"))
        secrets = DerivedSecrets(tmp_path, database)
        assert await secrets.of("key_1") is None
        assert await secrets.of("key_2") is None

    run(use)


def test_links_are_signed_by_the_current_secret_and_known_from_the_others(run: Run, tmp_path: Path) -> None:
    async def use(database: Database) -> None:
        await custody.establish(tmp_path, database)
        (old,) = DerivedSecrets(tmp_path, database).link_keys()
        rotation.rotate_fingerprint(tmp_path)
        new, *others = DerivedSecrets(tmp_path, database).link_keys()
        assert others == [old]
        assert new != old
        server_secrets.drop(tmp_path, Kind.FINGERPRINT, server_secrets.load(tmp_path).fingerprint.retired)
        assert list(DerivedSecrets(tmp_path, database).link_keys()) == [new]

    run(use)


def test_hkdf_as_its_specification_has_it() -> None:
    """The first 32 bytes of RFC 5869 with SHA-256: extract with the salt, expand once with the purpose."""
    expected = HKDF(hashes.SHA256(), 32, b"polyrelay v1", b"webhook key_1").derive(b"s" * 32)
    assert derived.derive(b"s" * 32, "webhook key_1") == expected
