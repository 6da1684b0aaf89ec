"""After a pause its sagas are woken page by page, whatever happens between two pages."""

from __future__ import annotations

from uuid import UUID

import pytest

from saga_coordinator.loops.lookout import Lookout
from saga_coordinator.loops.resuming import ResumeLoop
from saga_coordinator.pauses.known import SCOPES
from saga_coordinator.pauses.stored import HEARD_WITHIN_US, Waking, read
from saga_coordinator.store.pause_port import PauseScope
from saga_coordinator.store.port import Store, StoreError
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.wiring import Instance
from saga_messaging.clock import SystemClock
from saga_messaging.memory import MemoryBroker
from support.coordinators import opened, register, running, settings_for, start
from support.scripted import catalog_of

DEFINITION = """
saga: trip
version: 1
input: t.Input
steps:
  - {name: hotel, participant: hotel, command: t.Do, compensation: none}
"""
PAGE = 2


def resuming(instance: Instance, store: Store) -> ResumeLoop:
    coordinator = instance.coordinator
    return ResumeLoop(
        store=store,
        lookout=Lookout(store, "default", SCOPES, SystemClock()),
        committer=coordinator._operating._committer,
        loader=coordinator._operating._loader,
        definitions=coordinator.definitions,
        tenant="default",
        clock=SystemClock(),
        instruments=Instruments(),
        page=PAGE,
    )


async def waking(store: Store) -> Waking | None:
    (row,) = await store.pause_rows("default")
    return read(row.value).waking


async def due(store: Store) -> set[UUID]:
    return set(await store.due(100))


@pytest.mark.parametrize(("scope", "name"), [("definition", "trip"), ("participant", "hotel")])
async def test_pages_are_woken_once_each_and_again_when_all_have_heard(
    sqlite_url: str, scope: PauseScope, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, catalog_of("t.Input", "t.Do"))
        async with running(store, MemoryBroker(), settings_for(sqlite_url, roles="api")) as instance:
            acts = instance.coordinator
            await acts.pause_scope(scope, name, "the bank is down", "ada")
            await instance.pauses.begin(store, "default")
            ids = sorted([await start(instance, "trip", {"id": f"o-{n}"}) for n in range(5)])
            loop = resuming(instance, store)
            assert await due(store) == set(), "a held saga is not due"
            assert not await loop.wake_page(scope, name), "nothing is woken while the pause is on"
            await acts.resume_scope(scope, name, "it is back", "ada")

            with monkeypatch.context() as patch:  # a crash before the page is committed
                patch.setattr(type(acts._operating._loader), "open", _breaks)
                with pytest.raises(StoreError):
                    await loop.wake_page(scope, name)
            assert await due(store) == set()

            woken = 0
            while await resuming(instance, store).wake_page(scope, name):
                woken = min(woken + PAGE, len(ids))
                assert await due(store) == set(ids[:woken]), "another instance goes on behind the last page"
            assert woken == len(ids)

            left = await waking(store)
            assert left is not None and left.last_round and left.after is None
            (row,) = await store.pause_rows("default")
            assert left.not_before_us == (read(row.value).intervals[-1].until_us or 0) + HEARD_WITHIN_US
            assert not await loop.wake_page(scope, name), "not before all have heard"


async def _breaks(*_: object) -> None:
    raise StoreError("the connection is gone")
