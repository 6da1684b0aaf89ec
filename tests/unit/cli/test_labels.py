"""Labels on the command line: given at a start, shown in lists and of one saga."""

from __future__ import annotations

from typing import Any

import pytest

LINE = {
    "id": "019b0000-0000-7000-8000-000000000001",
    "key": "o-17",
    "definition": "order",
    "definition_version": 1,
    "phase": "RUNNING",
    "attention": [],
    "started_at": "2026-11-01T00:00:00.000000Z",
    "closed_at": None,
    "version": 1,
    "trace_id": "0" * 32,
    "imported": False,
    "labels": {},
}
START = ("start", "order", "--input", "{}")


def test_labels_are_given_by_name_and_value(saga: Any, coordinator: Any) -> None:
    coordinator.answer("POST", "/v1/sagas", {"id": LINE["id"], "created": True, "request_id": "r"}, 201)
    given = ["customer=c-1", "total=12.5", "count=3", "vip=true", 'code="5"', "note=a=b", "due=2026-11-01T00:00:00Z"]
    assert saga(*START, *(word for one in given for word in ("--label", one))).code == 0
    assert coordinator.asked[-1].body["labels"] == {
        "code": "5",
        "count": 3,
        "customer": "c-1",
        "due": "2026-11-01T00:00:00.000000Z",
        "note": "a=b",
        "total": 12.5,
        "vip": True,
    }
    assert saga(*START).code == 0
    assert "labels" not in coordinator.asked[-1].body


@pytest.mark.parametrize("label", ["customer", "=x", "a b=x", "a=", "a=\n"])
def test_what_is_no_label_is_refused_before_anything_is_asked(saga: Any, coordinator: Any, label: str) -> None:
    told = saga(*START, "--label", label)
    assert told.code == 2
    assert "--label" in told.err
    assert coordinator.asked == []


def test_a_list_has_a_column_of_labels_where_a_saga_has_some(saga: Any, coordinator: Any) -> None:
    coordinator.answer("GET", "/v1/sagas", {"items": [LINE], "next": None})
    coordinator.answer("GET", "/v1/sagas", {"items": [LINE, LINE | {"labels": {"customer": "c-1", "vip": True}}], "next": None})
    assert "LABELS" not in saga("list").out
    header, without, labelled = saga("list").out.splitlines()
    assert header.split()[-1] == "LABELS"
    assert labelled.endswith("customer=c-1  vip=true")
    assert without.rstrip().endswith(LINE["id"])
