"""Sagas that wait for their start time, on both databases: listed, counted, looked at, and no
obstacle to the horizon. And a store of before there were any."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, insert, select, text
from sqlalchemy.exc import IntegrityError

from contract.store_rows import move, register, row_of, save, start
from saga_coordinator.query import parse
from saga_coordinator.store import revisions, schema
from saga_coordinator.store.identifiers import first_id
from saga_coordinator.store.identifiers import new_id as id_of
from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import ListFilter, Store
from support.horizons import horizon_at

SCHEDULED = "0013"
"""The revision with the phase."""
T_MS = 1_700_000_000_000
WAITS, RUNS = UUID(int=first_id((T_MS - 2) * 1000).int), UUID(int=first_id((T_MS - 1) * 1000).int)
MONTHS_US = 8_000_000_000_000


async def test_it_is_listed_with_its_time_which_follows_its_wake_up(store: Store) -> None:
    definition, at_us = await register(store), await store.now_us() + MONTHS_US
    waits = row_of(definition, id=WAITS, phase="SCHEDULED", wake_at_us=at_us)
    await start(store, waits, row_of(definition, id=RUNS, wake_at_us=at_us))

    async def begins(query: str) -> list[tuple[UUID, int | None]]:
        found, _ = await store.list_sagas(ListFilter(tenant="default", query=parse(query)))
        return [(one.id, one.begins_at_us) for one in found]

    assert await begins("open") == [(RUNS, None), (WAITS, at_us)]
    assert await begins("phase = SCHEDULED") == await begins("begins > now") == [(WAITS, at_us)]
    assert await begins("begins is null") == [(RUNS, None)]
    assert (await store.figures()).sagas_by_phase == {("order", "SCHEDULED"): 1, ("order", "RUNNING"): 1}
    assert await store.open_saga_ids("default", 9) == [RUNS], "whom open sagas wait for is asked of those that have begun"

    await save(store, move(waits, wake_at_us=at_us + 1))
    assert await begins("phase = SCHEDULED") == [(WAITS, at_us + 1)]
    assert await store.due(9) == []


async def test_one_that_waits_for_months_is_an_exception_of_the_horizon_and_holds_nothing_back(store: Store) -> None:
    at_us = await store.now_us() + MONTHS_US
    await start(store, row_of(await register(store), id=WAITS, phase="SCHEDULED", wake_at_us=at_us))

    raised = await horizon_at(store, T_MS, ended_before_us=T_MS * 1000)

    assert (raised.below_ms, raised.exceptions, raised.held_back) == (T_MS, 1, False)
    assert not (await store.horizon("default")).lets_go(WAITS), "its participants remember that it may still ask them"


async def test_a_store_of_before_takes_such_sagas_once_it_is_upgraded_and_keeps_its_own(tmp_path: Path) -> None:
    before = revisions.known()[revisions.known().index(SCHEDULED) - 1]
    engine = create_engine(f"sqlite:///{tmp_path / 'old.sqlite'}", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        config = Config()
        config.set_main_option("script_location", "saga_coordinator:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, before)
        old = {column.name: None for column in schema.saga.c} | {
            "id": id_of(1),
            "tenant": "default",
            "definition_id": 1,
            "trace_id": "4" * 32,
            "trace_flags": 0,
            "started_at": 1,
            "incarnation": 1,
            "engine_rev": 1,
            "phase": "RUNNING",
            "wake_at": 1,
            "state_format": 1,
            "state_version": 1,
            "max_expiry": 0,
            "version": 1,
            "facts_print": 0,
            "state": b"{}",
        }
        connection.execute(insert(schema.saga), old)
        with pytest.raises(IntegrityError, match="saga_phase"):
            connection.execute(insert(schema.saga), old | {"id": id_of(2), "phase": "SCHEDULED"})
    engine.dispose()
    store = open_store(f"sqlite+aiosqlite:///{tmp_path / 'old.sqlite'}")
    await store.upgrade()
    with engine.connect() as connection:
        connection.execute(insert(schema.saga), old | {"id": id_of(2), "phase": "SCHEDULED"})
        with pytest.raises(IntegrityError, match="saga_phase"):
            connection.execute(insert(schema.saga), old | {"id": id_of(3), "phase": "NOWHERE"})
        assert set(connection.execute(select(schema.saga.c.phase)).scalars()) == {"RUNNING", "SCHEDULED"}
        assert connection.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
    engine.dispose()
