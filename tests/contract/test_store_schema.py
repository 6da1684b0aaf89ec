"""Migrations: they build what schema.py says, refuse what they do not know, and wait for each
other."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from contract.store_rows import by_hand
from saga_coordinator.store import revisions, schedule_statements, statements
from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import SchemaTooOld, Store
from saga_coordinator.store.postgres import SESSION
from saga_coordinator.store.postgres_statements import CLAIM, LOCK_SKIPPING, folded
from saga_coordinator.store.schema import JOURNAL_REST, metadata
from saga_coordinator.store.statements import Statement

HOT = {
    name: value
    for module in (statements, schedule_statements)
    for name, value in vars(module).items()
    if isinstance(value, Statement)
}


@pytest.fixture(params=["sqlite_url", "database_url"])
def store_url(request: pytest.FixtureRequest) -> str:
    """A fresh database: these tests edit its schema."""
    return str(request.getfixturevalue(request.param))


async def created(url: str) -> None:
    """The tables straight from schema.py."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        if connection.dialect.name == "postgresql":
            await connection.exec_driver_sql(f"CREATE TABLE {JOURNAL_REST} PARTITION OF journal DEFAULT")
    await engine.dispose()


def differences(connection: Connection) -> list[Any]:
    """But for partitions, which are no tables of their own."""
    ours = {"version_table": revisions.VERSION_TABLE, "include_name": lambda name, *_: name != JOURNAL_REST}
    context = MigrationContext.configure(connection, opts=ours)
    return list(compare_metadata(context, metadata))


async def test_alembic_sees_no_difference_between_migrations_and_tables(store: Store, store_url: str) -> None:
    engine = create_async_engine(store_url)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


def words(sql: str) -> str:
    return re.sub(r"\s+", " ", sql).strip()


async def test_migrations_build_the_same_sqlite_file_as_the_tables(sqlite_url: str, tmp_path: Path) -> None:
    """Alembic compares neither checks nor STRICT: the file's own catalogue does."""
    await open_store(sqlite_url).upgrade()
    other = f"sqlite+aiosqlite:///{tmp_path / 'other.sqlite'}"
    await created(other)
    query = f"SELECT type, name, sql FROM sqlite_master WHERE tbl_name <> '{revisions.VERSION_TABLE}' AND sql IS NOT NULL"

    async def catalogue(url: str) -> dict[tuple[str, str], list[str]]:
        # Constraints may stand in another order.
        return {(kind, name): sorted(re.split(r"[,()] ?", words(sql))) for kind, name, sql in await by_hand(url, query)}

    migrated, direct = await catalogue(sqlite_url), await catalogue(other)
    assert migrated == direct
    assert len(migrated) > 25


async def test_migrations_build_the_same_postgres_catalogue_as_the_tables(postgres_url: Any) -> None:
    migrated, direct = postgres_url(), postgres_url()
    await open_store(migrated).upgrade()
    await created(direct)
    queries = [
        "SELECT relname, reloptions::text, pg_get_partkeydef(oid), pg_get_expr(relpartbound, oid) FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        f" AND relname <> '{revisions.VERSION_TABLE}' ORDER BY 1",
        # PostgreSQL itself names those of NOT NULL.
        "SELECT conrelid::regclass::text, CASE contype WHEN 'n' THEN '' ELSE conname END, pg_get_constraintdef(oid) FROM pg_constraint"
        f" WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> '{revisions.VERSION_TABLE}' ORDER BY 1, 2, 3",
        f"SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> '{revisions.VERSION_TABLE}' ORDER BY 1",
        "SELECT table_name, ordinal_position, column_name, data_type, is_nullable, is_identity FROM information_schema.columns"
        f" WHERE table_schema = 'public' AND table_name <> '{revisions.VERSION_TABLE}' ORDER BY 1, 2",
    ]
    for query in queries:
        assert await by_hand(migrated, query) == await by_hand(direct, query)


