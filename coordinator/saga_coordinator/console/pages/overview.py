"""The first page: what is wrong and the way out, what goes on, and how it went."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from saga_coordinator.console.console import Console
from saga_coordinator.console.drawing.chart import chart, legend, table
from saga_coordinator.console.formatting import PHASES
from saga_coordinator.console.overview_figures import causes, machine_facts, rates_chart, sparks, tiles
from saga_coordinator.console.routing import PageRoute
from saga_coordinator.views.situation import Window

WINDOWS: Final = {Window.HOUR: "last hour", Window.DAY: "last day"}
TROUBLES_SHOWN: Final = 4


async def show(console: Console, request: Request) -> Response:
    """The overview of the last hour, or of the last day with `?window=1d`."""
    window = window_of(request)
    found = await console.coordinator.overview(window)
    drawn = rates_chart(found)
    return await console.page(
        request,
        "overview.html",
        section="overview",
        title="Overview",
        live=f"overview/{window}",
        overview=found,
        urgent=[one for one in found.troubles if one.severity != "watch"][:TROUBLES_SHOWN],
        unusual=[one for one in found.troubles if one.severity == "watch"],
        hidden=max(sum(one.severity != "watch" for one in found.troubles) - TROUBLES_SHOWN, 0),
        tiles=tiles(found),
        chart=chart(drawn),
        legend=legend(drawn),
        table=table(drawn),
        sparks=sparks(found),
        causes=causes(found),
        machine=machine_facts(found),
        phases=PHASES,
        window=window,
        windows=WINDOWS,
    )


def window_of(request: Request) -> Window:
    """The window that the address names; one that there is none of is the hour."""
    return Window.DAY if request.query_params.get("window") == Window.DAY else Window.HOUR


ROUTES = [PageRoute(path="/", handler=show)]
