"""Effects whose saga is here again are the saga's, where its definition has their step."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast
from uuid import UUID

from saga_coordinator.definitions import CompiledDefinition, compile_definition, lint
from saga_coordinator.registry.definition_cache import DefinitionMissing
from saga_coordinator.store.port import LostEffect
from saga_coordinator.sweep.owned import OwnedEffects
from saga_schemas.ids import uuid7
from support.two_steps import CATALOG, DEFINITION

COMPILED: CompiledDefinition = compile_definition(lint(DEFINITION, "two", CATALOG).required(), CATALOG)
SAGA = uuid7(1_790_000_000_000_000, bytes(10))


def effect(step: str, participant: str = "one") -> LostEffect:
    return LostEffect(
        saga_id=SAGA, step=step, participant=participant, run=1, state="DONE", beside=False, found_at_us=1, status="open"
    )


@dataclass
class Listed:
    """A store with these effects of one saga, which is here; and its definitions."""

    effects: list[LostEffect]
    acted: dict[str, LostEffect] = field(default_factory=dict)
    """What somebody made of one meanwhile, by step."""
    missing: bool = False
    now_us: int = 9

    async def get(self, _: int) -> CompiledDefinition:
        if self.missing:
            raise DefinitionMissing("gone")
        return COMPILED

    async def open_beside_sagas(self, _: str) -> list[tuple[LostEffect, int]]:
        return [(one, 1) for one in self.effects]

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        yield self

    async def lost_of(self, _: str, saga_id: UUID) -> list[LostEffect]:
        return [self.acted.get(one.step, one) for one in self.effects if one.saga_id == saga_id]

    async def settle_lost(self, before: LostEffect, after: LostEffect) -> None:
        self.effects = [after if one == before else one for one in self.effects]

    async def noted(self) -> list[tuple[str, bool]]:
        await OwnedEffects(cast(Any, self), cast(Any, self), "default").note()
        return [(one.status, one.beside) for one in self.effects]


async def test_an_effect_of_one_of_its_steps_is_the_sagas() -> None:
    assert await Listed([effect("one")]).noted() == [("adopted", False)]


async def test_one_of_no_step_of_its_definition_stays_on_the_list_beside_it() -> None:
    assert await Listed([effect("three"), effect("one", "two")]).noted() == [("open", True), ("open", True)]


async def test_a_saga_whose_definition_cannot_be_read_owns_what_it_may_have_done() -> None:
    assert await Listed([effect("three")], missing=True).noted() == [("adopted", False)]


async def test_what_somebody_acted_on_meanwhile_stays_as_they_left_it() -> None:
    kept = replace(effect("one"), status="kept", settled_at_us=3)
    assert await Listed([effect("one")], acted={"one": kept}).noted() == [("open", False)]
