"""`/v1/batches`: one act on all sagas that a query matches."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from saga_coordinator.api.bodies import ActBody, BatchBody, Page
from saga_coordinator.api.facade import CoordinatorDep
from saga_coordinator.api.problems import WITH_BODY, Problem, problems
from saga_coordinator.api.request_body import StrictRoute
from saga_coordinator.api.saga_routes import bad_cursor
from saga_coordinator.api.waiting import OF_TWO, WAITS
from saga_coordinator.views.batches import BatchPreviewView, BatchView, batch_view, preview_view
from saga_schemas.ids import parse_saga_id

router = APIRouter(prefix="/v1/batches", tags=["batches"], route_class=StrictRoute)

_MADE: Final[dict[int | str, dict[str, Any]]] = {200: {"model": BatchPreviewView, "description": "with `dry_run`"}, **WAITS}


class BatchPage(BaseModel):
    items: list[BatchView]
    next: str | None


@router.post(
    "",
    status_code=201,
    responses=_MADE
    | problems(
        "query_invalid",
        "act_unknown",
        "nothing_matches",
        "batch_too_large",
        "batches_full",
        *OF_TWO,
        *WITH_BODY,
    ),
)
async def make_batch(coordinator: CoordinatorDep, body: BatchBody, response: Response) -> BatchView | BatchPreviewView:
    """Begin a batch: it goes on by itself, and `GET` says how far it is."""
    if body.dry_run:
        response.status_code = 200
        return preview_view(body.query, await coordinator.dry_run_batch(body.query, body.act))
    made = await coordinator.create_batch(body.query, body.act, body.reason, body.actor, rate=body.rate)
    response.headers["Location"] = f"/v1/batches/{made.id}"
    return batch_view(made)


@router.get("", responses=problems())
async def list_batches(coordinator: CoordinatorDep, wanted: Annotated[Page, Query()]) -> BatchPage:
    """Newest first."""
    before = None if wanted.cursor is None else parse_saga_id(wanted.cursor)
    if wanted.cursor is not None and before is None:
        raise bad_cursor()
    items = [batch_view(row) for row in await coordinator.batches(before=before, limit=wanted.limit)]
    return BatchPage(items=items, next=items[-1].id if len(items) == wanted.limit else None)


@router.get("/{batch_id}", responses=problems("batch_unknown"))
async def show_batch(coordinator: CoordinatorDep, batch_id: str) -> BatchView:
    """How far it is."""
    return batch_view(await coordinator.batch(_id(batch_id)))


@router.post("/{batch_id}/stop", responses=problems("batch_unknown", "batch_over", *WITH_BODY))
async def stop_batch(coordinator: CoordinatorDep, batch_id: str, body: ActBody) -> BatchView:
    """Let it do nothing more. What it has done stays."""
    return batch_view(await coordinator.stop_batch(_id(batch_id), body.reason, body.actor))


def _id(text: str) -> UUID:
    found = parse_saga_id(text)
    if found is None:
        raise Problem("batch_unknown")
    return found
