"""Where the audit's lines lead to."""

from __future__ import annotations

import pytest

from saga_coordinator.console.pages.audit import target_path

ID = "019b0000-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("act", "target", "path"),
    [
        ("retry charge", ID, f"/sagas/{ID}"),
        ("definition.activate", "order@3", "/definitions/order?version=3"),
        ("schema.add", "t.<b>/x", "/schemas?subject=t.%3Cb%3E%2Fx"),
        ("batch cancel", f"{ID}: open", f"/batches/{ID}"),
        ("batch stop", ID, f"/batches/{ID}"),
        ("redrive again", f"dead letter {ID} of saga.start", f"/dead-letters/{ID}"),
        ("schedule pause", "settlement", "/schedules/settlement"),
        ("schedule backfill", "settlement: 12 ticks", "/schedules/settlement"),
        ("schedule stop-backfill", ID, None),
        ("schedule calendar put", "german-holidays", "/calendars"),
        ("purge", "order before 90d", None),
        ("batch cancel", "<b>", None),
        ("definition.activate", "../x", None),
    ],
)
def test_what_was_acted_on_is_a_link(act: str, target: str, path: str | None) -> None:
    assert target_path(act, target) == path
