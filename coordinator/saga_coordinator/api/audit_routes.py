"""`/v1/audit`: who did what, and why."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from saga_coordinator.api.answers import AuditLine, AuditLines
from saga_coordinator.api.bodies import AuditQuery
from saga_coordinator.api.facade import CoordinatorDep
from saga_coordinator.api.problems import problems
from saga_coordinator.api.request_body import StrictRoute
from saga_coordinator.api.saga_routes import bad_cursor
from saga_coordinator.store.port import AuditFilter
from saga_schemas.ids import parse_number

router = APIRouter(prefix="/v1/audit", tags=["audit"], route_class=StrictRoute)


@router.get("", responses=problems())
async def list_acts(coordinator: CoordinatorDep, wanted: Annotated[AuditQuery, Query()]) -> AuditLines:
    """The acts of operators, newest first.

    A page looks at 10,000 acts at most. So it may have few lines, or none, and still a `next`.
    """
    before = None
    if wanted.cursor is not None:
        before = parse_number(wanted.cursor)
        if before is None:
            raise bad_cursor()
    page = await coordinator.store.audit(
        AuditFilter(
            tenant=coordinator.settings.tenant,
            act=wanted.act,
            target=wanted.target,
            who=wanted.who,
            before=before,
            limit=wanted.limit,
        )
    )
    return AuditLines(items=[AuditLine.of(row) for row in page.rows], next=None if page.next is None else str(page.next))
