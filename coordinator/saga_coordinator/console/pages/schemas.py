"""Schemas: subjects and versions, documents, and which definitions read with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from saga_coordinator.api.facade import Facade
from saga_coordinator.api.problems import Problem
from saga_coordinator.console import parameters
from saga_coordinator.console.console import Console
from saga_coordinator.console.routing import PageRoute
from saga_coordinator.registry.subjects import SubjectVersion, stored_and_own
from saga_coordinator.store.port import DefinitionRow
from saga_schemas.ids import parse_number
from saga_schemas.records import NAMESPACE

_SECTION: Final = "definitions"
LINES: Final = 100
_USERS: Final = 100
_DOCUMENT_CHARS: Final = 200_000


async def show_all(console: Console, request: Request) -> Response:
    """A page of subjects, or the versions of one."""
    subject, after = parameters.text(request, "subject"), parameters.text(request, "after")
    users = _users(console.coordinator)
    by_subject: dict[str, list[SubjectVersion]] = {}
    for one in stored_and_own(console.coordinator.definitions.schema_rows):
        by_subject.setdefault(one.subject, []).append(one)
    if subject:
        versions = by_subject.get(subject)
        if versions is None:
            raise Problem("schema_unknown", "No subject has this name.")
        lines = [(one, len(users.get(one.id, ()))) for one in reversed(versions)]
        return await console.page(request, "schema_versions.html", section=_SECTION, title=subject, subject=subject, lines=lines)
    # The users' own first: the protocol's are always the same.
    names = sorted(by_subject, key=_place)
    rest = [name for name in names if not after or _place(name) > _place(after)]
    shown = [(by_subject[name], sum(len(users.get(one.id, ())) for one in by_subject[name])) for name in rest[:LINES]]
    return await console.page(
        request,
        "schemas.html",
        section=_SECTION,
        title="Schemas",
        subjects=[(versions[-1], len(versions), count) for versions, count in shown],
        total=len(names),
        newest="/schemas" if after else None,
        older=parameters.address("/schemas", after=rest[LINES - 1]) if len(rest) > LINES else None,
    )


async def show(console: Console, request: Request) -> Response:
    """One schema."""
    number = parse_number(request.path_params["schema_id"])
    versions = [one for one in stored_and_own(console.coordinator.definitions.schema_rows) if one.id == number]
    if not versions:
        raise Problem("schema_unknown")
    document = orjson.dumps(orjson.loads(versions[0].document), option=orjson.OPT_INDENT_2).decode()
    users = _users(console.coordinator).get(versions[0].id, ())
    return await console.page(
        request,
        "schema.html",
        section=_SECTION,
        title=versions[0].subject,
        versions=versions,
        one=versions[0],
        document=document[:_DOCUMENT_CHARS],
        is_cut=len(document) > _DOCUMENT_CHARS,
        users=users[:_USERS],
        users_left_out=max(0, len(users) - _USERS),
    )


def _place(name: str) -> tuple[bool, str]:
    return name.startswith(NAMESPACE), name


def _users(coordinator: Facade) -> Mapping[int, Sequence[DefinitionRow]]:
    """By schema, the definitions that pin it, as far as this instance knows them."""
    found: dict[int, list[DefinitionRow]] = {}
    for row in coordinator.definitions.rows():
        for schema_id in dict.fromkeys(row.reader_schemas.values()):
            found.setdefault(schema_id, []).append(row)
    return found


ROUTES = [
    PageRoute(path="/schemas", handler=show_all),
    PageRoute(path="/schemas/{schema_id}", handler=show),
]
