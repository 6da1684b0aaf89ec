"""The same record begins the same saga whenever it is read, unless that may do harm."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from saga_coordinator.starts.identities import Allowed, Identified, StartedBy, identified, restored_at_ms
from saga_coordinator.starts.preparation import Identity
from saga_coordinator.store.port import StartIds
from saga_coordinator.store.recovery import EPOCH_US
from saga_schemas.ids import started_id

NOON_MS = 1_790_000_000_000
ALLOWED = Allowed(from_ms=NOON_MS - 1000, until_ms=NOON_MS + 1000, again_until_ms=NOON_MS - 500)
NOTHING = StartIds(now_us=NOON_MS * 1000, starts_from_ms=0, removed_until_ms=0, taken=frozenset(), adopted=frozenset())


def start(at_ms: int = NOON_MS, message_id: str = "o-17") -> StartedBy:
    return StartedBy(timestamp_ms=at_ms, tenant="default", source="/shop", message_id=message_id)


def id_of(one: StartedBy) -> UUID:
    return started_id(one.timestamp_ms, "default", "/shop", one.message_id)


def found(*starts: StartedBy, **known: Any) -> list[Identified]:
    ids = [id_of(one) if one.timestamp_ms > 0 else None for one in starts]
    held = StartIds(
        **{
            name: known.get(name, getattr(NOTHING, name))
            for name in ("now_us", "starts_from_ms", "removed_until_ms", "taken", "adopted")
        }
    )
    return identified(starts, ids, held, ALLOWED)


def test_a_record_gives_its_saga_its_id() -> None:
    assert found(start()) == [Identified(identity=Identity(id_of(start()), recovered=False))]


def test_a_saga_that_may_have_begun_before_the_restore_is_taken_for_one() -> None:
    before = start(ALLOWED.again_until_ms)
    assert found(before) == [Identified(identity=Identity(id_of(before), recovered=True))]


@pytest.mark.parametrize("at_ms", [-1, 0, ALLOWED.from_ms - 1, ALLOWED.until_ms + 1])
def test_a_time_that_is_none_or_past_the_horizon_or_to_come_gives_a_new_id(at_ms: int) -> None:
    assert found(start(at_ms)) == [Identified()]


def test_an_id_that_is_taken_gives_a_new_one() -> None:
    assert found(start(), taken=frozenset({id_of(start())})) == [Identified()]


def test_of_two_records_with_one_id_the_first_has_it() -> None:
    assert found(start(), start(), start(message_id="o-18")) == [
        Identified(identity=Identity(id_of(start()))),
        Identified(),
        Identified(identity=Identity(id_of(start(message_id="o-18")))),
    ]


def test_the_start_of_a_saga_that_a_person_adopted_is_known_as_its_start() -> None:
    assert found(start(), adopted=frozenset({id_of(start())})) == [Identified(adopted=id_of(start()))]


def test_an_incarnation_is_the_time_of_its_restore() -> None:
    epoch_ms = EPOCH_US // 1000
    assert restored_at_ms(1) < NOON_MS < restored_at_ms((NOON_MS - epoch_ms) // 1000)
