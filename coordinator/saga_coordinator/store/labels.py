"""Rows of labels: a value stands in the column of its type."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from saga_coordinator.store.dialect import AnySelect, among
from saga_coordinator.store.label_tables import VALUES, saga_label
from saga_schemas.labels import LabelValue
from saga_schemas.times import from_datetime, to_datetime

Labels = Mapping[str, LabelValue]
NO_LABELS: Labels = {}


def label_row(tenant: str, saga_id: UUID, name: str, value: LabelValue) -> tuple[Any, ...]:
    """In the order of the statement's columns."""
    flag = value if isinstance(value, bool) else None
    number = float(value) if isinstance(value, int | float) and flag is None else None
    time = from_datetime(value) if isinstance(value, datetime) else None
    return (tenant, name, saga_id, value if isinstance(value, str) else None, number, flag, time)


def label_columns(tenant: str, saga_id: UUID, labels: Labels) -> list[dict[str, Any]]:
    """The rows of a saga's labels by column."""
    names = ("tenant", "name", "saga_id", *VALUES)
    return [dict(zip(names, label_row(tenant, saga_id, *label), strict=True)) for label in labels.items()]


def select_labels(dialect: str, ids: Collection[UUID]) -> AnySelect:
    t = saga_label.c
    values = [t[name] for name in VALUES]
    return select(t.saga_id, t.name, *values).where(among(dialect, t.saga_id, ids)).order_by(t.saga_id, t.name)


def read_labels(rows: Sequence[Any]) -> dict[UUID, dict[str, LabelValue]]:
    """By saga."""
    found: dict[UUID, dict[str, LabelValue]] = {}
    for saga_id, name, text, number, flag, time in rows:
        value = text if text is not None else number if number is not None else None if flag is None else bool(flag)
        found.setdefault(saga_id, {})[name] = to_datetime(time) if value is None else value
    return found
