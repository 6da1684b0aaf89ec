"""`/v1/imports`: sagas that ran elsewhere, taken in for reading."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request

from saga_coordinator.api.answers import ImportAnswer
from saga_coordinator.api.bodies import ImportQuery
from saga_coordinator.api.facade import CoordinatorDep
from saga_coordinator.api.problems import Problem, problems
from saga_coordinator.api.saga_routes import CONTAINER_TYPE
from saga_coordinator.archive.container import Damaged, read_container
from saga_coordinator.archive.importing import ImportRefused, import_entries

MOST_BYTES: Final = 16 * 1024 * 1024
"""Of one file."""
MOST_DECOMPRESSED: Final = 16 * MOST_BYTES
_BODY: Final = {
    "requestBody": {"required": True, "content": {CONTAINER_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
}

router = APIRouter(prefix="/v1/imports", tags=["sagas"])


@router.post(
    "",
    status_code=201,
    openapi_extra=_BODY,
    responses=problems("import_invalid", "import_conflict", "file_too_large", "container_expected"),
)
async def import_sagas(coordinator: CoordinatorDep, request: Request, asked: Annotated[ImportQuery, Query()]) -> ImportAnswer:
    """Take in the sagas of an Avro object container file that an export gave: all, or none.

    They are shown and listed, and nothing is ever done to them. Doing it again changes nothing.
    """
    content = await _body(request)
    try:
        entries = await asyncio.to_thread(read_container, content, MOST_DECOMPRESSED)
        done = await import_entries(
            coordinator.store, entries, tenant=coordinator.settings.tenant, who=asked.actor, why=asked.reason or ""
        )
    except Damaged as damaged:
        raise Problem("import_invalid", f"The file is damaged: {damaged}. Nothing was imported.") from None
    except ImportRefused as refused:
        detail = f"saga {refused.saga_id}: {refused}. Nothing was imported."
        raise Problem("import_conflict", detail, saga_id=str(refused.saga_id)) from None
    return ImportAnswer(imported=[str(id) for id in done.taken], known=[str(id) for id in done.known])


async def _body(request: Request) -> bytes:
    if request.headers.getlist("content-type") != [CONTAINER_TYPE]:
        raise Problem("container_expected")
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BYTES:
            raise Problem("file_too_large")
        parts.append(part)
    return b"".join(parts)
