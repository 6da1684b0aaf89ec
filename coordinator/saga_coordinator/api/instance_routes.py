"""`/v1/instances`: the coordinators of this store."""

from __future__ import annotations

from fastapi import APIRouter

from saga_coordinator.api.answers import InstancePage
from saga_coordinator.api.facade import CoordinatorDep
from saga_coordinator.api.problems import problems
from saga_coordinator.api.request_body import StrictRoute
from saga_coordinator.views.instances import instance_view

router = APIRouter(prefix="/v1/instances", tags=["instances"], route_class=StrictRoute)


@router.get("", responses=problems())
async def list_instances(coordinator: CoordinatorDep) -> InstancePage:
    """The instances that are registered, by name; those seen long ago too."""
    now_us = await coordinator.store.now_us()
    return InstancePage(items=[instance_view(row, now_us) for row in await coordinator.store.instances()])
