"""Pausing, resuming and ending: what a person decides about a saga as a whole."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from saga_coordinator.api.answers import Accepted
from saga_coordinator.api.bodies import ActBody, PreviewQuery
from saga_coordinator.api.facade import CoordinatorDep
from saga_coordinator.api.problems import Problem, problems
from saga_coordinator.api.request_body import StrictRoute
from saga_coordinator.api.saga_paths import ON_SAGA, accepted, stored_row
from saga_coordinator.engine.encoding import UnreadableState
from saga_coordinator.sagas.stored_saga import read_saga
from saga_coordinator.views.preview import PreviewView, preview

router = APIRouter(prefix="/v1", tags=["control"], route_class=StrictRoute)


@router.post("/sagas/{saga_id}/pause", status_code=202, responses=problems(*ON_SAGA))
async def pause_saga(coordinator: CoordinatorDep, saga_id: str, body: ActBody) -> Accepted:
    """Hold what is due: replies are applied, and nobody is asked. No limit counts the time."""
    row = await stored_row(coordinator, saga_id)
    await coordinator.pause(row.id, body.reason, body.actor)
    return await accepted(coordinator, row)


@router.post("/sagas/{saga_id}/resume", status_code=202, responses=problems(*ON_SAGA, "not_paused"))
async def resume_saga(coordinator: CoordinatorDep, saga_id: str, body: ActBody) -> Accepted:
    """End the saga's own pause: what was due goes out at once."""
    row = await stored_row(coordinator, saga_id)
    await coordinator.resume(row.id, body.reason, body.actor)
    return await accepted(coordinator, row)


@router.post("/sagas/{saga_id}/terminate", status_code=202, responses=problems(*ON_SAGA))
async def terminate_saga(coordinator: CoordinatorDep, saga_id: str, body: ActBody) -> Accepted:
    """End the saga as it is, FORCED: nobody is asked any more, and nothing is undone.

    `left` of the saga then says which effects stay, and which may stay.
    """
    row = await stored_row(coordinator, saga_id)
    await coordinator.terminate(row.id, body.reason, body.actor)
    return await accepted(coordinator, row)


@router.get(
    "/sagas/{saga_id}/preview",
    responses=problems("saga_unknown", "saga_archived", "saga_imported", "unreadable", "definition_missing"),
)
async def preview_act(coordinator: CoordinatorDep, saga_id: str, wanted: Annotated[PreviewQuery, Query()]) -> PreviewView:
    """What a cancel or a termination would do if it came now."""
    row = await stored_row(coordinator, saga_id)
    compiled = await coordinator.definitions.get(row.definition_id)
    try:
        saga = await read_saga(coordinator.store, row)
    except UnreadableState as unreadable:
        raise Problem("unreadable", str(unreadable)) from None
    return preview(wanted.act, compiled.definition, saga, await coordinator.store.now_us())
