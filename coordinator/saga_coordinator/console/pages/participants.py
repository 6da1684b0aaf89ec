"""Who takes part, and one of them: what it is asked, what it answers, and what that takes."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from saga_coordinator.api.problems import Problem
from saga_coordinator.console.console import Console
from saga_coordinator.console.drawing.chart import chart, legend, table
from saga_coordinator.console.overview_figures import answers_chart, code_sparks, latency_chart, sparks
from saga_coordinator.console.pages.overview import WINDOWS, window_of
from saga_coordinator.console.routing import PageRoute
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
        waits_exact=detail.overview.waits_exact,
        answers=(chart(answers), legend(answers), table(answers)),
        latency=(chart(latency), legend(latency), table(latency)),
        sparks=code_sparks(detail.participant),
        command_topic=topics.command(name),
        reply_topic=topics.reply(name),
        window=window,
        windows=WINDOWS,
    )


ROUTES = [PageRoute(path="/participants", handler=show_all), PageRoute(path="/participants/{name}", handler=show_one)]
