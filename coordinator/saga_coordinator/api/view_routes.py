"""`/v1/views`: queries with a name."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from saga_coordinator.api.bodies import ImportQuery, ViewBody
from saga_coordinator.api.facade import CoordinatorDep
from saga_coordinator.api.problems import WITH_BODY, Problem, problems
from saga_coordinator.api.request_body import StrictRoute
from saga_coordinator.store.saved_view_port import SavedView
from saga_coordinator.views.saved import ViewRefused, remove_view, save_view
from saga_schemas.times import format_us

router = APIRouter(prefix="/v1/views", tags=["views"], route_class=StrictRoute)

_SAVED: Final = "saved by hand"
_REMOVED: Final = "removed by hand"


class ViewShown(BaseModel):
    """A saved view."""

    name: str
    query: str = Field(description="as docs/queries.md has it; empty for all")
    columns: list[str] = Field(description="what its list shows, by the fields' names; none for the usual ones")
    saved_by: str
    saved_at: str


class ViewRemoved(BaseModel):
    """It is gone."""

    name: str


class ViewPage(BaseModel):
    """All of them."""

    items: list[ViewShown]


@router.get("", responses=problems())
async def list_views(coordinator: CoordinatorDep) -> ViewPage:
    """By name."""
    return ViewPage(items=[_shown(view) for view in await coordinator.store.saved_views(coordinator.settings.tenant)])


@router.put("/{name}", responses=problems("query_invalid", "views_full", *WITH_BODY))
async def put_view(coordinator: CoordinatorDep, name: str, body: ViewBody) -> ViewShown:
    """Save a view, over the one of its name."""
    tenant, why = coordinator.settings.tenant, body.reason or _SAVED
    try:
        view = await save_view(
            coordinator.store, tenant, name=name, query=body.query, columns=body.columns, who=body.actor, why=why
        )
    except ViewRefused as refused:
        raise _problem(refused) from None
    return _shown(view)


@router.delete("/{name}", responses=problems("view_unknown"))
async def delete_view(coordinator: CoordinatorDep, name: str, asked: Annotated[ImportQuery, Query()]) -> ViewRemoved:
    """Remove a view."""
    try:
        await remove_view(
            coordinator.store, coordinator.settings.tenant, name=name, who=asked.actor, why=asked.reason or _REMOVED
        )
    except ViewRefused as refused:
        raise _problem(refused) from None
    return ViewRemoved(name=name)


def _problem(refused: ViewRefused) -> Problem:
    return Problem(refused.code, refused.detail)


def _shown(view: SavedView) -> ViewShown:
    return ViewShown(
        name=view.name, query=view.query, columns=list(view.columns), saved_by=view.who, saved_at=format_us(view.saved_at_us)
    )
