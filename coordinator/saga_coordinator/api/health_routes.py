"""For the machines around it: alive, ready, metrics."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from saga_coordinator.api.answers import Alive, Ready
from saga_coordinator.api.counters import Counters
from saga_coordinator.api.facade import Behind
from saga_coordinator.api.problems import Problem, problems

router = APIRouter(tags=["health"])
_METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_TEXT: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/plain": {}}}}


@router.get("/healthz", responses=problems())
async def healthz() -> Alive:
    """The process answers."""
    return Alive()


@router.get("/readyz", responses=problems("not_ready"))
async def readyz(behind: Behind) -> Ready:
    """It can do its work; if not, `reasons` says what is missing."""
    reasons = await behind.ready()
    if reasons:
        raise Problem("not_ready", reasons=reasons[:20])
    return Ready()


@router.get("/metrics", response_class=Response, responses=_TEXT | problems())
async def metrics(behind: Behind, request: Request) -> Response:
    """Prometheus text."""
    counters: Counters = request.app.state.counters
    return Response(behind.metrics_text() + counters.text(), media_type=_METRICS_TYPE)
