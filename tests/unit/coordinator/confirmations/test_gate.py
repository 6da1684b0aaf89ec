"""Acts of two people: who may confirm, until when, and that an act and its confirmation are one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from contract.store_rows import by_hand
from saga_coordinator.confirmations.gate import PENDING_MOST, ConfirmationNeeded, Confirmations, is_same
from saga_coordinator.engine.events import Refused
from saga_coordinator.store.batch_records import CONFIRMED, PENDING
from saga_coordinator.store.port import ConfirmationRow, Store
from support.coordinators import opened

HOUR_US = 3_600_000_000


@pytest.fixture
async def store(sqlite_url: str) -> AsyncIterator[Store]:
    async with opened(sqlite_url) as opened_store:
        yield opened_store


def gate(store: Store, *acts: str, within_us: int = HOUR_US) -> Confirmations:
    return Confirmations(store, "default", acts, within_us)


async def asked(of: Confirmations, who: str = "ada", target: str = "step charge of o-17") -> ConfirmationRow:
    with pytest.raises(ConfirmationNeeded) as needed:
        await of.ask("waive", target, {"step": "charge"}, who=who, why="refunded")
    return needed.value.confirmation


async def code(refusing: object) -> str:
    with pytest.raises(Refused) as refused:
        await refusing  # type: ignore[misc]
    return refused.value.code


def test_an_act_needs_a_second_person_if_any_of_its_names_does(store: Store) -> None:
    assert gate(store, "terminate").needed("batch", "terminate")
    assert not gate(store, "terminate").needed("batch", "cancel")
    assert not gate(store).needed("waive")


async def test_somebody_else_confirms_and_then_nobody_again(store: Store) -> None:
    of = gate(store, "waive")
    waiting = await asked(of)
    found = await of.confirmable(waiting.id, "bob")
    async with store.transaction() as tx:
        await of.settling(found, "bob", "I saw the receipt")(tx)
    after = await of.one(waiting.id)
    assert (after.status, after.settled_by, after.settled_why) == (CONFIRMED, "bob", "I saw the receipt")
    assert await code(of.confirmable(waiting.id, "carol")) == "confirmation_over"
    assert await code(of.refuse(waiting.id, who="carol", why="late")) == "confirmation_over"


@pytest.mark.parametrize("name", ["ada", "Ada", " ADA ", "ａｄａ"])
async def test_whoever_asked_does_not_confirm_however_they_write_their_name(store: Store, name: str) -> None:
    of = gate(store, "waive")
    waiting = await asked(of)
    assert await code(of.confirmable(waiting.id, name)) == "same_actor"
    assert is_same("ada", name)


async def test_nobody_in_particular_neither_asks_nor_confirms(store: Store) -> None:
    of = gate(store, "waive")
    assert await code(of.ask("waive", "x", {}, who="anonymous", why="-")) == "actor_needed"
    waiting = await asked(of)
    assert await code(of.confirmable(waiting.id, "Anonymous")) == "actor_needed"
    assert await code(of.refuse(waiting.id, who="anonymous", why="-")) == "actor_needed"


async def test_an_act_that_fails_leaves_its_confirmation_waiting(store: Store) -> None:
    of = gate(store, "waive")
    waiting = await asked(of)

    async def act() -> None:
        async with store.transaction() as tx:
            await of.settling(waiting, "bob", "-")(tx)
            raise RuntimeError("the act is refused")

    with pytest.raises(RuntimeError):
        await act()
    assert (await of.one(waiting.id)).status == PENDING


async def test_of_two_who_confirm_at_once_one_does(store: Store) -> None:
    of = gate(store, "waive")
    waiting = await asked(of)
    settles = [of.settling(await of.confirmable(waiting.id, who), who, "-") for who in ("bob", "carol")]
    async with store.transaction() as tx:
        await settles[0](tx)
    with pytest.raises(Refused):
        async with store.transaction() as tx:
            await settles[1](tx)


async def test_its_time_is_over(store: Store) -> None:
    of = gate(store, "waive", within_us=0)
    waiting = await asked(of)
    assert await code(of.confirmable(waiting.id, "bob")) == "confirmation_over"
    assert await of.newest(pending=True, before=None, limit=9) == []


async def test_whoever_asked_may_take_it_back(store: Store) -> None:
    of = gate(store, "waive")
    waiting = await asked(of)
    assert (await of.refuse(waiting.id, who="ada", why="my mistake")).settled_by == "ada"


async def test_asking_again_is_the_same_wait(store: Store) -> None:
    of = gate(store, "waive")
    assert (await asked(of)).id == (await asked(of)).id


async def test_everything_is_audited(store: Store, sqlite_url: str) -> None:
    of = gate(store, "waive")
    waiting = await asked(of)
    await asked(of)
    await of.refuse(waiting.id, who="bob", why="the bank says otherwise")
    acts = await by_hand(sqlite_url, "SELECT act, who, why, target FROM audit ORDER BY id")
    target = f"step charge of o-17 (confirmation {waiting.id})"
    assert [tuple(act) for act in acts] == [
        ("ask for waive", "ada", "refunded", target),
        ("refuse waive", "bob", "the bank says otherwise", target),
    ]


async def test_only_so_many_wait(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saga_coordinator.confirmations.gate.PENDING_MOST", 2)
    of = gate(store, "waive")
    await asked(of, target="1")
    await asked(of, target="2")
    assert await code(of.ask("waive", "3", {}, who="ada", why="-")) == "confirmations_full"
    assert PENDING_MOST == 1_000
