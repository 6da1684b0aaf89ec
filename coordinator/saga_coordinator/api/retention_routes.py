"""`/v1/retention`: finished sagas removed by hand."""

from __future__ import annotations

from fastapi import APIRouter

from saga_coordinator.api.answers import PurgedSaga, PurgeShown
from saga_coordinator.api.bodies import PurgeBody
from saga_coordinator.api.facade import CoordinatorDep
from saga_coordinator.api.problems import WITH_BODY, Problem, problems
from saga_coordinator.api.request_body import StrictRoute
from saga_coordinator.archive.port import ArchiveError
from saga_coordinator.retention.purge import Purged, PurgeRefused
from saga_schemas.times import format_us

router = APIRouter(prefix="/v1/retention", tags=["retention"], route_class=StrictRoute)


@router.post("/purge", responses=problems("definition_unknown", "archive_unavailable", *WITH_BODY))
async def purge(coordinator: CoordinatorDep, body: PurgeBody) -> PurgeShown:
    """Remove one batch of a definition's finished sagas, or with `dry_run` say what there is.

    Repeat it while the answer says `more`.
    """
    try:
        found = await coordinator.purge(
            body.definition, body.version, body.before, dry_run=body.dry_run, who=body.actor, why=body.reason
        )
    except PurgeRefused as refused:
        detail = str(refused)
        raise Problem("request_invalid", detail, field="before", expected=detail.removeprefix("before: ")) from None
    except ArchiveError as error:
        raise Problem("archive_unavailable", str(error)) from None
    if found is None:
        raise Problem("definition_unknown")
    return _shown(found)


def _shown(found: Purged) -> PurgeShown:
    return PurgeShown(
        before=format_us(found.before_us),
        found=found.found,
        sample=[
            PurgedSaga(
                id=str(saga.id),
                key=saga.business_key,
                definition=saga.definition,
                definition_version=saga.definition_version,
                phase=saga.phase,
                closed_at=format_us(saga.closed_at_us),
            )
            for saga in found.sample
        ],
        removed=found.removed,
        rows=found.rows,
        held=found.held,
        waiting=found.waiting,
        waiting_until=None if found.waiting_until_us is None else format_us(found.waiting_until_us),
        more=found.more,
    )
