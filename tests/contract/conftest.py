"""The store under test, on each database."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from saga_cli.dev.services import Postgres
from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import Store
from saga_coordinator.store.schema import metadata

from .store_rows import by_hand


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
    await opened.upgrade()
    if opened.dialect == "postgresql":
        emptied = [f'DELETE FROM "{table}"' for table in metadata.tables if table != "meta"]
        await by_hand(store_url, *emptied, "ALTER SEQUENCE definition_id_seq RESTART")
    await opened.start()
    yield opened
    await opened.stop()
