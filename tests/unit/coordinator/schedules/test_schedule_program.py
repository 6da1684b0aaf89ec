"""What a schedule makes of a tick: the input, framed, and the key."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from saga_coordinator.calendar.problem import CalendarInvalid
from saga_coordinator.definitions import CompiledDefinition
from saga_coordinator.definitions.messages import read_framed
from saga_coordinator.engine.definition import MappingFailed
from saga_coordinator.schedules import lint_schedule
from saga_coordinator.schedules.program import Moment, ScheduleProgram, program_of
from saga_coordinator.schedules.tick_names import tick_text
from saga_schemas.catalog import Catalog
from saga_schemas.times import parse_us
from unit.coordinator.schedules.settling import NOW_US, SETTLE, SETTLE_DAY, SOUND, compiled, days, look

TICK_US = parse_us("2027-03-28T01:00:00Z")
BEFORE_US = parse_us("2027-03-27T01:30:00Z")


def program(*changes: tuple[str, str]) -> ScheduleProgram:
    text = SOUND
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return program_of(lint_schedule(text, "x", look, days(), NOW_US).required(), days())


def moment(at_us: int = TICK_US, previous_us: int | None = None) -> Moment:
    return Moment(name="settlement", at_us=at_us, previous_us=previous_us)


def read(framed: bytes, definition: CompiledDefinition = SETTLE_DAY) -> dict[str, Any]:
    return read_framed(framed, Catalog([definition.input_schema]), definition.input_schema)


def test_the_input_of_a_tick_is_framed_under_the_definitions_schema() -> None:
    made = read(program().input_of(SETTLE_DAY, moment(previous_us=BEFORE_US)))

    assert made == {
        "day": "2027-03-28T01:00:00Z",
        "due": datetime(2027, 3, 28, 1, tzinfo=UTC),
        "since": datetime(2027, 3, 27, 1, 30, tzinfo=UTC),
        "currency": "EUR",
        "count": 1,
        "id": None,
    }


def test_the_first_tick_has_none_before_it() -> None:
    assert read(program().input_of(SETTLE_DAY, moment()))["since"] is None


def test_the_same_tick_gives_the_same_bytes() -> None:
    one, other = program(), program()

    assert one.input_of(SETTLE_DAY, moment()) == other.input_of(SETTLE_DAY, moment())


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("${schedule.name + '/' + schedule.tick}", "settlement/2027-03-28T01:00:00Z"),
        ("${schedule['tick']}", "2027-03-28T01:00:00Z"),
        ("${string(schedule.scheduled_for)}", "2027-03-28T01:00:00+00:00"),
        ("${schedule.scheduled_for.getDayOfWeek() == 0 ? 'sunday' : 'weekday'}", "sunday"),
        ("${schedule.previous == null ? 'first' : schedule.tick}", "first"),
        ("$${schedule.tick}", "${schedule.tick}"),
        ("${[1].map(input, string(input))[0]}", "1"),
    ],
    ids=["text", "index", "timestamp-as-text", "method", "null", "literal", "a-loop-may-call-its-variable-input"],
)
def test_expressions_read_the_tick(given: str, made: str) -> None:
    quoted = given.replace('"', "'")
    found = program(('day: "${schedule.tick}"', f'day: "{quoted}"')).input_of(SETTLE_DAY, moment())

    assert read(found)["day"] == made


def test_keys_are_made_of_the_tick_or_left_to_others() -> None:
    assert program().key_of(moment()) == "settlement@2027-03-28T01:00:00Z"
    assert program(("key: ${schedule.name + '@' + schedule.tick}\n", "")).key_of(moment()) is None


def test_a_key_that_nobody_could_look_up_is_found_before_the_tick() -> None:
    text = SOUND.replace("key: ${schedule.name + '@' + schedule.tick}", "key: ${schedule.tick + ' '}")
    result = lint_schedule(text, "x", look, days(), NOW_US)

    assert [finding.code for finding in result.findings] == ["S312"]
    assert "key: must be" in result.findings[0].message


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ({"name": "day", "type": "int"}, "t.Settle.day is an int"),
        ({"name": "daytime", "type": "string"}, "t.Settle has no field day"),
    ],
    ids=["another-type", "renamed"],
)
def test_input_that_a_later_version_of_the_definition_does_not_take_names_the_field(field: dict[str, Any], says: str) -> None:
    later = compiled_with(field)

    with pytest.raises(MappingFailed) as failed:
        program().input_of(later, moment())
    assert failed.value.detail == says


def test_a_new_field_without_a_default_is_named() -> None:
    later = compiled_with({"name": "day", "type": "string"}, {"name": "branch", "type": "string"})

    with pytest.raises(MappingFailed, match=r"t\.Settle\.branch is a string, and no value is given"):
        program().input_of(later, moment())


def compiled_with(*fields: dict[str, Any]) -> CompiledDefinition:
    """The definition with other fields in the place of `day`."""
    others = [field for field in SETTLE["fields"] if field["name"] != "day"]
    return compiled(settle={**SETTLE, "fields": [*fields, *others]}, day="monday")


def test_a_trigger_s_microseconds_do_not_go_into_milliseconds() -> None:
    with pytest.raises(MappingFailed, match=r"t\.Settle\.due"):
        program().input_of(SETTLE_DAY, moment(at_us=TICK_US + 1))


@pytest.mark.parametrize(
    ("at_us", "text"),
    [
        (TICK_US, "2027-03-28T01:00:00Z"),
        (TICK_US + 1, "2027-03-28T01:00:00.000001Z"),
        (TICK_US + 500_000, "2027-03-28T01:00:00.500000Z"),
        (0, "1970-01-01T00:00:00Z"),
    ],
)
def test_a_tick_is_named_by_its_instant(at_us: int, text: str) -> None:
    assert tick_text(at_us) == text
    assert parse_us(text) == at_us


def test_a_calendar_of_days_that_is_gone_stops_the_program() -> None:
    document = program().document

    with pytest.raises(CalendarInvalid, match="holidays"):
        program_of(document, {})
