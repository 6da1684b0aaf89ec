"""`POST /v1/retention/purge`, and what waits without making an instance unready."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest

from saga_coordinator.archive.port import ArchiveError
from saga_coordinator.retention.purge import Purged, PurgeRefused
from saga_coordinator.store.removal_port import FinishedSaga

PATH = "/v1/retention/purge"
BODY: dict[str, Any] = {"definition": "order", "version": 1, "before": "90d", "reason": "the trial is over", "actor": "me"}
ONE = FinishedSaga(
    id=UUID(int=7),
    tenant="default",
    definition="order",
    definition_version=1,
    business_key="o-17",
    phase="COMPLETED",
    trace_id="0" * 32,
    started_at_us=0,
    closed_at_us=1_000_000,
    shelf=0,
)


async def test_who_and_why_go_along_and_the_answer_says_what_happened(http: httpx.AsyncClient, coordinator: Any) -> None:
    coordinator.purged = Purged(before_us=0, found=3, sample=[ONE], removed=2, rows=9, held={"untraced": 1}, more=True)
    answer = await http.post(PATH, json=BODY)
    assert answer.status_code == 200
    assert answer.json() == {
        "before": "1970-01-01T00:00:00.000000Z",
        "found": 3,
        "sample": [
            {
                "id": str(ONE.id),
                "key": "o-17",
                "definition": "order",
                "definition_version": 1,
                "phase": "COMPLETED",
                "closed_at": "1970-01-01T00:00:01.000000Z",
            }
        ],
        "removed": 2,
        "rows": 9,
        "held": {"untraced": 1},
        "waiting": 0,
        "waiting_until": None,
        "more": True,
    }
    assert coordinator.acts == [("purge", "order", 1, "90d", False, "me", "the trial is over")]


async def test_an_unknown_definition_is_not_found(http: httpx.AsyncClient) -> None:
    answer = await http.post(PATH, json=BODY)
    assert (answer.status_code, answer.json()["code"]) == (404, "definition_unknown")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(PurgeRefused("before: write an age"), 422, "request_invalid"), (ArchiveError("full"), 503, "archive_unavailable")],
)
async def test_a_refusal_has_its_code(
    http: httpx.AsyncClient, coordinator: Any, error: Exception, status: int, code: str
) -> None:
    coordinator.raises = error
    answer = await http.post(PATH, json=BODY)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("spoilt", [{"before": "9" * 41}, {"reason": " "}, {"definition": "Order"}, {"version": 0}, {"more": 1}])
async def test_a_bad_field_is_named(http: httpx.AsyncClient, spoilt: dict[str, Any]) -> None:
    answer = await http.post(PATH, json=BODY | spoilt)
    assert (answer.status_code, answer.json()["field"]) == (422, next(iter(spoilt)))


async def test_what_waits_is_noted_by_an_instance_that_is_ready(http: httpx.AsyncClient, coordinator: Any) -> None:
    coordinator.noted = ["retention: archive: the disk is full"]
    answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "notes": ["retention: archive: the disk is full"]})
