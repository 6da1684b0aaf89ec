"""Who did what, to what, and why."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from saga_coordinator.console import parameters
from saga_coordinator.console.console import Console
from saga_coordinator.console.parameters import uuid_of
from saga_coordinator.console.routing import PageRoute
from saga_coordinator.store.port import AuditFilter
from saga_schemas.ids import parse_saga_id, valid_definition_ref, valid_name

LINES: Final = 50


async def show(console: Console, request: Request) -> Response:
    """A page of acts."""
    asked = {name: parameters.text(request, name) for name in ("act", "who", "target")}
    before = parameters.number(request, "before")
    page = await console.coordinator.store.audit(
        AuditFilter(
            tenant=console.coordinator.settings.tenant,
            before=before,
            limit=LINES,
            act=asked["act"] or None,
            who=asked["who"] or None,
            target=asked["target"] or None,
        )
    )
    return await console.page(
        request,
        "audit.html",
        section="audit",
        title="Audit",
        live="list" if before is None else None,
        asked=asked,
        filtered=any(asked.values()),
        newest=parameters.address("/audit", **asked) if before is not None else None,
        older=parameters.address("/audit", **asked, before=page.next) if page.next is not None else None,
        lines=[(row, target_path(row.act, row.target)) for row in page.rows],
    )


def target_path(act: str, target: str) -> str | None:
    """The page of what an act was done to, where there is one."""
    if act.startswith("schedule calendar"):
        return "/calendars"
    if act.startswith("schedule"):
        name = target.partition(":")[0]
        return f"/schedules/{name}" if valid_name(name) else None
    if parse_saga_id(target) is not None:
        return f"/{'batches' if act.startswith('batch ') else 'sagas'}/{target}"
    reference = valid_definition_ref(target)
    if act.startswith("definition.") and reference is not None:
        return parameters.address(f"/definitions/{reference[0]}", version=reference[1])
    if act.startswith("batch ") and (batch := uuid_of(target.partition(":")[0])) is not None:
        return f"/batches/{batch}"
    if act.startswith("redrive") and (letter := uuid_of(target.removeprefix("dead letter ").partition(" ")[0])) is not None:
        return f"/dead-letters/{letter}"
    if act == "schema.add":
        return parameters.address("/schemas", subject=target)
    return None


ROUTES = [PageRoute(path="/audit", handler=show)]
