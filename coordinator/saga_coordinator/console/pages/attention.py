"""What needs a person: each cause once, with its sagas and the ways out; and schedules."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from saga_coordinator.api.problems import Problem
from saga_coordinator.console.console import Console
from saga_coordinator.console.forms import ActForm
from saga_coordinator.console.parameters import address, uuid_of
from saga_coordinator.console.routing import ACTS, PageRoute
from saga_coordinator.query import quoted
from saga_coordinator.store.oversight_port import ATTENTION_LOOKED_AT
from saga_coordinator.views.attention_list import sagas_in_need, schedules_in_need
from saga_coordinator.views.inbox import InboxGroup
from saga_schemas.ids import valid_step

_PATH: Final = "/attention"


async def show(console: Console, request: Request) -> Response:
    """The inbox."""
    coordinator = console.coordinator
    groups = await sagas_in_need(coordinator.store, coordinator.definitions, coordinator.settings.tenant)
    schedules, more = await schedules_in_need(coordinator.store, coordinator.settings.tenant)
    return await console.page(
        request,
        "attention.html",
        section="attention",
        title="Attention",
        live="list",
        groups=[
            (group, address("/sagas", query=query), address("/batches/new", act="retry", query=query))
            for group, query in ((group, group_query(group)) for group in groups)
        ],
        total=sum(group.count for group in groups),
        most=ATTENTION_LOOKED_AT,
        schedules=schedules,
        more_schedules=more,
    )


async def retry(console: Console, request: Request) -> Response:
    """Ask a step again now."""

    async def doing(form: ActForm) -> str:
        step = _step(form)
        await console.coordinator.retry_step(_saga(request), step, form.reason, form.actor)
        return f"{step} is asked again."

    return await console.act(request, _PATH, doing)


async def waive(console: Console, request: Request) -> Response:
    """Go on without a step. The reason is the evidence."""

    async def doing(form: ActForm) -> str:
        step, unsafe = _step(form), form.get("unsafe") == "yes"
        await console.coordinator.waive_step(_saga(request), step, form.reason, form.actor, unsafe)
        return f"{step} is waived." if unsafe else f"{step} is waived, once its participant has said whether it happened."

    return await console.act(request, _PATH, doing)


def group_query(group: InboxGroup) -> str:
    """The query that finds a group's sagas, and maybe more: it tells no steps apart."""
    definitions = ", ".join(quoted(name) for name in group.definitions)
    return f"reason = {quoted(group.reason)} and definition in ({definitions})"


def _saga(request: Request) -> UUID:
    found = uuid_of(request.path_params["saga_id"])
    if found is None:
        raise Problem("saga_unknown")
    return found


def _step(form: ActForm) -> str:
    step = form.get("step")
    if not valid_step(step):
        raise Problem("step_unknown")
    return step


ROUTES = [
    PageRoute(path=_PATH, handler=show),
    PageRoute(path="/attention/{saga_id}/retry", handler=retry, methods=ACTS),
    PageRoute(path="/attention/{saga_id}/waive", handler=waive, methods=ACTS),
]
