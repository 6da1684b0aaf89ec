"""No record of `saga.start` takes the place of a tick or of a restart: their sources are the
coordinator's own."""

from __future__ import annotations

from dataclasses import replace

from saga_coordinator.store.removal_port import OWN_SOURCES
from saga_messaging.broker import Outgoing
from saga_messaging.memory import MemoryBroker
from support.coordinators import opened, register, running, settings_for
from support.orders import until
from support.start_records import CATALOG, DEFINITION, has_letters, keys_started, send, start_record


def said_by(source: str) -> Outgoing:
    record = start_record(f"settlement@{source}", source)
    headers = tuple((name, source.encode() if name == "ce_source" else value) for name, value in record.headers)
    return replace(record, headers=headers)


async def test_a_start_under_a_source_of_ours_is_a_dead_letter(sqlite_url: str) -> None:
    assert {"restart", "schedule"} == OWN_SOURCES
    broker = MemoryBroker()
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, CATALOG)
        async with running(store, broker, settings_for(sqlite_url, roles="starts,watchdog")):
            await send(broker, *(said_by(source) for source in sorted(OWN_SOURCES)), start_record("good", "k-1"))
            await until(lambda: has_letters(store, 2), 20, "two dead letters")

            async def started() -> bool:
                return await keys_started(store) == {"k-1"}

            await until(started, 20, "the saga of the good start")
            letters = await store.dead_letters(before=None, limit=9)
            assert {letter.reason for letter in letters} == {"header_invalid"}
            assert all("ce_source: " in letter.detail for letter in letters)
