"""The API's routes for the machines around it. `probes.py` answers the same before it is loaded."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from saga_coordinator.api.facade import CoordinatorDep
from saga_coordinator.api.health import Alive, Ready, readiness, scraped
from saga_coordinator.api.problems import problems
from saga_coordinator.telemetry.exposition import OPENMETRICS

router = APIRouter(tags=["health"])
_TEXT: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/plain": {}, OPENMETRICS: {}}}}


@router.get("/healthz", responses=problems())
async def healthz() -> Alive:
    """The process answers."""
    return Alive()


@router.get("/readyz", responses=problems("not_ready"), response_model_exclude_none=True)
async def readyz(coordinator: CoordinatorDep) -> Ready:
    """It can do its work; if not, `reasons` says what is missing."""
    return await readiness(coordinator)


@router.get("/metrics", response_class=Response, responses=_TEXT | problems())
async def metrics(coordinator: CoordinatorDep, request: Request) -> Response:
    """Prometheus text, or OpenMetrics (with exemplars) for those that prefer it."""
    return await scraped(coordinator, request.headers.get("accept"))
