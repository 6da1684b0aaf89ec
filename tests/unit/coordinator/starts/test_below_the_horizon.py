"""A start whose id the horizon has passed takes a new one, and costs no other start its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from saga_coordinator.starts.execution import StartExecution
from saga_coordinator.starts.preparation import Prepared
from saga_coordinator.store.identifiers import first_id
from saga_coordinator.store.port import BelowHorizon, ClaimFirst, StartClaim
from saga_schemas.ids import uuid7_unix_ms
from support.saga_rows import saga_row

FROM_MS = 1_700_000_000_000


def prepared(ms: int, *, recovered: bool = False) -> Prepared:
    saga_id = UUID(int=first_id(ms * 1000).int + 7)
    claim = StartClaim(
        saga_id=saga_id,
        tenant="default",
        source="http",
        request_id=str(ms),
        body_hash=b"",
        definition_name="order",
        business_key=None,
    )
    return Prepared(
        claim=claim,
        row=saga_row(saga_id),
        compiled=cast(Any, None),
        input=b"",
        on_open="return_existing",
        on_closed="reject",
        recovered=recovered,
    )


class Database:
    """A store and a committer that refuse ids below a horizon, which may rise with each look."""

    def __init__(self, *, now_ms: int, rises_ms: int = 0) -> None:
        self.from_ms, self.now_ms, self.rises_ms = FROM_MS, now_ms, rises_ms
        self.tries: list[list[UUID]] = []

    async def now_us(self) -> int:
        return self.now_ms * 1000

    async def horizon(self, tenant: str) -> Any:
        told = SimpleNamespace(starts_from_ms=self.from_ms)
        self.from_ms += self.rises_ms
        return told

    async def apply(self, first: ClaimFirst, fold: Callable[[Any], Awaitable[object]]) -> object:
        self.tries.append([claim.saga_id for claim in first.claims])
        if any(id < first_id(self.from_ms * 1000) for id in self.tries[-1]):
            raise BelowHorizon
        return await fold(None)


async def begun(database: Database, *starts: Prepared) -> list[Prepared]:
    """The starts as they began at last; their order is kept."""
    some: Any = database

    async def fold(_: object, begun: Any) -> list[Prepared]:
        return list(begun)

    return await StartExecution(some, cast(Any, None), some, "default").apply(starts, fold)


async def test_only_those_below_take_new_ids_of_now() -> None:
    database = Database(now_ms=FROM_MS + 5_000)
    late, young = prepared(FROM_MS - 1, recovered=True), prepared(FROM_MS)
    again, same = await begun(database, late, young)
    assert same == young
    assert uuid7_unix_ms(again.claim.saga_id) == FROM_MS + 5_000
    assert again.row.id == again.claim.saga_id
    assert again.claim.request_id == late.claim.request_id
    assert not again.recovered, "a saga of that id has never begun"
    assert len(database.tries) == 2


async def test_where_the_databases_clock_was_set_back_they_begin_at_the_horizon() -> None:
    (again,) = await begun(Database(now_ms=FROM_MS - 9_000), prepared(FROM_MS - 9_000))
    assert uuid7_unix_ms(again.claim.saga_id) == FROM_MS


async def test_a_horizon_that_runs_away_is_not_followed_without_end() -> None:
    database = Database(now_ms=FROM_MS, rises_ms=1_000)
    with pytest.raises(BelowHorizon):
        await begun(database, prepared(FROM_MS - 1))
    assert len(database.tries) == 3