async def test_the_saga_table_has_no_index_but_its_key(database_url: str) -> None:
    await open_store(database_url).upgrade()
    assert await by_hand(database_url, "SELECT indexname FROM pg_indexes WHERE tablename = 'saga'") == [("saga_pkey",)]


async def test_no_hot_statement_scans_a_table(database_url: str) -> None:
    """With the session's own settings, on tables that are still empty: the plans that are kept for
    good."""
    await open_store(database_url).upgrade()
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""), server_settings=SESSION)
    queries = {name: (folded((statement,)), len(statement.columns)) for name, statement in HOT.items()}
    queries["LOCK"] = (LOCK_SKIPPING, 1)
    queries["INSERT_CLAIMS"] = (CLAIM, len(statements.INSERT_REQUEST.columns) + len(statements.INSERT_KEY.columns))
    for name, (query, count) in queries.items():
        await connection.execute(f"PREPARE {name} AS {query}")
        rows = await connection.fetch(f"EXPLAIN EXECUTE {name} ({', '.join(['NULL'] * count)})")
        plan = "\n".join(row[0] for row in rows)
        assert "Seq Scan" not in plan, name
        assert "Function Scan" not in plan, f"{name}: its input is stored before it is read"
        assert {"saga_listing_definition", "wakeup_due"}.isdisjoint(plan.split()), f"{name}: one row is found by its key"
        assert "Index" in plan or "Conflict" in plan or name.startswith(("INSERT", "NEW")), name
    await connection.close()


async def test_an_upgrade_again_changes_nothing(store: Store, store_url: str) -> None:
    before = await store.meta()
    assert await store.upgrade() == revisions.head()
    assert await store.meta() == before


async def test_concurrent_upgrades_wait_for_each_other(database_url: str) -> None:
    reached = await asyncio.gather(*(open_store(database_url).upgrade() for _ in range(4)))
    assert set(reached) == {revisions.head()}
    assert await by_hand(database_url, "SELECT count(*) FROM meta") == [(1,)]


async def test_an_empty_postgres_is_refused_and_the_way_out_named(database_url: str) -> None:
    with pytest.raises(SchemaTooOld, match="saga db upgrade"):
        await open_store(database_url).start()


async def test_sqlite_upgrades_itself_at_start(sqlite_url: str) -> None:
    store = open_store(sqlite_url)
    await store.start()
    assert (await store.meta()).schema_rev == revisions.head()
    await store.stop()


async def test_a_database_of_a_newer_release_is_refused(store: Store, store_url: str) -> None:
    await store.stop()
    await by_hand(store_url, f"UPDATE {revisions.VERSION_TABLE} SET version_num = '9999'")
    again = open_store(store_url)
    with pytest.raises(SchemaTooOld, match="this release is older than the database"):
        await again.start()
    with pytest.raises(SchemaTooOld, match="this release is older than the database"):
        await again.upgrade()


async def test_a_database_on_a_newer_feature_level_is_refused(store: Store, store_url: str) -> None:
    await store.stop()
    await by_hand(store_url, "UPDATE meta SET feature_level = 99")
    with pytest.raises(SchemaTooOld, match="feature level"):
        await open_store(store_url).start()


async def test_a_database_without_its_meta_row_is_refused_at_start(database_url: str) -> None:
    store = open_store(database_url)
    await store.upgrade()
    await by_hand(database_url, "DELETE FROM meta")
    with pytest.raises(SchemaTooOld, match="saga db upgrade"):
        await store.start()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite:///a.db",
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///:memory:",
        "sqlite+aiosqlite:///a.db?mode=ro",
        "postgresql://h/d",
        "postgresql+psycopg://h/d",
        "postgresql+asyncpg://h",
        "mysql+aiomysql://h/d",
        "not a url",
    ],
)
def test_another_url_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(ValueError, match="give sqlite\\+aiosqlite:///") as refused:
        open_store(url)
    assert "\n" not in str(refused.value)
