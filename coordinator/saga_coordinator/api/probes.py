"""The instance's health, before the API is loaded: the same answers at the same paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from saga_coordinator.api.guard import Guard
from saga_coordinator.api.health import Alive, Ready, readiness, scraped
from saga_coordinator.api.problems import Problem, problem_response

if TYPE_CHECKING:
    from saga_coordinator.api.facade import Facade

ALIVE_PATH: Final = "/healthz"
PATHS: Final = frozenset({ALIVE_PATH, "/readyz", "/metrics"})


def probes(coordinator: Facade) -> Starlette:
    """An application that answers a GET of PATHS, and nothing else."""

    async def readyz(_: Request) -> Response:
        try:
            return _json(await readiness(coordinator))
        except Problem as problem:
            return problem_response(problem)

    async def metrics(request: Request) -> Response:
        return await scraped(coordinator, request.headers.get("accept"))

    return Starlette(
        routes=[Route(ALIVE_PATH, _healthz), Route("/readyz", readyz), Route("/metrics", metrics)],
        middleware=[Middleware(Guard, instruments=coordinator.instruments)],
    )


async def _healthz(_: Request) -> Response:
    return alive()


def alive() -> Response:
    return _json(Alive())


def _json(answer: Alive | Ready) -> Response:
    return Response(answer.model_dump_json(exclude_none=True), media_type="application/json")
