"""Definitions and participants that are paused, and how one is paused and resumed."""

from __future__ import annotations

from typing import Final, cast, get_args

from starlette.requests import Request
from starlette.responses import Response

from saga_coordinator.api.problems import Problem
from saga_coordinator.console.console import Console, Doing
from saga_coordinator.console.forms import ActForm
from saga_coordinator.console.rendering import path_part
from saga_coordinator.console.routing import ACTS, PageRoute
from saga_coordinator.store.pause_port import PauseScope
from saga_schemas.ids import valid_name

_PATH: Final = "/pauses"
_SHOWN: Final = 500
_HELD: Final[dict[PauseScope, str]] = {
    "definition": "Its sagas hold what is due, and those that start meanwhile too. Replies are applied.",
    "participant": "It is asked nothing: neither actions nor compensations. Other steps go on.",
}


async def show(console: Console, request: Request) -> Response:
    """All pauses, the latest first."""
    coordinator = console.coordinator
    held = sorted(await coordinator.pauses(), key=lambda one: one.since_us, reverse=True)
    paused = {(one.scope, one.name) for one in held}
    names = sorted({row.name for row in coordinator.definitions.rows()})
    participants = sorted(await coordinator.definitions.participants())
    free: list[tuple[PauseScope, str]] = [("definition", name) for name in names]
    free += [("participant", name) for name in participants]
    return await console.page(
        request,
        "pauses.html",
        section="batches",
        title="Pauses",
        live="list",
        held=held,
        means=_HELD,
        free=[one for one in free if one not in paused][:_SHOWN],
    )


async def pause(console: Console, request: Request) -> Response:
    """Hold what is due."""

    async def doing(form: ActForm) -> str:
        scope, name = _wanted(form)
        await console.coordinator.pause_scope(scope, name, form.reason, form.actor)
        return f"The {scope} {name} is paused. {_HELD[scope]}"

    return await _acting(console, request, doing)


async def resume(console: Console, request: Request) -> Response:
    """End a pause."""

    async def doing(form: ActForm) -> str:
        scope, name = _wanted(form)
        await console.coordinator.resume_scope(scope, name, form.reason, form.actor)
        return f"The {scope} {name} goes on: the sagas that it held are woken one after the other."

    return await _acting(console, request, doing)


async def _acting(console: Console, request: Request, doing: Doing) -> Response:
    """Do it, and go back to the page that it was asked on."""
    back = [_PATH]

    async def noting(form: ActForm) -> str:
        if form.get("back") == "definition" and valid_name(form.get("name")):
            back.append(f"/definitions/{path_part(form.get('name'))}")
        return await doing(form)

    return await console.act(request, lambda: back[-1], noting)


def _wanted(form: ActForm) -> tuple[PauseScope, str]:
    """Whose pause: by two fields, or by one, as `participant payment`."""
    scope, _, name = form.get("of").partition(" ")
    scope, name = form.get("scope") or scope, form.get("name") or name
    if scope not in get_args(PauseScope):
        raise Problem("request_invalid", "say whether a definition or a participant")
    if not valid_name(name):
        raise Problem(f"{scope}_unknown")
    return cast(PauseScope, scope), name


ROUTES = [
    PageRoute(path=_PATH, handler=show),
    PageRoute(path=f"{_PATH}/pause", handler=pause, methods=ACTS),
    PageRoute(path=f"{_PATH}/resume", handler=resume, methods=ACTS),
]
