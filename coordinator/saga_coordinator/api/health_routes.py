"""For the machines around it: alive, ready, metrics."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from saga_coordinator.api.answers import Alive, Ready, RecoveringShown
from saga_coordinator.api.facade import CoordinatorDep, Facade
from saga_coordinator.api.problems import Problem, problems
from saga_coordinator.store.recovering import Recovering
from saga_coordinator.telemetry.exposition import OPENMETRICS, exposition

router = APIRouter(tags=["health"])
_TEXT: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/plain": {}, OPENMETRICS: {}}}}


@router.get("/healthz", responses=problems())
async def healthz() -> Alive:
    """The process answers."""
    return Alive()


@router.get("/readyz", responses=problems("not_ready"), response_model_exclude_none=True)
async def readyz(coordinator: CoordinatorDep) -> Ready:
    """It can do its work; if not, `reasons` says what is missing."""
    reasons = await coordinator.ready()
    if reasons:
        raise Problem("not_ready", reasons=reasons[:20])
    return Ready(notes=coordinator.notes() or None, recovering=_recovering(coordinator))


def _recovering(coordinator: Facade) -> RecoveringShown | None:
    left, unswept = coordinator.recovering(), coordinator.unswept()
    if left is None and not unswept:
        return None
    left = left or Recovering.of({})
    return RecoveringShown(sagas=left.sagas, to_ask=left.to_ask, unanswered=dict(left.unanswered), unswept=dict(unswept))


@router.get("/metrics", response_class=Response, responses=_TEXT | problems())
async def metrics(coordinator: CoordinatorDep, request: Request) -> Response:
    """Prometheus text, or OpenMetrics (with exemplars) for those that prefer it."""
    accept = request.headers.get("accept")
    text, media_type = await asyncio.to_thread(
        exposition, coordinator.instruments.registry, accept
    )  # tens of ms for thousands of lines
    return Response(text, media_type=media_type)
