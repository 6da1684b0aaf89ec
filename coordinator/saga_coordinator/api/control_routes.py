"""Pausing, resuming and ending: what a person decides about a saga as a whole."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from saga_coordinator.api.answers import Accepted, Started
from saga_coordinator.api.bodies import ActBody, LimitsBody, PreviewQuery, StartTimeBody
from saga_coordinator.api.facade import CoordinatorDep
from saga_coordinator.api.problems import WITH_BODY, Problem, problems
from saga_coordinator.api.request_body import StrictRoute
from saga_coordinator.api.saga_paths import ON_SAGA, accepted, step_name, stored_row
from saga_coordinator.api.start_times import needed_start_time_us
from saga_coordinator.api.waiting import ACCEPTED, OF_TWO
from saga_coordinator.engine.encoding import UnreadableState
from saga_coordinator.sagas.stored_saga import read_saga
from saga_coordinator.store.pause_port import PauseScope
from saga_coordinator.views.operated import PausedView
from saga_coordinator.views.preview import PreviewView, preview
from saga_schemas.ids import valid_name

router = APIRouter(prefix="/v1", tags=["control"], route_class=StrictRoute)


class PausePage(BaseModel):
    """The definitions and participants that are paused, by name."""

    items: list[PausedView]


class ScopeAnswer(BaseModel):
    """Whether it is paused now. Every instance hears of it within some seconds."""

    scope: PauseScope
    name: str
    paused: bool


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


@router.post("/sagas/{saga_id}/start-time", status_code=202, responses=problems(*ON_SAGA, "not_scheduled", "start_too_far"))
async def move_start(coordinator: CoordinatorDep, saga_id: str, body: StartTimeBody) -> Accepted:
    """Let a saga that waits for its start time begin at another: at once where that has passed."""
    row = await stored_row(coordinator, saga_id)
    start_at_us = await needed_start_time_us(body.start_at, body.start_in, coordinator.store.now_us)
    await coordinator.move_start(row.id, start_at_us, body.reason, body.actor)
    return await accepted(coordinator, row)


@router.post("/sagas/{saga_id}/terminate", status_code=202, responses=ACCEPTED | problems(*ON_SAGA, *OF_TWO))
async def terminate_saga(coordinator: CoordinatorDep, saga_id: str, body: ActBody) -> Accepted:
    """End the saga as it is, FORCED: nobody is asked any more, and nothing is undone.

    `left` of the saga then says which effects stay, and which may stay.
    """
    row = await stored_row(coordinator, saga_id)
    await coordinator.terminate(row.id, body.reason, body.actor)
    return await accepted(coordinator, row)


@router.post(
    "/sagas/{saga_id}/restart",
    status_code=201,
    responses=problems(
        "saga_unknown",
        "saga_archived",
        "saga_imported",
        "not_finished",
        "unreadable",
        "definition_missing",
        "definition_inactive",
        "definition_unknown",
        "input_invalid",
        "key_held",
        "key_mismatch",
        *WITH_BODY,
    ),
)
async def restart_saga(coordinator: CoordinatorDep, saga_id: str, body: ActBody, response: Response) -> Started:
    """Start a finished saga anew: the active version, the same input, once."""
    row = await stored_row(coordinator, saga_id)
    result = await coordinator.restart(row.id, body.reason, body.actor)
    response.status_code = 201 if result.created else 200
    response.headers["Location"] = f"/v1/sagas/{result.saga_id}"
    return Started(id=str(result.saga_id), created=result.created, request_id=str(row.id))


@router.post(
    "/sagas/{saga_id}/steps/{step}/limits",
    status_code=202,
    responses=problems(*ON_SAGA, "not_stuck", "step_unknown", "limit_refused"),
)
async def change_limits(coordinator: CoordinatorDep, saga_id: str, step: str, body: LimitsBody) -> Accepted:
    """Change retries and times of a step that is not settled, for this saga alone."""
    row = await stored_row(coordinator, saga_id)
    if not body.changes:
        expected = "at least one limit"
        raise Problem("request_invalid", f"body: expected {expected}", field="body", expected=expected)
    await coordinator.change_limits(row.id, step_name(step), body.changes, body.reason, body.actor)
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


@router.get("/pauses", responses=problems())
async def list_pauses(coordinator: CoordinatorDep) -> PausePage:
    """Definitions and participants that are paused, with who paused them, since when, and why."""
    return PausePage(items=[PausedView.of(one) for one in await coordinator.pauses()])


@router.post("/definitions/{name}/pause", status_code=202, responses=problems("definition_unknown", *WITH_BODY))
async def pause_definition(coordinator: CoordinatorDep, name: str, body: ActBody) -> ScopeAnswer:
    """Hold what is due of every saga of the definition, those that start meanwhile too."""
    await coordinator.pause_scope("definition", _name(name, "definition_unknown"), body.reason, body.actor)
    return ScopeAnswer(scope="definition", name=name, paused=True)


@router.post("/definitions/{name}/resume", status_code=202, responses=problems("definition_unknown", "not_paused", *WITH_BODY))
async def resume_definition(coordinator: CoordinatorDep, name: str, body: ActBody) -> ScopeAnswer:
    """End the pause: the sagas that it held are woken one after the other."""
    await coordinator.resume_scope("definition", _name(name, "definition_unknown"), body.reason, body.actor)
    return ScopeAnswer(scope="definition", name=name, paused=False)


@router.post("/participants/{name}/pause", status_code=202, responses=problems("participant_unknown", *WITH_BODY))
async def pause_participant(coordinator: CoordinatorDep, name: str, body: ActBody) -> ScopeAnswer:
    """Ask the participant nothing: neither actions nor compensations. Other steps go on."""
    await coordinator.pause_scope("participant", _name(name, "participant_unknown"), body.reason, body.actor)
    return ScopeAnswer(scope="participant", name=name, paused=True)


@router.post("/participants/{name}/resume", status_code=202, responses=problems("participant_unknown", "not_paused", *WITH_BODY))
async def resume_participant(coordinator: CoordinatorDep, name: str, body: ActBody) -> ScopeAnswer:
    """End the pause: the sagas that it held are woken one after the other."""
    await coordinator.resume_scope("participant", _name(name, "participant_unknown"), body.reason, body.actor)
    return ScopeAnswer(scope="participant", name=name, paused=False)


def _name(text: str, code: str) -> str:
    if not valid_name(text):
        raise Problem(code)
    return text
