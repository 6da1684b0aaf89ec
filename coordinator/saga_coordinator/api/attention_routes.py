"""`/v1/attention`: everything that needs a person."""

from __future__ import annotations

from fastapi import APIRouter

from saga_coordinator.api.facade import CoordinatorDep
from saga_coordinator.api.problems import problems
from saga_coordinator.api.request_body import StrictRoute
from saga_coordinator.views.attention_list import AttentionList, attention_list

router = APIRouter(prefix="/v1/attention", tags=["attention"], route_class=StrictRoute)


@router.get("", responses=problems())
async def list_attention(coordinator: CoordinatorDep) -> AttentionList:
    """Sagas by cause, and schedules; each with what it means and the way out."""
    return await attention_list(coordinator.store, coordinator.definitions, coordinator.settings.tenant)
