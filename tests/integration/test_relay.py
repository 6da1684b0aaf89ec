"""What a commit caused leaves, whatever happens between the commit and the broker; and never before
the commit is known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from saga_coordinator import failures
from saga_coordinator.loops import sweeper, watchdog
from saga_coordinator.store.port import CommitUnknown, First, Store, StoreError, Transaction
from saga_messaging.background import end
from saga_messaging.broker import Outgoing
from saga_messaging.memory import MemoryBroker
from support.coordinators import closed, journal_of, opened, register, running, settings_for, start
from support.scripted import ScriptedParticipant, catalog_of, until

DEFINITION = """
saga: pair
version: 1
input: t.Input
steps:
  - {name: one, participant: one, command: t.Do, compensation: none, timeout: {reask: 500ms}}
  - {name: two, participant: one, command: t.Do, compensation: none, timeout: {reask: 500ms}}
"""
CATALOG = catalog_of("t.Input", "t.Do")


@asynccontextmanager
async def answering(participant: ScriptedParticipant) -> AsyncIterator[None]:
    task = asyncio.create_task(participant.run())
    try:
        yield
    finally:
        await end((task,))


async def test_an_outage_of_the_broker_after_the_commit_loses_nothing(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "OLDER_THAN_US", 300_000)
    broker = MemoryBroker()
    one = ScriptedParticipant(broker, "one")
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, CATALOG)
        async with running(store, broker, settings_for(sqlite_url)) as instance, answering(one):
            broker.faults.lose = 3  # the Sender gives up on this producer; the row stays
            ids = [await start(instance, "pair", {"id": str(n)}) for n in range(5)]
            assert {await closed(instance, saga_id) for saga_id in ids} == {"COMPLETED"}
        async with running(store, broker, settings_for(sqlite_url)) as instance:
            for _ in range(100):
                if (await store.figures()).outbox_depth == 0:
                    break
                await asyncio.sleep(0.1)
            assert (await store.figures()).outbox_depth == 0


async def test_a_process_that_dies_between_commit_and_send_leaves_its_rows_to_the_sweeper(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "OLDER_THAN_US", 300_000)
    broker = MemoryBroker()
    one = ScriptedParticipant(broker, "one")
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION.replace("500ms", "10m"), CATALOG)
        async with running(store, broker, settings_for(sqlite_url)) as instance:
            instance.sender.offer = lambda items: 0  # type: ignore[method-assign]
            saga_id = await start(instance, "pair", {"id": "x"})
        assert broker.records("saga.cmd.one") == []
        async with running(store, broker, settings_for(sqlite_url)) as instance, answering(one):
            assert await closed(instance, saga_id) == "COMPLETED"
        assert [command.attempt for command, _ in one.seen] == [1, 1], "the very commands of the journal, none decided anew"


async def test_an_outage_holds_no_row_back_once_the_broker_is_there_again(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "OLDER_THAN_US", 300_000)
    monkeypatch.setattr(failures, "FIRST_PAUSE_S", 600.0)
    broker = MemoryBroker()
    one = ScriptedParticipant(broker, "one")
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION.replace("500ms", "10m"), CATALOG)
        async with running(store, broker, settings_for(sqlite_url)) as instance, answering(one):
            instance.sender.offer = lambda items: 0  # type: ignore[method-assign]
            broker.faults.lose = 3
            saga_id = await start(instance, "pair", {"id": "x"})
            await until(lambda: broker.faults.lose == 0)
            assert await closed(instance, saga_id) == "COMPLETED"


async def test_topics_deleted_in_the_middle_are_made_again_and_every_saga_ends(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "EVERY_S", 0.2)
    broker = MemoryBroker()
    one = ScriptedParticipant(broker, "one")
    one.answering = False
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, CATALOG)
        async with running(store, broker, settings_for(sqlite_url)) as instance, answering(one):
            ids = [await start(instance, "pair", {"id": str(n)}) for n in range(10)]
            await until(lambda: len(one.seen) >= 10)
            await broker.delete_topics(["saga.cmd.one", "saga.reply.one", "saga.events", "saga.start"])
            one.answering = True
            assert {await closed(instance, saga_id) for saga_id in ids} == {"COMPLETED"}


async def test_a_record_nobody_can_read_becomes_a_dead_letter_and_the_next_one_is_applied(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "EVERY_S", 0.2)
    broker = MemoryBroker()
    one = ScriptedParticipant(broker, "one")
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, CATALOG)
        async with running(store, broker, settings_for(sqlite_url)) as instance, answering(one):
            producer = broker.producer()
            for topic in ("saga.reply.one", "saga.start"):
                await producer.send_all(
                    [Outgoing(topic=topic, key=b"\xff", value=b"\x00bad", headers=(("a", b"\xff"),))], timeout_s=1
                )
            saga_id = await start(instance, "pair", {"id": "x"})
            assert await closed(instance, saga_id) == "COMPLETED"
            await until(lambda: len(broker.records("saga.dlq.replies")) == 1 and len(broker.records("saga.dlq.starts")) == 1)
            async with asyncio.timeout(20):  # sent comes before noted as sent
                while await store.unrelayed_dead_letters(after=None, limit=10):  # noqa: ASYNC110 - a row has no event
                    await asyncio.sleep(0.05)
        letters = await store.dead_letters(before=None, limit=10)
        assert {(letter.consumer, letter.reason, letter.relayed) for letter in letters} == {
            ("replies", "header_missing", True),
            ("starts", "header_missing", True),
        }


class AmbiguousOnce:
    """A store whose next commit is not known to have happened: it did (`took_effect`), or it did
    not."""

    def __init__(self, store: Store, *, took_effect: bool) -> None:
        self._store = store
        self._took_effect = took_effect
        self.armed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @asynccontextmanager
    async def transaction(self, first: First | None = None) -> AsyncIterator[Transaction]:
        strike = self.armed
        try:
            async with self._store.transaction(first) as tx:
                yield tx
                if strike and not self._took_effect:
                    raise StoreError("rolled back")
        except StoreError:
            if strike and not self._took_effect:
                self.armed = False
                raise CommitUnknown("the connection was lost while committing") from None
            raise
        if strike:
            self.armed = False
            raise CommitUnknown("the connection was lost while committing")


@pytest.mark.parametrize("took_effect", [True, False])
async def test_nothing_is_sent_before_an_ambiguous_commit_is_known(sqlite_url: str, took_effect: bool) -> None:
    broker = MemoryBroker()
    one = ScriptedParticipant(broker, "one")
    async with opened(sqlite_url) as real:
        await register(real, DEFINITION.replace("500ms", "10m"), CATALOG)
        store = AmbiguousOnce(real, took_effect=took_effect)
        async with running(store, broker, settings_for(sqlite_url)) as instance, answering(one):
            saga_id = await start(instance, "pair", {"id": "before"})
            assert await closed(instance, saga_id) == "COMPLETED"
            store.armed = True
            if took_effect:
                saga_id = await start(instance, "pair", {"id": "x"}, request_id="r")
            else:
                with pytest.raises(StoreError):
                    await start(instance, "pair", {"id": "x"}, request_id="r")
                assert len(broker.records("saga.cmd.one")) == 2
                saga_id = await start(instance, "pair", {"id": "x"}, request_id="r")
            assert await closed(instance, saga_id) == "COMPLETED"
            assert [record.version for record, _ in await journal_of(real, saga_id)] == [1, 2, 3]
