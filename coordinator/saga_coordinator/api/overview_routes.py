"""`/v1/overview`: what all sagas do now and over time, and what is wrong with them."""

from __future__ import annotations

from fastapi import APIRouter

from saga_coordinator.api.facade import CoordinatorDep
from saga_coordinator.api.problems import problems
from saga_coordinator.api.request_body import StrictRoute
from saga_coordinator.views.overview import Overview
from saga_coordinator.views.situation import Window

router = APIRouter(prefix="/v1/overview", tags=["overview"], route_class=StrictRoute)


@router.get("", responses=problems())
async def show_overview(coordinator: CoordinatorDep, window: Window = Window.HOUR) -> Overview:
    """The last hour minute by minute, or the last day by quarters of an hour.

    It is at most two seconds old, and made once for all who ask.
    """
    return await coordinator.overview(window)
