"""The store under test, on each database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import Store


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """URL of an empty database."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "database_url"))


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """A started store on a fresh database."""
    opened = open_store(store_url)
    await opened.upgrade()
    await opened.start()
    yield opened
    await opened.stop()
