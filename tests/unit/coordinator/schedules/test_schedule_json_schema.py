"""The JSON Schemas for editors say what the readers read."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from saga_coordinator.definitions.finding import Report
from saga_coordinator.definitions.yaml_reader import read_yaml
from saga_coordinator.schedules import days_json_schema, lint_days, lint_schedule, schedule_json_schema
from saga_coordinator.schedules.calendar_reading import CALENDAR_KEYS, DAYS_KEYS, EVERY_KEYS, EXCLUDE_KEYS, RANGE_KEYS
from saga_coordinator.schedules.reading import MISSED_KEYS, SCHEDULE_KEYS
from unit.coordinator.schedules.settling import DAYS_TEXT, NOW_US, SOUND, days, look

SCHEMA = schedule_json_schema()
DAYS_SCHEMA = days_json_schema()


def data_of(text: str) -> Any:
    node = read_yaml(text, Report("x"))
    assert node is not None
    return node.plain


def fits(value: Any, schema: dict[str, Any]) -> bool:
    return bool(Draft202012Validator(schema).is_valid(value))


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [("definition: settle-day", "definition: settle-day@3")],
        [('cron: "30 2 * * *"', 'cron: ["@daily"]\n  every: [90s, {every: 2m, phase: 2027-01-01T00:00:00Z}]')],
        [("overlap: {queue_all: 10}", "overlap: cancel_other")],
        [("missed: {policy: run_one, grace: 10m, window: 12h}", "missed: run_all")],
    ],
    ids=["sound", "version", "several-times", "overlap", "missed"],
)
def test_it_accepts_what_the_reader_takes(changes: list[tuple[str, str]]) -> None:
    text = SOUND
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)

    assert lint_schedule(text, "x", look, days(), NOW_US).errors == ()
    assert fits(data_of(text), SCHEMA)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("runs: 1000", "run: 1000"),
        ("runs: 1000", "runs: 0"),
        ("jitter: 5m", "jitter: soon"),
        ("schedule: settlement", "schedule: Settlement"),
        ("definition: settle-day", "definition: settle-day@0"),
        ("definition: settle-day\n", ""),
        ("{queue_all: 10}", "queue_all"),
        ("{queue_all: 10}", "{queue_all: 101}"),
        ("policy: run_one", "policy: sometimes"),
        ("dates: [2027-12-25]", "dates: [25.12.2027]"),
        ("start: 2027-01-01T00:00:00+01:00", "start: 2027-01-01T00:00:00"),
        ('cron: "30 2 * * *"', "cron: 5"),
        ("key: ${schedule.name + '@' + schedule.tick}", "key: settlement"),
    ],
)
def test_it_refuses_what_the_reader_refuses(old: str, new: str) -> None:
    text = SOUND.replace(old, new, 1)

    assert text != SOUND
    assert not fits(data_of(text), SCHEMA)
    assert lint_schedule(text, "x", look, days(), NOW_US).document is None


def test_it_knows_exactly_the_readers_keys() -> None:
    calendar = SCHEMA["properties"]["calendar"]["properties"]
    assert tuple(SCHEMA["properties"]) == SCHEDULE_KEYS
    assert tuple(calendar) == CALENDAR_KEYS
    assert tuple(calendar["exclude"]["properties"]) == EXCLUDE_KEYS
    assert tuple(calendar["every"]["anyOf"][0]["anyOf"][1]["properties"]) == EVERY_KEYS
    assert tuple(SCHEMA["properties"]["missed"]["anyOf"][-1]["properties"]) == MISSED_KEYS
    assert tuple(SCHEMA["$defs"]["ranges"]["anyOf"][0]["properties"]) == RANGE_KEYS
    assert tuple(DAYS_SCHEMA["properties"]) == DAYS_KEYS


@pytest.mark.parametrize("schema", [SCHEMA, DAYS_SCHEMA], ids=["schedule", "days"])
def test_it_is_json_schema_and_every_key_has_a_description(schema: dict[str, Any]) -> None:
    def walk(part: dict[str, Any], path: str) -> None:
        for name, inner in part.get("properties", {}).items():
            target = {**schema["$defs"][inner["$ref"].rpartition("/")[2]], **inner} if "$ref" in inner else inner
            assert target.get("description"), f"{path}.{name}"
            walk(target, f"{path}.{name}")

    Draft202012Validator.check_schema(schema)
    walk(schema, "file")


@pytest.mark.parametrize(
    ("text", "fine"),
    [(DAYS_TEXT, True), (DAYS_TEXT.replace("dates", "days"), False), ("calendar: h\ndates: 2027-05-01\n", True)],
    ids=["sound", "unknown-key", "one-day"],
)
def test_calendars_of_days_are_as_their_reader_reads_them(text: str, fine: bool) -> None:
    assert fits(data_of(text), DAYS_SCHEMA) is fine
    assert lint_days(text, "x").ok is fine
