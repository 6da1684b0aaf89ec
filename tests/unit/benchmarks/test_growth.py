"""What the growth benchmark makes up itself: copies of sagas, and wide definitions."""

from __future__ import annotations

import pytest
from filling import COORDINATOR, PARTICIPANT, statement
from holding import Held
from system import DEMO
from width import SHAPES, Cost, Shape, bars

from saga_coordinator.definitions import lint
from saga_coordinator.store import schema
from saga_demo.ledger import metadata as ledger
from saga_participant.tables import metadata as barrier
from saga_schemas.catalog import Catalog
from saga_schemas.files import read_schemas


def test_a_copy_has_another_id_and_key_and_is_the_template_otherwise() -> None:
    listing = next(kept for kept in COORDINATOR if kept.table == "saga_listing")
    assert statement(listing, ["tenant", "saga_id", "business_key"]) == (
        'INSERT INTO saga_listing ("tenant", "saga_id", "business_key") SELECT t."tenant", copies.id, copies.key'
        " FROM saga_listing AS t, copies WHERE t.saga_id = $1::uuid"
    )


def test_an_id_that_is_kept_as_text_stays_text() -> None:
    (kept,) = [kept for kept in PARTICIPANT if kept.text_id]
    assert statement(kept, ["saga_id", "run"]) == (
        'INSERT INTO effect_ledger ("saga_id", "run") SELECT copies.id::text, t."run"'
        " FROM effect_ledger AS t, copies WHERE t.saga_id = $1::uuid::text"
    )


@pytest.mark.parametrize("kept", [*COORDINATOR, *PARTICIPANT], ids=lambda kept: kept.table)
def test_what_is_copied_is_there(kept: object) -> None:
    tables = schema.metadata.tables | barrier.tables | ledger.tables
    assert kept.table in tables  # type: ignore[attr-defined]
    assert {kept.id, *kept.keys} <= set(tables[kept.table].columns.keys())  # type: ignore[attr-defined]


def test_every_table_that_names_a_finished_saga_is_copied() -> None:
    """Of those that a saga without trouble, without a trace, leaves rows in while it is kept."""
    left_by_trouble = {"attention", "inbox_event", "lost_effect", "orphan_reply", "saga_key_former", "span_due", "outbox"}
    after_it = {"removed_saga"}
    of_other_stores = {"imported", "recovering"}
    of_schedules = {"schedule_tick", "schedule_tick_range"}
    naming = {table.name for table in schema.metadata.tables.values() if "saga_id" in table.columns or table.name == "saga"}
    assert naming - left_by_trouble - after_it - of_other_stores - of_schedules == {kept.table for kept in COORDINATOR}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_every_shape_is_a_definition(shape: Shape) -> None:
    catalog = Catalog(read_schemas(DEMO / "schemas"))
    document = lint(shape.definition(), f"{shape.name}.saga.yaml", catalog).required()
    assert (document.saga, len(document.steps)) == (shape.name, shape.steps)
    assert shape.sagas >= 1


def test_the_bar_of_wide_sagas_compares_what_a_step_costs() -> None:
    def costs(steps: int, *each_ms: float) -> list[Cost]:
        shape = Shape(steps, parallel=True)
        return [Cost(shape, {"coordinator": one_ms / 2, "PostgreSQL": one_ms / 2}, 1.0) for one_ms in each_ms]

    (met,) = bars(costs(20, 2.0, 1.0, 9.0) + costs(1000, 9.0, 3.0, 2.0))
    (missed,) = bars(costs(20, 2.0) + costs(1000, 3.2))
    (unmeasured,) = bars(costs(20, 2.0))
    assert [(bar.found, bar.met) for bar in (met, missed, unmeasured)] == [(1.5, True), (1.6, False), (None, False)]
    assert isinstance(met, Held)
