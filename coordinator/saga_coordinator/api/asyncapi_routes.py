"""`/v1/asyncapi`: what goes over Kafka, as AsyncAPI 3, for the definitions that sagas run."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from saga_coordinator.api.facade import CoordinatorDep, Facade
from saga_coordinator.api.problems import Problem, problems
from saga_coordinator.api.request_body import StrictRoute
from saga_coordinator.definitions import Contracts
from saga_coordinator.definitions.compile import CompiledDefinition

router = APIRouter(prefix="/v1/asyncapi", tags=["asyncapi"], route_class=StrictRoute)


@router.get("", responses=problems())
async def coordinator_asyncapi(coordinator: CoordinatorDep) -> dict[str, Any]:
    """The coordinator's document: every topic it reads or writes."""
    return (await _contracts(coordinator)).asyncapi(coordinator.topics)


@router.get("/{participant}", responses=problems("participant_unknown"))
async def participant_asyncapi(coordinator: CoordinatorDep, participant: str) -> dict[str, Any]:
    """A participant's document, as the definitions want it: for one in any language."""
    contracts = await _contracts(coordinator)
    if participant not in contracts.participants:
        raise Problem("participant_unknown")
    return contracts.asyncapi(coordinator.topics, participant)


async def _contracts(coordinator: Facade) -> Contracts:
    """Of the definitions that are active or have open sagas; one that cannot be loaded is left
    out."""
    in_use = await coordinator.store.open_definition_ids()
    rows = [row for row in await coordinator.store.definitions(coordinator.settings.tenant) if row.active or row.id in in_use]
    loaded = await coordinator.definitions.load(row.id for row in rows)
    contracts = Contracts()
    for row in sorted(rows, key=lambda row: (row.registered_at_us, row.id)):
        compiled = loaded[row.id]
        if isinstance(compiled, CompiledDefinition):
            contracts.add(compiled.document, compiled.reader_schemas)
    return contracts
