"""Figures over time: what is counted at a commit, what of it is stored, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from saga_coordinator.inbound.dead_letters import dead_letter
from saga_coordinator.store.overview_port import TrafficRow
from saga_coordinator.telemetry.committed import CommitTelemetry
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.telemetry.traffic import COARSE, FINE, MINUTE_US, Traffic
from saga_coordinator.telemetry.traffic_figures import (
    DEFINITION,
    INSTANCE,
    MOST_CODES,
    OTHER,
    PARTICIPANT,
    AnyFigures,
    DefinitionFigures,
    InstanceFigures,
    ParticipantFigures,
    decode,
    encode,
)
from saga_coordinator.views.traffic_periods import merged, totalled
from saga_messaging.broker import Record
from saga_schemas.errors import BadMessage
from support.moves import Work, counted

AT_US = 1_000 * MINUTE_US


def stored(traffic: Traffic, instance: str = "i") -> list[TrafficRow]:
    return traffic.rows(traffic.changed(), instance)


def fine(rows: list[TrafficRow]) -> dict[tuple[str, str], AnyFigures]:
    found = {(row.kind, row.name): decode(row.kind, row.figures) for row in rows if row.minutes == FINE}
    return {key: figures for key, figures in found.items() if figures is not None}


def test_a_saga_is_counted_for_its_definition_and_its_participants() -> None:
    rows = stored(counted("reserve:SUCCEEDED charge:FAILED").traffic)
    whole = totalled(merged(row for row in rows if row.minutes == FINE).values())

    assert whole.definitions["order"].started == 1
    assert whole.definitions["order"].ended == {}
    asked = {name: (one.commands, one.replies) for name, one in whole.participants.items()}
    assert sum(commands for commands, _ in asked.values()) == 2
    replies = [outcome for _, of in asked.values() for outcome in of]
    assert sorted(replies) == ["FAILED", "SUCCEEDED"]


def test_an_end_is_counted_with_its_phase_and_how_long_it_took() -> None:
    done = "reserve:SUCCEEDED charge:SUCCEEDED ship:SUCCEEDED"
    figures = fine(stored(counted(done).traffic))["definition", "order"]

    assert isinstance(figures, DefinitionFigures)
    assert {phase: sum(buckets.values()) for phase, buckets in figures.ended.items()} == {"COMPLETED": 1}


def test_a_batch_and_a_dead_letter_are_counted_for_the_instance() -> None:
    instruments = Instruments()
    record = Record(topic="t", partition=0, offset=7, timestamp_ms=0, key=b"k", value=b"v", headers=())
    letter = replace(dead_letter("replies", record, BadMessage("token_invalid"), 0), at_us=AT_US)
    telemetry = CommitTelemetry(instruments)
    telemetry.committed([Work("reserve:SUCCEEDED").as_work()], [], [letter], 0)
    telemetry.saved(0.002, AT_US)
    instruments.timer_batch(1, iter([5_000, 7_000]))

    rows = [row for row in stored(instruments.traffic) if row.minute == 1_000 and row.minutes == FINE]
    figures = fine(rows)["instance", ""]
    assert isinstance(figures, InstanceFigures)
    assert figures.letters == {"token_invalid": 1}
    assert [sum(buckets.values()) for buckets in (figures.commits, figures.late)] == [1, 2]


def test_what_is_stored_is_not_stored_again_until_something_more_is_counted() -> None:
    traffic = Traffic()
    traffic.started("order", AT_US)
    assert len(stored(traffic)) == 2
    assert stored(traffic) == []
    traffic.started("order", AT_US + 1)
    assert fine(stored(traffic)) == {("definition", "order"): DefinitionFigures(started=2)}


def test_what_could_not_be_stored_is_stored_the_next_time() -> None:
    traffic = Traffic()
    traffic.started("order", AT_US)
    cells = traffic.changed()
    rows = traffic.rows(cells, "i")
    traffic.unstored(cells)
    assert stored(traffic) == rows


def test_a_coarse_row_has_all_minutes_that_are_counted_so_far() -> None:
    traffic = Traffic()
    begin = 1_005  # a multiple of fifteen
    for minute in (begin, begin + 3, begin + COARSE - 1, begin + COARSE):
        traffic.started("order", minute * MINUTE_US)
        stored(traffic)
    traffic.started("order", begin * MINUTE_US)

    (coarse,) = [row for row in stored(traffic) if row.minutes == COARSE]
    assert (coarse.minute, decode(coarse.kind, coarse.figures)) == (begin, DefinitionFigures(started=4))


def test_old_minutes_are_forgotten_once_stored_and_what_comes_late_writes_over_nothing() -> None:
    traffic = Traffic()
    traffic.started("order", AT_US)
    stored(traffic)
    traffic.started("refund", AT_US)
    now_us = AT_US + 60 * MINUTE_US
    traffic.forget(now_us)
    assert [(kind, name) for _, kind, name in traffic.changed()] == [("definition", "refund")], "not stored yet"
    stored(traffic)
    traffic.forget(now_us)
    traffic.started("order", AT_US)

    assert all(row.minute > AT_US // MINUTE_US + COARSE for row in stored(traffic))


def test_codes_are_bounded_and_the_rest_is_other() -> None:
    traffic = Traffic()
    for number in range(MOST_CODES + 30):
        traffic.answered("payment", "FAILED", f"code-{number}", AT_US)
    traffic.answered("payment", "FAILED", "code-0", AT_US)
    figures = fine(stored(traffic))["participant", "payment"]

    assert isinstance(figures, ParticipantFigures)
    assert len(figures.replies["FAILED"]) == MOST_CODES + 1
    assert (figures.replies["FAILED"][OTHER], figures.replies["FAILED"]["code-0"]) == (30, 2)


def test_names_are_bounded_and_the_rest_is_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saga_coordinator.telemetry.traffic.MOST_CELLS", 3)
    traffic = Traffic()
    for number in range(10):
        traffic.started(f"saga-{number}", AT_US)
    assert fine(stored(traffic))["definition", OTHER] == DefinitionFigures(started=7)


@pytest.mark.parametrize(
    "figures",
    [
        DefinitionFigures(started=3, ended={"COMPLETED": {77: 3, 0: 1}, "FORCED": {}}),
        ParticipantFigures(
            commands=4,
            replies={"SUCCEEDED": {"": 2}, "FAILED": {"bank down \N{SNOWMAN}": 1}},
            parts={"wire": {5: 6}},
            sent_at_us=7,
            heard_at_us=8,
        ),
        InstanceFigures(commits={1: 2}, late={3: 4}, letters={"token_invalid": 1}),
    ],
)
def test_figures_come_back_as_they_were_stored(figures: AnyFigures) -> None:
    kinds: Mapping[type, str] = {DefinitionFigures: DEFINITION, ParticipantFigures: PARTICIPANT, InstanceFigures: INSTANCE}
    assert decode(kinds[type(figures)], encode(figures)) == figures


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "no",
        '{"started": -1}',
        '{"started": true}',
        '{"ended": []}',
        '{"ended": {"COMPLETED": [1]}}',
        '{"ended": {"COMPLETED": ["1", 2]}}',
        "\xff",
    ],
)
def test_a_row_that_is_none_is_passed_over(text: str) -> None:
    row = TrafficRow(minute=1, minutes=1, instance="i", kind="definition", name="order", figures=text.encode("latin-1"))
    good = TrafficRow(minute=1, minutes=1, instance="j", kind="definition", name="order", figures=b'{"started": 2, "more": {}}')
    other = TrafficRow(minute=1, minutes=1, instance="i", kind="weather", name="order", figures=b"{}")
    assert totalled(merged([row, other, good]).values()).definitions == {"order": DefinitionFigures(started=2)}


def test_what_two_instances_counted_is_added_up() -> None:
    rows: list[Any] = []
    for instance in ("first", "second"):
        traffic = Traffic()
        traffic.started("order", AT_US)
        traffic.ended("order", "COMPLETED", 1_000, AT_US)
        traffic.took("payment", "wire", 2_000, AT_US)
        traffic.sent("payment", AT_US + (instance == "second"))
        rows += [row for row in stored(traffic, instance) if row.minutes == FINE]
    (period,) = merged(rows).values()

    assert period.total.definitions["order"].started == 2
    assert [sum(buckets.values()) for buckets in period.total.definitions["order"].ended.values()] == [2]
    assert sum(period.total.participants["payment"].parts["wire"].values()) == 2
    assert period.total.participants["payment"].sent_at_us == AT_US + 1
