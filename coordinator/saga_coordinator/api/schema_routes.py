"""`/v1/schemas`: later writers' schemas (`saga schema add`), and what is stored."""

from __future__ import annotations

from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Query, Response

from saga_coordinator.api.answers import SchemaAdded, SchemaPage, SchemaShown, schema_line
from saga_coordinator.api.bodies import SchemaBody, SchemaQuery
from saga_coordinator.api.facade import CoordinatorDep
from saga_coordinator.api.problems import WITH_BODY, Problem, problems
from saga_coordinator.api.request_body import StrictRoute
from saga_coordinator.api.saga_routes import bad_cursor
from saga_coordinator.registry.registration import Act, add_schema
from saga_schemas.ids import parse_number

_KNOWN: Final[dict[int | str, dict[str, Any]]] = {200: {"model": SchemaAdded, "description": "the same schema is stored already"}}

router = APIRouter(prefix="/v1/schemas", tags=["schemas"], route_class=StrictRoute)


@router.post(
    "", status_code=201, responses=_KNOWN | problems("schema_incompatible", "schema_collision", "schema_invalid", *WITH_BODY)
)
async def add(coordinator: CoordinatorDep, body: SchemaBody, response: Response) -> SchemaAdded:
    """Add a schema; it must go together with every earlier version and with those open sagas
    pin."""
    added = await add_schema(
        coordinator.store,
        coordinator.definitions,
        subject=body.subject,
        document=body.document,
        tenant=coordinator.settings.tenant,
        act=Act(who=body.actor, why=body.reason or ""),
    )
    response.status_code = 201 if added.created else 200
    response.headers["Location"] = f"/v1/schemas/{added.id}"
    return SchemaAdded(id=added.id, name=added.full_name, subject=added.subject, created=added.created)


@router.get("", responses=problems())
async def list_schemas(coordinator: CoordinatorDep, wanted: Annotated[SchemaQuery, Query()]) -> SchemaPage:
    """By subject and version; the cursor is the id of the last line."""
    rows = [row for row in await coordinator.store.schemas() if wanted.subject in (None, row.subject)]
    rows.sort(key=lambda row: (row.subject, row.version))
    if wanted.cursor is not None:
        place = next((place for place, row in enumerate(rows) if str(row.id) == wanted.cursor), None)
        if place is None:
            raise bad_cursor()
        rows = rows[place + 1 :]
    page = rows[: wanted.limit]
    return SchemaPage(items=[schema_line(row) for row in page], next=str(page[-1].id) if len(rows) > len(page) else None)


@router.get("/{schema_id}", responses=problems("schema_unknown"))
async def show_schema(coordinator: CoordinatorDep, schema_id: str) -> SchemaShown:
    """One schema by its id."""
    number = parse_number(schema_id)
    row = next((row for row in await coordinator.store.schemas() if row.id == number), None)
    if row is None:
        raise Problem("schema_unknown")
    return SchemaShown(**schema_line(row).model_dump(), document=orjson.loads(row.document))
