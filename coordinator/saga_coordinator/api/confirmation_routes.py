"""`/v1/confirmations`: acts that wait for a second person (`SAGA_CONFIRM_ACTS`)."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from saga_coordinator.api.bodies import ActBody, ConfirmationQuery
from saga_coordinator.api.facade import CoordinatorDep, Facade
from saga_coordinator.api.problems import WITH_BODY, Problem, problems
from saga_coordinator.api.request_body import StrictRoute
from saga_coordinator.api.saga_routes import bad_cursor
from saga_coordinator.store.port import ConfirmationRow
from saga_coordinator.views.batches import ConfirmationView, confirmation_view
from saga_schemas.ids import parse_saga_id

router = APIRouter(prefix="/v1/confirmations", tags=["confirmations"], route_class=StrictRoute)


_ON_ONE: Final = ("confirmation_unknown", "confirmation_over", "actor_needed", *WITH_BODY)
_ACTS: Final = (
    *("saga_unknown", "step_unknown", "past_pivot", "finished", "not_stuck", "is_pivot", "recovering", "unreadable"),
    *("query_invalid", "act_unknown", "nothing_matches", "batch_too_large", "batches_full"),
)
"""What the acts themselves are refused with."""


class ConfirmationPage(BaseModel):
    items: list[ConfirmationView]
    next: str | None


@router.get("", responses=problems())
async def list_confirmations(coordinator: CoordinatorDep, wanted: Annotated[ConfirmationQuery, Query()]) -> ConfirmationPage:
    """Newest first."""
    before = None if wanted.cursor is None else parse_saga_id(wanted.cursor)
    if wanted.cursor is not None and before is None:
        raise bad_cursor()
    rows = await coordinator.confirmations(pending=wanted.pending, before=before, limit=wanted.limit)
    now_us = await coordinator.store.now_us()
    items = [confirmation_view(row, now_us) for row in rows]
    return ConfirmationPage(items=items, next=items[-1].id if len(items) == wanted.limit else None)


@router.get("/{confirmation_id}", responses=problems("confirmation_unknown"))
async def show_confirmation(coordinator: CoordinatorDep, confirmation_id: str) -> ConfirmationView:
    """One act that waits, or waited."""
    return await _shown(coordinator, await coordinator.confirmation(_id(confirmation_id)))


@router.post("/{confirmation_id}/confirm", responses=problems("same_actor", *_ON_ONE, *_ACTS))
async def confirm(coordinator: CoordinatorDep, confirmation_id: str, body: ActBody) -> ConfirmationView:
    """Have the act done that somebody else asked for.

    Where it is refused by now, it goes on waiting.
    """
    return await _shown(coordinator, await coordinator.confirm(_id(confirmation_id), body.reason, body.actor))


@router.post("/{confirmation_id}/refuse", responses=problems(*_ON_ONE))
async def refuse(coordinator: CoordinatorDep, confirmation_id: str, body: ActBody) -> ConfirmationView:
    """Let the act not be done. Whoever asked for it may take it back so."""
    found = await coordinator.refuse_confirmation(_id(confirmation_id), body.reason, body.actor)
    return await _shown(coordinator, found)


async def _shown(coordinator: Facade, row: ConfirmationRow) -> ConfirmationView:
    return confirmation_view(row, await coordinator.store.now_us())


def _id(text: str) -> UUID:
    found = parse_saga_id(text)
    if found is None:
        raise Problem("confirmation_unknown")
    return found
