"""The handlers of a participant, bound to the schemas: what each command record leads to.

Built once, before the first command. Whatever does not fit (a missing record, a model that
disagrees with its schema, a reply other than the command's `sagaReply`) is one configuration error
that lists it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from saga_messaging.errors import ConfigurationError
from saga_participant.handling.handlers import Handler, Role
from saga_schemas.binding import Binding, bind, record_for
from saga_schemas.catalog import Catalog
from saga_schemas.errors import BindingFailed, SchemaCollision, SchemaRefused
from saga_schemas.files import read_schemas
from saga_schemas.outcomes import Kind
from saga_schemas.records import OWN

REPLY_ATTRIBUTE: Final = "sagaReply"
"""In a command's schema: the full name of the record that answers it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One command record and the handler that serves it."""

    handler: Handler
    command: Binding[BaseModel]
    reply: Binding[BaseModel] | None
    action_reply: Binding[BaseModel] | None
    withdrawn: Route | None = None
    """Of an action: what is called when its accepted work is called off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """All routes, and the schemas they are written in."""

    catalog: Catalog
    routes: dict[str, Route]
    """By the full name of the command's record."""
    handlers: tuple[Handler, ...]
    """All of them, those for withdrawn work too."""
    bare: bool
    """No handler wants a SQLAlchemy object."""

    @property
    def records(self) -> frozenset[str]:
        """Full names of all records that are read here: commands, and the replies that rows
        remember.
        """
        bound = [one for route in self.routes.values() for one in (route.command, route.reply, route.action_reply)]
        return frozenset(one.schema.full_name for one in bound if one is not None)

    def route(self, record: str, kind: Kind) -> Route | None:
        found = self.routes.get(record)
        return found if found is not None and found.handler.role.value == kind.value else None


def build_registry(handlers: Iterable[Handler], directories: Sequence[Path]) -> Registry:
    """ConfigurationError, one line, names the first thing that does not fit."""
    catalog = _read(directories)
    routes: dict[str, Route] = {}
    withdrawn: dict[str, Route] = {}
    registered = tuple(handlers)
    for handler in registered:
        route = _route(handler, catalog)
        record = route.command.schema.full_name
        same = withdrawn if handler.role is Role.WITHDRAWN else routes
        if record in same:
            raise ConfigurationError(f"{handler.name} and {same[record].handler.name} both handle {record}; one has to go")
        if handler.role is not Role.WITHDRAWN:
            _check_reply(route, record)
        same[record] = route
    if not routes:
        raise ConfigurationError("this participant has no handler: decorate one with .action")
    _check_action_replies(routes)
    _add_withdrawn(routes, withdrawn)
    return Registry(catalog=catalog, routes=routes, handlers=registered, bare=all(handler.bare for handler in registered))


def _add_withdrawn(routes: dict[str, Route], withdrawn: dict[str, Route]) -> None:
    for record, route in withdrawn.items():
        action = routes.get(record)
        if action is None or action.handler.role is not Role.ACTION:
            raise ConfigurationError(
                f"{route.handler.name}: @.withdrawn takes the command of an action, and {record} is not the command of one here"
            )
        routes[record] = replace(action, withdrawn=route)


def _read(directories: Sequence[Path]) -> Catalog:
    catalog = Catalog(OWN)
    try:
        for directory in directories:
            for schema in read_schemas(directory):
                catalog.add(schema)
    except (SchemaRefused, SchemaCollision) as error:
        raise ConfigurationError(f"schemas: {error}") from None
    return catalog


def _route(handler: Handler, catalog: Catalog) -> Route:
    return Route(
        handler=handler,
        command=_bound(handler, handler.command, catalog),
        reply=None if handler.reply is None else _bound(handler, handler.reply, catalog),
        action_reply=None if handler.action_reply is None else _bound(handler, handler.action_reply, catalog),
    )


def _bound(handler: Handler, model: type[BaseModel], catalog: Catalog) -> Binding[Any]:
    try:
        newest = {schema.full_name: latest for schema in catalog if (latest := catalog.latest(schema.full_name)) is not None}
        return bind(model, record_for(model, newest.values()))
    except BindingFailed as error:
        raise ConfigurationError(f"{handler.name}: {'; '.join(str(error).splitlines())}") from None


def _check_reply(route: Route, record: str) -> None:
    wanted = route.command.schema.document.get(REPLY_ATTRIBUTE)
    given = None if route.reply is None else route.reply.schema.full_name
    if wanted is not None and given != wanted:
        raise ConfigurationError(
            f"{route.handler.name} returns {given or 'nothing'}; the schema of {record} says its reply is {wanted}"
        )


def _check_action_replies(routes: dict[str, Route]) -> None:
    """A compensation that takes a reply nobody gives would never run."""
    given = {
        route.reply.schema.full_name for route in routes.values() if route.reply is not None and route.handler.role is Role.ACTION
    }
    for route in routes.values():
        if route.action_reply is not None and route.action_reply.schema.full_name not in given:
            raise ConfigurationError(
                f"{route.handler.name} takes {route.handler.action_reply.__name__ if route.handler.action_reply else '?'}, "
                "but no action of this participant returns it"
            )
