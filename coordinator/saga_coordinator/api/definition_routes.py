"""`/v1/definitions`: register, activate, list, show."""

from __future__ import annotations

from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Path, Query, Response

from saga_coordinator.api.answers import DefinitionLine, DefinitionPage, DefinitionRegistered, DefinitionShown, finding_shown
from saga_coordinator.api.bodies import ActivateBody, DefinitionBody, DefinitionQuery
from saga_coordinator.api.facade import CoordinatorDep
from saga_coordinator.api.problems import WITH_BODY, Problem, problems
from saga_coordinator.api.request_body import StrictRoute
from saga_coordinator.api.saga_routes import bad_cursor
from saga_coordinator.definitions.document import MAX_VERSION
from saga_coordinator.registry.registration import Act, activate, register
from saga_schemas.ids import valid_definition_ref, valid_name

_REGISTERED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": DefinitionRegistered, "description": "the same content is registered already"}
}
_VersionPath = Annotated[int, Path(ge=1, le=MAX_VERSION)]

router = APIRouter(prefix="/v1/definitions", tags=["definitions"], route_class=StrictRoute)


@router.post(
    "",
    status_code=201,
    responses=_REGISTERED | problems("version_exists", "schema_collision", "definition_invalid", "schema_invalid", *WITH_BODY),
)
async def register_definition(coordinator: CoordinatorDep, body: DefinitionBody, response: Response) -> DefinitionRegistered:
    """Check and store a definition with its schemas. It runs nothing before it is activated."""
    registered = await register(
        coordinator.store,
        coordinator.definitions,
        document=body.document,
        schemas=body.schemas,
        tenant=coordinator.settings.tenant,
        file=body.file,
        act=Act(who=body.actor, why=body.reason or ""),
        retention=coordinator.settings.retention,
    )
    row = registered.row
    response.status_code = 201 if registered.created else 200
    response.headers["Location"] = f"/v1/definitions/{row.name}/{row.version}"
    return DefinitionRegistered(
        **DefinitionLine.of(row).model_dump(),
        created=registered.created,
        reader_schemas=dict(row.reader_schemas),
        findings=[finding_shown(finding) for finding in registered.warnings],
    )


@router.post("/{name}/{version}/activate", responses=problems("definition_unknown", "definition_missing", *WITH_BODY))
async def activate_definition(
    coordinator: CoordinatorDep, name: str, version: _VersionPath, body: ActivateBody | None = None
) -> DefinitionLine:
    """Make this the version that starts run."""
    given = body or ActivateBody()
    act = Act(who=given.actor, why=given.reason or "")
    if not valid_name(name):
        raise Problem("definition_unknown")
    row = await activate(
        coordinator.store, coordinator.definitions, tenant=coordinator.settings.tenant, name=name, version=version, act=act
    )
    return DefinitionLine.of(row)


@router.get("", responses=problems())
async def list_definitions(coordinator: CoordinatorDep, wanted: Annotated[DefinitionQuery, Query()]) -> DefinitionPage:
    """By name and version; the cursor is `name@version`."""
    after = _cursor(wanted.cursor)
    rows = await coordinator.store.definitions(coordinator.settings.tenant)
    rows = sorted((row for row in rows if wanted.name in (None, row.name)), key=lambda row: (row.name, row.version))
    rest = [row for row in rows if (row.name, row.version) > after]
    page = rest[: wanted.limit]
    following = f"{page[-1].name}@{page[-1].version}" if len(rest) > len(page) else None
    return DefinitionPage(items=[DefinitionLine.of(row) for row in page], next=following)


@router.get("/{name}/{version}", responses=problems("definition_unknown"))
async def show_definition(coordinator: CoordinatorDep, name: str, version: _VersionPath) -> DefinitionShown:
    """One version with its canonical document."""
    rows = await coordinator.store.definitions(coordinator.settings.tenant)
    row = next((row for row in rows if (row.name, row.version) == (name, version)), None)
    if row is None:
        raise Problem("definition_unknown")
    return DefinitionShown(
        **DefinitionLine.of(row).model_dump(), document=orjson.loads(row.document), reader_schemas=dict(row.reader_schemas)
    )


def _cursor(text: str | None) -> tuple[str, int]:
    if text is None:
        return "", 0
    reference = valid_definition_ref(text)
    if reference is None or reference[1] is None:
        raise bad_cursor()
    return reference[0], reference[1]
