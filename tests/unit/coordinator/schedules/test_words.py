"""What the codes of schedules mean, and why a schedule needs somebody."""

from __future__ import annotations

from typing import Any

import pytest

from saga_coordinator.schedules.words import (
    ATTENTION_CODES,
    REASON_CODES,
    all_needs,
    attention_words,
    needs,
    reason_words,
)
from saga_coordinator.store.schedule_records import ScheduleStatus
from support.stored_schedules import DAY_US, HOUR_US, NOW_US, schedule_row

PAUSED: dict[str, Any] = {"status": ScheduleStatus.PAUSED, "paused_by": "ana", "paused_why": "the bank is down"}


@pytest.mark.parametrize("code", ATTENTION_CODES)
def test_each_code_of_attention_names_the_schedule_and_a_way_out(code: str) -> None:
    row = schedule_row(attention=code, attention_since_us=NOW_US - HOUR_US, attention_note="a note")
    (need,) = needs(row, NOW_US)
    assert need.code == code
    assert "settlement" in need.sentence
    assert need.since_us == NOW_US - HOUR_US
    assert need.command.startswith("saga ")
    assert not [text for text in (need.sentence, need.way_out, need.command, need.act) if "{" in text]


@pytest.mark.parametrize("code", REASON_CODES)
def test_each_reason_of_a_tick_has_words_of_its_own(code: str) -> None:
    assert reason_words(code) != code.replace("_", " ")


def test_codes_of_a_later_release_are_told_too() -> None:
    assert reason_words("moon_is_full") == "moon is full"
    (need,) = needs(schedule_row(attention="moon_is_full", attention_since_us=1, attention_note="look up"), NOW_US)
    assert (need.sentence, need.note) == ("the schedule settlement needs a person", "look up")


def test_a_schedule_at_work_needs_nobody() -> None:
    assert needs(schedule_row(success_due_at_us=NOW_US + 1), NOW_US) == []


def test_the_definition_is_named() -> None:
    (need,) = needs(schedule_row(attention="definition_inactive", attention_since_us=1), NOW_US)
    assert need.sentence == "the schedule settlement cannot start: no version of settle-day is active"
    assert need.command == "saga def activate settle-day VERSION"


def test_a_document_of_a_later_release_names_no_definition() -> None:
    (need,) = needs(schedule_row(document="{}", attention="definition_inactive", attention_since_us=1), NOW_US)
    assert need.definition == ""
    assert "no version of its definition is active" in need.sentence


def test_a_success_that_is_overdue_needs_somebody_before_the_loop_has_said_so() -> None:
    row = schedule_row(success_due_at_us=NOW_US - HOUR_US, succeeded_at_us=NOW_US - 27 * HOUR_US)
    (need,) = needs(row, NOW_US)
    assert (need.code, need.since_us) == ("no_success", NOW_US - HOUR_US)
    assert need.note.startswith("The last completed at 20")
    assert needs(schedule_row(success_due_at_us=NOW_US), NOW_US)[0].note == "No saga of it has completed yet."


def test_an_overdue_success_is_told_beside_what_keeps_it_from_starting() -> None:
    row = schedule_row(attention="input_invalid", attention_since_us=1, success_due_at_us=NOW_US - 1)
    assert [need.code for need in needs(row, NOW_US)] == ["input_invalid", "no_success"]
    said = schedule_row(attention="no_success", attention_since_us=NOW_US, success_due_at_us=NOW_US - 1)
    assert [need.code for need in needs(said, NOW_US)] == ["no_success"], "once"


def test_a_pause_is_told_once_it_is_long() -> None:
    assert needs(schedule_row(**PAUSED, paused_at_us=NOW_US - DAY_US + 1), NOW_US) == []
    (need,) = needs(schedule_row(**PAUSED, paused_at_us=NOW_US - DAY_US), NOW_US)
    assert (need.code, need.note) == ("paused", "By ana: the bank is down")
    assert not attention_words("paused").bad


def test_a_schedule_that_paused_itself_is_told_once() -> None:
    row = schedule_row(**PAUSED, paused_at_us=1, attention="paused_on_failure", attention_since_us=1)
    assert [need.code for need in needs(row, NOW_US)] == ["paused_on_failure"]


def test_a_deleted_schedule_needs_nobody() -> None:
    row = schedule_row(status=ScheduleStatus.DELETED, attention="input_invalid", attention_since_us=1, success_due_at_us=1)
    assert needs(row, NOW_US) == []


def test_what_does_no_work_comes_first_then_what_waits_longest() -> None:
    forgotten = schedule_row("a", **PAUSED, paused_at_us=1)
    late = schedule_row("b", attention="input_invalid", attention_since_us=9)
    early = schedule_row("c", attention="start_refused", attention_since_us=5)
    assert [need.name for need in all_needs([forgotten, late, early], NOW_US)] == ["c", "b", "a"]
