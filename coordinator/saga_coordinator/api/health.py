"""What an instance tells the machines around it: whether it lives, whether it is ready, metrics."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pydantic import BaseModel
from starlette.responses import Response

from saga_coordinator.api.problems import Problem
from saga_coordinator.store.recovering import Recovering
from saga_coordinator.telemetry.exposition import exposition

if TYPE_CHECKING:  # it brings FastAPI, and a fresh instance is asked for its health before that is loaded
    from saga_coordinator.api.facade import Facade

_REASONS_MOST = 20


class Alive(BaseModel):
    status: str = "ok"


class RecoveringShown(BaseModel):
    """Sagas that ask again, and participants that are asked for their rows, after a restore of the
    database; all else is served meanwhile."""

    sagas: int
    to_ask: int
    """Those that have not asked yet."""
    unanswered: dict[str, int]
    """Sagas by participant that has not answered."""
    unswept: dict[str, int]
    """Participants that have not told all their rows, each with how many it has told."""


class Ready(BaseModel):
    ready: bool = True
    notes: list[str] | None = None
    """What waits without keeping the instance from its work."""
    recovering: RecoveringShown | None = None
    """null: no recovery goes on."""


async def readiness(coordinator: Facade) -> Ready:
    """Raises Problem: it cannot do its work."""
    reasons = await coordinator.ready()
    if reasons:
        raise Problem("not_ready", reasons=reasons[:_REASONS_MOST])
    return Ready(notes=coordinator.notes() or None, recovering=_recovering(coordinator))


def _recovering(coordinator: Facade) -> RecoveringShown | None:
    left, unswept = coordinator.recovering(), coordinator.unswept()
    if left is None and not unswept:
        return None
    left = left or Recovering.of({})
    return RecoveringShown(sagas=left.sagas, to_ask=left.to_ask, unanswered=dict(left.unanswered), unswept=dict(unswept))


async def scraped(coordinator: Facade, accept: str | None) -> Response:
    """The metrics, in what this `Accept` header prefers."""
    text, media_type = await asyncio.to_thread(
        exposition, coordinator.instruments.registry, accept
    )  # tens of ms for thousands of lines
    return Response(text, media_type=media_type)
