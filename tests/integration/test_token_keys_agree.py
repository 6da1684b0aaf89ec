"""Coordinators on one database whose token keys do not go together: said before one of them sends
what another cannot read."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest

from saga_coordinator import server
from saga_coordinator.loops.key_agreement import SCOPE, STALE_US, KeyAgreement, KeysDiffer
from saga_coordinator.settings import Settings
from saga_coordinator.store.port import Store
from saga_messaging.errors import ConfigurationError
from saga_messaging.memory import MemoryBroker
from saga_schemas.token import TokenKeys
from support.coordinators import opened, settings_for

K1, K2, OTHER_K1 = (
    f"{key_id}:{base64.b64encode(fill * 32).decode()}" for key_id, fill in (("k1", b"a"), ("k2", b"b"), ("k1", b"c"))
)


@pytest.fixture
async def store(sqlite_url: str) -> AsyncIterator[Store]:
    async with opened(sqlite_url) as made:
        yield made


def instance(store: Store, keys: str) -> KeyAgreement:
    return KeyAgreement(store, TokenKeys.parse(keys), "default", who="test")


@pytest.mark.parametrize(
    ("alive", "newcomer"),
    [(K1, K1), (f"{K1},{K2}", f"{K2},{K1}"), (f"{K1},{K2}", K1), (f"{K2},{K1}", f"{K1},{K2}")],
    ids=["the same", "rotated", "without the new key, which signs nothing yet", "rotated back"],
)
async def test_lists_that_differ_while_keys_are_changed_go_together(store: Store, alive: str, newcomer: str) -> None:
    await instance(store, alive).say(await store.now_us())
    await instance(store, newcomer).check()
    await instance(store, newcomer).say(await store.now_us())
    await instance(store, alive).say(await store.now_us())


@pytest.mark.parametrize(
    ("alive", "newcomer", "told"),
    [
        (K1, K2, "another instance signs with token key k1, which this one does not have"),
        (K1, OTHER_K1, "another instance signs with token key k1, which this one does not have"),
        (K1, f"{K2},{K1}", "this instance signs with token key k2, which another one does not have"),
        (f"{K2},{K1}", K1, "another instance signs with token key k2, which this one does not have"),
    ],
    ids=["another key", "another key of the same id", "a new key signs before all have it", "an old list beside a new key"],
)
async def test_a_key_that_only_one_of_them_has_and_signs_with_is_named(
    store: Store, alive: str, newcomer: str, told: str
) -> None:
    await instance(store, alive).say(await store.now_us())
    with pytest.raises(KeysDiffer, match=told):
        await instance(store, newcomer).check()


async def test_an_instance_that_is_alive_no_more_holds_nobody_up(store: Store) -> None:
    await instance(store, K1).say(await store.now_us())
    (name,) = await store.control(SCOPE, "default")
    async with store.transaction() as tx:
        said = orjson.loads((await store.control(SCOPE, "default"))[name])
        old = orjson.dumps(said | {"at": tx.now_us - STALE_US - 1}).decode()
        await tx.set_control(scope=SCOPE, tenant="default", name=name, value=old, who="test", why="long ago")
    await instance(store, K2).check()


@pytest.mark.parametrize("value", ["", "{", "null", "[]", '{"at": 1}', '{"at": "soon", "signs": 1, "keys": []}'])
async def test_a_row_that_cannot_be_read_keeps_nobody_from_starting(store: Store, value: str) -> None:
    await instance(store, K1).say(await store.now_us())
    async with store.transaction() as tx:
        await tx.set_control(scope=SCOPE, tenant="default", name="edited", value=value, who="test", why="by hand")
    await instance(store, K1).check()
    with pytest.raises(KeysDiffer):
        await instance(store, K2).check()


async def test_what_is_kept_says_nothing_of_a_key(store: Store) -> None:
    await instance(store, f"{K1},{K2}").say(await store.now_us())
    kept = repr(await store.control(SCOPE, "default"))
    for key in (b"a" * 32, b"b" * 32):
        assert base64.b64encode(key).decode()[:12] not in kept
        assert key.hex()[:12] not in kept


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[None]:
    stop, up = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve(settings, broker=MemoryBroker(), stop=stop, ready=lambda port: up.set()))
        await up.wait()
        yield
        stop.set()


async def test_a_coordinator_whose_keys_do_not_go_with_those_at_work_ends_with_one_line(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_PREDECESSOR_GONE_S", 0.2)
    alive, other = (settings_for(database_url, token_keys=keys) for keys in (K1, K2))
    async with opened(database_url) as store, asyncio.timeout(120), serving(alive):
        while not await store.control(SCOPE, "default"):  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.05)
        with pytest.raises(ConfigurationError, match="another instance signs with token key k1"):
            await server.serve(other, broker=MemoryBroker())
