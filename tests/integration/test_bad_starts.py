"""Records of `saga.start` that start nothing: each is a dead letter, and what comes behind it
starts, on either database."""

from __future__ import annotations

import pytest

from saga_coordinator.wiring import Instance
from saga_messaging.broker import Outgoing
from saga_messaging.memory import MemoryBroker
from saga_schemas.topics import Topics
from support.coordinators import opened, register, running, settings_for
from support.orders import until
from support.start_records import CATALOG, DEFINITION, has_letters, keys_started, send, start_record


@pytest.fixture(params=["sqlite_url", "database_url"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def garbage() -> Outgoing:
    return Outgoing(topic=Topics().start, key=None, value=b"hello", headers=())


async def test_a_poll_without_one_good_start_is_dead_lettered_and_the_next_start_starts(url: str) -> None:
    broker = MemoryBroker()
    async with opened(url) as store:
        await register(store, DEFINITION, CATALOG)
        async with running(store, broker, settings_for(url, roles="starts,watchdog")) as instance:
            await send(broker, garbage())
            await until(lambda: has_letters(store, 1), 20, "a dead letter")
            await send(broker, start_record("good", "k-1"))

            async def started() -> bool:
                return await keys_started(store) == {"k-1"}

            await until(started, 20, "a saga")
            letters = await store.dead_letters(before=None, limit=100)
            assert [letter.value for letter in letters] == [b"hello"]
            assert await well(instance)


async def well(instance: Instance) -> bool:
    return await instance.coordinator.ready() == []
