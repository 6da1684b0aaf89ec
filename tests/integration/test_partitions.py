"""Partitions in a running coordinator: it makes them ahead, and says what stands in the way."""

from __future__ import annotations

from structlog.testing import capture_logs

from contract.store_rows import by_hand
from saga_coordinator.retention.periods import AHEAD_US
from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import Store
from saga_messaging.memory import MemoryBroker
from support.coordinators import opened, running, settings_for
from support.scripted import eventually


async def ends_ahead(store: Store) -> bool:
    """Whether partitions reach as far as they should."""
    now_us = await store.now_us()
    async with store.partitions() as partitions:
        found = [] if partitions is None else await partitions.all()
    return max((one.period.until_us for one in found if one.period), default=0) >= now_us + AHEAD_US["week"]


async def test_a_running_coordinator_makes_partitions_ahead(database_url: str) -> None:
    async with opened(database_url) as store:
        settings = settings_for(database_url, store_partitions="week")
        async with running(store, MemoryBroker(), settings) as instance:

            async def shown() -> bool:
                return (instance.coordinator.instruments.registry.get_sample_value("saga_partitions") or 0) >= 5

            await eventually(shown)
        assert await ends_ahead(store)  # not while it runs: whoever looks has the lock that its loop needs


async def test_a_user_who_does_not_own_the_journal_is_told(database_url: str) -> None:
    """The role's name is a database's own: tests share a server."""
    role = database_url.rpartition("/")[2]
    await open_store(database_url).upgrade()
    await by_hand(
        database_url,
        f"CREATE ROLE {role} LOGIN",
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}",
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}",
    )
    try:
        url = database_url.replace("://postgres@", f"://{role}@")
        async with opened(url) as store:
            with capture_logs() as lines:
                async with running(store, MemoryBroker(), settings_for(url)):

                    async def told() -> bool:
                        return any(line["event"] == "partitions_wait" for line in lines)

                    await eventually(told)
        (error,) = [line["error"] for line in lines if line["event"] == "partitions_wait"]
        assert "must be owner of table journal" in error
    finally:
        await by_hand(database_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
