"""The first page: what goes on, and what is wrong."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from saga_coordinator.console.console import Console
from saga_coordinator.console.formatting import PHASES
from saga_coordinator.console.routing import PageRoute


async def show(console: Console, request: Request) -> Response:
    """Open sagas by definition and phase."""
    figures = await console.coordinator.store.figures()
    counts = sorted((definition, phase, count) for (definition, phase), count in figures.sagas_by_phase.items())
    return await console.page(request, "overview.html", section="overview", title="Overview", counts=counts, phases=PHASES)


ROUTES = [PageRoute(path="/", handler=show)]
