"""The store and the barrier under test, on each database."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from contract.barrier_shop import WAYS, Shop, Way
from contract.store_rows import by_hand
from saga_cli.dev.services import Postgres
from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import Store
from saga_coordinator.store.schema import metadata
from support.fresh_stores import prepare


@pytest.fixture(scope="session")
def kept_database(postgres_service: Postgres) -> Iterator[str]:
    """A migrated PostgreSQL database for many tests: making one takes longer than most of them."""
    name = f"test_store_{uuid.uuid4().hex[:16]}"
    url = postgres_service.create_database(name)
    asyncio.run(open_store(url).upgrade())
    yield url
    postgres_service.drop_database(name)


@pytest.fixture(params=["sqlite_url", "kept_database"])
def store_url(request: pytest.FixtureRequest) -> str:
    """URL of the database under test. Modules that spoil the schema have their own."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """A started store on a database without rows (but its `meta`)."""
    opened = open_store(store_url)
    await prepare(store_url)
    await opened.upgrade()
    if opened.dialect == "postgresql":
        emptied = [f'DELETE FROM "{table}"' for table in metadata.tables if table != "meta"]
        await by_hand(store_url, *emptied, "ALTER SEQUENCE definition_id_seq RESTART")
    await opened.start()
    yield opened
    await opened.stop()


@pytest.fixture(scope="module")
def shared_url(postgres_service: Postgres) -> Iterator[str]:
    """One PostgreSQL database for the module: every test has sagas of its own."""
    name = f"barrier_{uuid.uuid4().hex[:12]}"
    yield postgres_service.create_database(name)
    postgres_service.drop_database(name)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    database, handle, *in_a_group = str(request.param).split()
    url = request.getfixturevalue("sqlite_url" if database == "sqlite" else "shared_url")
    return Way(url, handle, bool(in_a_group))


@pytest.fixture
async def shop(way: Way) -> AsyncIterator[Shop]:
    """A till on SQLite and on PostgreSQL, by each kind of connection a handler may ask for, each
    command alone or in a group.
    """
    made = Shop(way.url, way.handle, way.tester)
    async with made.tester:
        yield made
