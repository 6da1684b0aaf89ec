"""Acts that wait for a second person."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from saga_coordinator.api.problems import Problem
from saga_coordinator.console import parameters
from saga_coordinator.console.console import Console
from saga_coordinator.console.forms import ActForm
from saga_coordinator.console.parameters import uuid_of
from saga_coordinator.console.routing import ACTS, PageRoute
from saga_coordinator.views.batches import confirmation_view

LINES: Final = 50
_PATH: Final = "/confirmations"


async def show(console: Console, request: Request) -> Response:
    """Those that wait; with `all=yes` also those that are settled or whose time is over."""
    everything = parameters.text(request, "all") == "yes"
    before = parameters.identifier(request, "before")
    rows = await console.coordinator.confirmations(pending=not everything, before=before, limit=LINES + 1)
    now_us = await console.coordinator.store.now_us()
    shown = rows[:LINES]
    asked = {"all": "yes" if everything else ""}
    return await console.page(
        request,
        "confirmations.html",
        section="batches",
        title="Confirmations",
        live="list" if before is None else None,
        everything=everything,
        lines=[confirmation_view(row, now_us) for row in shown],
        newest=parameters.address(_PATH, **asked) if before is not None else None,
        older=parameters.address(_PATH, **asked, before=shown[-1].id) if len(rows) > LINES else None,
    )


async def confirm(console: Console, request: Request) -> Response:
    """Have it done that somebody else asked for."""

    async def doing(form: ActForm) -> str:
        row = await console.coordinator.confirm(_id(request), form.reason, form.actor)
        return f"Confirmed and done: {row.act} of {row.target}."

    return await console.act(request, _PATH, doing)


async def refuse(console: Console, request: Request) -> Response:
    """Let it not be done."""

    async def doing(form: ActForm) -> str:
        row = await console.coordinator.refuse_confirmation(_id(request), form.reason, form.actor)
        return f"Refused: {row.act} of {row.target} is not done."

    return await console.act(request, _PATH, doing)


def _id(request: Request) -> UUID:
    found = uuid_of(request.path_params["confirmation_id"])
    if found is None:
        raise Problem("confirmation_unknown")
    return found


ROUTES = [
    PageRoute(path=_PATH, handler=show),
    PageRoute(path=_PATH + "/{confirmation_id}/confirm", handler=confirm, methods=ACTS),
    PageRoute(path=_PATH + "/{confirmation_id}/refuse", handler=refuse, methods=ACTS),
]
