"""`saga db copy`: an installation moves to another database, sagas open in the middle included, and
they finish there."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import create_async_engine

from contract.store_rows import by_hand
from saga_coordinator.store import schema
from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import Store, StoreBusy
from saga_coordinator.store.store_copy import Copied, CopyRefused, copy_store
from saga_coordinator.wiring import Instance
from saga_messaging.background import end
from saga_messaging.memory import MemoryBroker
from saga_schemas.outcomes import Kind, Outcome
from support.coordinators import closed, opened, register, running, settings_for, start
from support.orders import until
from support.scripted import DONE, UNDONE, Answer, Script, ScriptedParticipant
from support.two_steps import CATALOG, DEFINITION

NO = Answer(outcome=Outcome.REJECTED, code="no", message="n\0")


def script(*, silent_on: str | None = None, no_to: str | None = None) -> Script:
    """Says yes, but to steps of these names; compensations are answered where actions are."""
    return lambda command: (
        []
        if command.step == silent_on
        else [UNDONE]
        if command.kind is Kind.COMPENSATION
        else [NO]
        if command.step == no_to
        else [DONE]
    )


@asynccontextmanager
async def serving(store: Store, broker: MemoryBroker, url: str, **more: object) -> AsyncIterator[Instance]:
    async with running(store, broker, settings_for(url, **more)) as instance:
        yield instance


async def filled(url: str, broker: MemoryBroker, participant: ScriptedParticipant, **more: object) -> dict[str, UUID]:
    """A store with a finished saga, one undone, one that waits in its middle, and one that waits on
    its way back."""
    async with opened(url) as store:
        await register(store, DEFINITION, CATALOG)
        async with serving(store, broker, url, **more) as instance:

            async def one(key: str, answers: Script) -> UUID:
                participant.script = answers
                return await start(instance, "moved", {"id": key}, key)

            done = await one("done", script())
            assert await closed(instance, done) == "COMPLETED"
            undone = await one("undone", script(no_to="two"))
            assert await closed(instance, undone) == "COMPENSATED"
            middle = await one("middle", script(silent_on="two"))
            back = await one("back", script(silent_on="two"))

            async def both_wait() -> bool:
                asked = {command.saga_id for command, _ in participant.seen if command.step == "two"}
                return {middle, back} <= asked

            await until(both_wait, 20, "two sagas in their middle")
            participant.script = script(silent_on="one", no_to="two")
            await instance.coordinator.cancel(back, "moved while it goes back", "test")
    return {"done": done, "undone": undone, "middle": middle, "back": back}


async def counts(url: str) -> dict[str, int]:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        found = {
            table.name: (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for table in schema.metadata.sorted_tables
        }
    await engine.dispose()
    return found


def the_other(url: str, postgres_url: Callable[[], str], tmp_path: object) -> str:
    return postgres_url() if url.startswith("sqlite") else f"sqlite+aiosqlite:///{tmp_path}/moved.sqlite"


@pytest.mark.parametrize("source", ["sqlite_url", "database_url"])
async def test_sagas_open_in_the_middle_finish_on_the_other_database(
    source: str, request: pytest.FixtureRequest, postgres_url: Callable[[], str], tmp_path: object
) -> None:
    url = str(request.getfixturevalue(source))
    other = the_other(url, postgres_url, tmp_path)
    broker, keys = MemoryBroker(), {} if url.startswith("postgres") else {"token_keys": None}
    participant = ScriptedParticipant(broker, "one")
    answering = asyncio.create_task(participant.run())
    ids = await filled(url, broker, participant, **keys)
    before = await counts(url)

    copied = await copy_store(url, other)

    assert copied.rows == {name: rows for name, rows in before.items() if name not in ("instance", "meta")}
    assert await counts(other) == before | {"instance": 0}
    participant.script = script()
    async with opened(other) as store, serving(store, broker, other, **keys_of(copied)) as instance:
        assert await closed(instance, ids["middle"]) == "COMPLETED"
        assert await closed(instance, ids["back"]) == "COMPENSATED"
        assert await start(instance, "moved", {"id": "done"}, "done") == ids["done"], "request ids and keys came along"
        assert await closed(instance, await start(instance, "moved", {"id": "new"})) == "COMPLETED"
        await register(store, DEFINITION.replace("version: 1", "version: 2"), CATALOG)
        assert await store.dead_letters(before=None, limit=10) == []
        assert (await store.figures()).inbox == 0
    await end((answering,))


def keys_of(copied: Copied) -> dict[str, object]:
    if copied.token_key is None:
        return {}
    return {"token_keys": "embedded:" + base64.b64encode(copied.token_key).decode()}


async def test_what_only_sqlite_takes_comes_along_as_postgresql_takes_it(sqlite_url: str, database_url: str) -> None:
    async with opened(sqlite_url):
        pass
    engine = create_async_engine(sqlite_url)
    async with engine.begin() as connection:
        row = {"tenant": "default", "act": "cancel", "target": "t", "who": "w", "why": "n\0 way", "at": 1}
        await connection.execute(insert(schema.audit), row)
    await engine.dispose()
    await copy_store(sqlite_url, database_url)
    assert [tuple(row) for row in await by_hand(database_url, "SELECT why FROM audit")] == [("n\ufffd way",)]


async def test_a_store_that_is_served_is_not_copied(sqlite_url: str, postgres_url: Callable[[], str]) -> None:
    served, empty = postgres_url(), postgres_url()
    async with opened(sqlite_url):
        with pytest.raises(StoreBusy):
            await copy_store(sqlite_url, empty)
    async with opened(served):
        with pytest.raises(CopyRefused, match="coordinators are connected to the source"):
            await copy_store(served, empty)
        with pytest.raises(CopyRefused, match="coordinators are connected to the target"):
            await copy_store(sqlite_url, served)


async def test_a_target_with_rows_is_refused_and_left_as_it_was(sqlite_url: str, database_url: str) -> None:
    for url in (sqlite_url, database_url):
        async with opened(url) as store:
            await register(store, DEFINITION, CATALOG)
    before = await counts(database_url)
    with pytest.raises(CopyRefused, match="not empty"):
        await copy_store(sqlite_url, database_url)
    assert await counts(database_url) == before


async def test_a_copy_that_fails_in_its_middle_leaves_the_target_empty(sqlite_url: str, database_url: str) -> None:
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, CATALOG)
    await open_store(database_url).upgrade()
    before = await counts(database_url)

    def fails(table: str, done: int, total: int) -> None:
        if table == "schema" and done:
            raise KeyError("pulled out")

    with pytest.raises(KeyError):
        await copy_store(sqlite_url, database_url, fails)
    assert await counts(database_url) == before
    assert (await copy_store(sqlite_url, database_url)).rows["definition"] == 1


async def test_a_database_and_itself_or_nothing_at_all_are_refused(sqlite_url: str, database_url: str) -> None:
    with pytest.raises(CopyRefused, match="one database"):
        await copy_store(database_url, database_url)
    with pytest.raises(CopyRefused, match="does not exist"):
        await copy_store(sqlite_url, database_url)
    with pytest.raises(CopyRefused, match="saga db upgrade"):
        await copy_store(database_url, sqlite_url)
