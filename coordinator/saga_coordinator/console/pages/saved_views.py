"""Views of the list of sagas: a query with its columns, kept under a name."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from saga_coordinator.api.problems import Problem
from saga_coordinator.console import parameters
from saga_coordinator.console.console import Console
from saga_coordinator.console.forms import ActForm
from saga_coordinator.console.routing import ACTS, PageRoute
from saga_coordinator.console.saga_columns import as_parameter, chosen
from saga_coordinator.store.saved_view_port import SavedView
from saga_coordinator.views.saved import ViewRefused, is_column, remove_view, save_view


def address_of(view: SavedView) -> str:
    """The list that it stands for."""
    return parameters.address("/sagas", query=view.query, columns=as_parameter(chosen(view.columns)))


async def save(console: Console, request: Request) -> Response:
    """Keep the list that the form is on, over the view of its name."""
    back = ["/sagas"]

    async def doing(form: ActForm) -> str:
        columns = chosen([form.get("columns")])
        back.append(parameters.address("/sagas", query=form.get("query"), columns=as_parameter(columns)))
        try:
            view = await save_view(
                console.coordinator.store,
                console.coordinator.settings.tenant,
                name=form.get("name"),
                query=form.get("query"),
                columns=[name for name in columns if is_column(name)],
                who=form.actor,
                why=form.reason,
            )
        except ViewRefused as refused:
            raise Problem(refused.code, refused.detail) from None
        return f"Saved as {view.name}."

    return await console.act(request, lambda: back[-1], doing)


async def forget(console: Console, request: Request) -> Response:
    """Remove a view."""

    async def doing(form: ActForm) -> str:
        tenant, name = console.coordinator.settings.tenant, form.get("name")
        try:
            await remove_view(console.coordinator.store, tenant, name=name, who=form.actor, why=form.reason)
        except ViewRefused as refused:
            raise Problem(refused.code, refused.detail) from None
        return f"The view {name} is removed."

    return await console.act(request, "/sagas", doing)


ROUTES = [
    PageRoute(path="/saved-views", handler=save, methods=ACTS),
    PageRoute(path="/saved-views/remove", handler=forget, methods=ACTS),
]
