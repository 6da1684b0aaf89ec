"""A batch's query means what it meant when the batch was made."""

from __future__ import annotations

import pytest

from saga_coordinator.batches.pinning import pinned
from saga_coordinator.query import QueryRefused, parse

MOMENT_US = 1_790_000_000_000_000


@pytest.mark.parametrize(
    ("relative", "fixed"),
    [
        ("closed < -1h", "closed < 2026-09-21T13:13:20Z"),
        ("started between -2h and now", "started between 2026-09-21T12:13:20Z and 2026-09-21T14:13:20Z"),
        ("phase = RUNNING and not (started > now or label.due < -1d)", None),
    ],
)
def test_relative_times_count_from_the_moment(relative: str, fixed: str | None) -> None:
    found = pinned(relative, MOMENT_US)
    assert "FromNow" not in repr(found.condition)
    assert found.text == relative
    if fixed is not None:
        assert found.condition == parse(fixed).condition


def test_what_is_no_query_is_refused() -> None:
    with pytest.raises(QueryRefused):
        pinned("phase =", MOMENT_US)
