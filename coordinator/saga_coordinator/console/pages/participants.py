"""Who takes part, and one of them: what it is asked, what it answers, and what that takes."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from saga_coordinator.api.problems import Problem
from saga_coordinator.console.console import Console
from saga_coordinator.console.drawing.chart import chart, legend, table
from saga_coordinator.console.forms import ActForm
from saga_coordinator.console.overview_figures import answers_chart, code_sparks, latency_chart, sparks
from saga_coordinator.console.pages.overview import WINDOWS, window_of
from saga_coordinator.console.rendering import path_part
from saga_coordinator.console.routing import ACTS, PageRoute
from saga_coordinator.engine.waiting import Held
from saga_schemas.ids import valid_name


async def show_all(console: Console, request: Request) -> Response:
    """All participants that definitions name."""
    window = window_of(request)
    found = await console.coordinator.overview(window)
    return await console.page(
        request,
        "participants.html",
        section="participants",
        title="Participants",
        live=f"overview/{window}",
        overview=found,
        sparks=sparks(found),
        window=window,
        windows=WINDOWS,
    )


async def show_one(console: Console, request: Request) -> Response:
    """One participant. Raises Problem."""
    window, name = window_of(request), request.path_params["name"]
    detail = await console.coordinator.participant(name, window) if valid_name(name) else None
    if detail is None:
        raise Problem("participant_unknown")
    answers, latency = answers_chart(detail), latency_chart(detail)
    topics = console.coordinator.topics
    return await console.page(
        request,
        "participant.html",
        section="participants",
        title=name,
        live=f"overview/{window}",
        one=detail.participant,
        troubles=detail.troubles,
        paused=await _pause_of(console, name),
        waits_exact=detail.overview.waits_exact,
        answers=(chart(answers), legend(answers), table(answers)),
        latency=(chart(latency), legend(latency), table(latency)),
        sparks=code_sparks(detail.participant),
        command_topic=topics.command(name),
        reply_topic=topics.reply(name),
        window=window,
        windows=WINDOWS,
    )


async def _pause_of(console: Console, name: str) -> Held | None:
    held = await console.coordinator.pauses()
    return next((one for one in held if (one.scope, one.name) == ("participant", name)), None)


async def pause(console: Console, request: Request) -> Response:
    """Ask nothing more of a participant until it is resumed."""
    name = request.path_params["name"]

    async def doing(form: ActForm) -> str:
        await console.coordinator.pause_scope("participant", name, form.reason, form.actor)
        return f"{name} is paused: its answers are taken in, and nothing new is asked of it."

    return await console.act(request, _page(name), doing)


async def resume(console: Console, request: Request) -> Response:
    """End the pause of a participant."""
    name = request.path_params["name"]

    async def doing(form: ActForm) -> str:
        await console.coordinator.resume_scope("participant", name, form.reason, form.actor)
        return f"{name} is resumed: what the pause has held is asked now."

    return await console.act(request, _page(name), doing)


def _page(name: str) -> str:
    return f"/participants/{path_part(name)}"


ROUTES = [
    PageRoute(path="/participants", handler=show_all),
    PageRoute(path="/participants/{name}", handler=show_one),
    PageRoute(path="/participants/{name}/pause", handler=pause, methods=ACTS),
    PageRoute(path="/participants/{name}/resume", handler=resume, methods=ACTS),
]
