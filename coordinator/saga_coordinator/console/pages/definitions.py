"""Definitions: what is registered, how one looks, what changed between two versions, and which
version starts run."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from saga_coordinator.api.problems import Problem
from saga_coordinator.console import parameters
from saga_coordinator.console.console import Console
from saga_coordinator.console.definition_drawing import drawn
from saga_coordinator.console.forms import ActForm
from saga_coordinator.console.rendering import path_part
from saga_coordinator.console.routing import ACTS, PageRoute
from saga_coordinator.definitions.changes import PartChange, changes, readable
from saga_coordinator.definitions.document import Document, DocumentInvalid
from saga_coordinator.engine.waiting import Held
from saga_coordinator.registry.definition_cache import DefinitionMissing
from saga_coordinator.registry.registration import Act, RegistrationRefused, activate
from saga_coordinator.store.port import AuditFilter, DefinitionRow
from saga_coordinator.views.definitions import summaries, version_views
from saga_schemas.ids import valid_name

_SECTION: Final = "definitions"
_ACTS: Final = 200
"""Acts on one definition among which who registered is looked for."""
_SHOWN_LINES: Final = 2_000
_SHOWN_CHANGES: Final = 200
_MARKS: Final = {"+": "plus", "-": "minus", " ": "same", "…": "soft"}


async def show_all(console: Console, request: Request) -> Response:
    """All definitions."""
    store = console.coordinator.store
    rows = await store.definitions(console.coordinator.settings.tenant)
    figures = await store.figures()
    lines = await asyncio.to_thread(lambda: list(summaries(rows, figures.sagas_by_phase)))
    return await console.page(request, "definitions.html", section=_SECTION, title="Definitions", live="list", definitions=lines)


async def show(console: Console, request: Request) -> Response:
    """One version of a definition: the active one, where none is asked for."""
    rows = await _versions(console, request)
    row = _chosen(rows, parameters.number(request, "version"))
    tenant, store = console.coordinator.settings.tenant, console.coordinator.store
    wanted = AuditFilter(tenant=tenant, act="definition.", target=f"{row.name}@", limit=_ACTS)
    document = await asyncio.to_thread(_document, row)
    text = [] if document is None else list(readable(document.model_dump(mode="json", by_alias=True)))
    return await console.page(
        request,
        "definition.html",
        section=_SECTION,
        title=f"{row.name} {row.version}",
        live="list",
        row=row,
        paused=await _paused(console, row.name),
        document=document,
        drawing=None if document is None else await asyncio.to_thread(drawn, document, "#steps"),
        text=text[:_SHOWN_LINES],
        lines_left_out=max(0, len(text) - _SHOWN_LINES),
        versions=version_views(rows, (await store.audit(wanted)).rows, await store.open_by_version(tenant, row.name)),
        reader_schemas=sorted(row.reader_schemas.items()),
    )


async def compare(console: Console, request: Request) -> Response:
    """What changed between two versions."""
    rows = await _versions(console, request)
    numbers = sorted(row.version for row in rows)
    after = _chosen(rows, parameters.number(request, "to") or numbers[-1])
    earlier = [number for number in numbers if number < after.version]
    before = _chosen(rows, parameters.number(request, "from") or (earlier[-1] if earlier else numbers[0]))
    found = await asyncio.to_thread(_changed_parts, before, after)
    return await console.page(
        request,
        "definition_diff.html",
        section=_SECTION,
        title=f"{after.name} {before.version} → {after.version}",
        name=after.name,
        before=before,
        after=after,
        numbers=numbers,
        changed_parts=None if found is None else found[:_SHOWN_CHANGES],
        left_out=0 if found is None else max(0, len(found) - _SHOWN_CHANGES),
        marks=_MARKS,
        schemas=_schemas_changed(before, after),
    )


async def make_active(console: Console, request: Request) -> Response:
    """Make a version the one that starts run."""
    name, version = request.path_params["name"], request.path_params["version"]

    async def doing(form: ActForm) -> str:
        if not valid_name(name):
            raise Problem("definition_unknown")
        coordinator = console.coordinator
        act = Act(who=form.actor, why=form.reason)
        try:
            row = await activate(
                coordinator.store,
                coordinator.definitions,
                tenant=coordinator.settings.tenant,
                name=name,
                version=version,
                act=act,
            )
        except RegistrationRefused as refused:
            raise Problem(refused.code, refused.detail) from None
        except DefinitionMissing as missing:
            raise Problem("definition_missing", f"It cannot be loaded: {missing}.") from None
        return f"{row.name} {row.version} is active: new sagas run it. Those that are open stay on their version."

    return await console.act(request, parameters.address(f"/definitions/{path_part(name)}", version=version), doing)


async def _paused(console: Console, name: str) -> Held | None:
    held = await console.coordinator.pauses()
    return next((one for one in held if (one.scope, one.name) == ("definition", name)), None)


async def _versions(console: Console, request: Request) -> list[DefinitionRow]:
    name = request.path_params["name"]
    rows = [row for row in await console.coordinator.store.definitions(console.coordinator.settings.tenant) if row.name == name]
    if not rows:
        raise Problem("definition_unknown")
    return rows


def _chosen(rows: list[DefinitionRow], version: int | None) -> DefinitionRow:
    if version is None:
        return next((row for row in rows if row.active), None) or max(rows, key=lambda row: row.version)
    found = next((row for row in rows if row.version == version), None)
    if found is None:
        raise Problem("definition_unknown", f"{rows[0].name} has no version {version}.")
    return found


def _document(row: DefinitionRow) -> Document | None:
    """None: it is of a format that this release does not know."""
    try:
        return Document.parse(row.document)
    except DocumentInvalid:
        return None


def _changed_parts(before: DefinitionRow, after: DefinitionRow) -> list[PartChange] | None:
    earlier, later = _document(before), _document(after)
    return None if earlier is None or later is None else changes(earlier, later)


def _schemas_changed(before: DefinitionRow, after: DefinitionRow) -> list[tuple[str, int | None, int | None]]:
    """Record, and the schema that each version reads it with."""
    names = sorted({*before.reader_schemas, *after.reader_schemas})
    both = [(name, before.reader_schemas.get(name), after.reader_schemas.get(name)) for name in names]
    return [(name, old, new) for name, old, new in both if old != new]


ROUTES = [
    PageRoute(path="/definitions", handler=show_all),
    PageRoute(path="/definitions/{name}", handler=show),
    PageRoute(path="/definitions/{name}/diff", handler=compare),
    PageRoute(path="/definitions/{name}/{version:int}/activate", handler=make_active, methods=ACTS),
]
