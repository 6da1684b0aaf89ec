"""Every code that a schedule can meet, by a schedule that is sound but for one place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from saga_coordinator.definitions import CODES, Severity
from saga_coordinator.definitions.finding import Report
from saga_coordinator.definitions.yaml_reader import read_yaml
from saga_coordinator.schedules import lint_schedule
from saga_coordinator.schedules.lint import lint_schedule_data
from saga_coordinator.schedules.reading import SCHEDULE_KEYS
from unit.coordinator.schedules.settling import NOW_US, SOUND, codes, compiled, days, look, spoilt

CRON = 'cron: "30 2 * * *"'
KEY = "key: ${schedule.name + '@' + schedule.tick}"
CURRENCY = "currency: EUR"
DAY = 'day: "${schedule.tick}"'
DUE = 'due: "${schedule.scheduled_for}"'
OVERLAP = "overlap: {queue_all: 10}"
MISSED = "missed: {policy: run_one, grace: 10m, window: 12h}"

SPOILT: list[tuple[str, str, str, str]] = [
    # code, what is replaced, by what, what the message says
    ("S001", CRON, "cron: * * * * *", "needs quotes"),
    ("S001", "runs: 1000", "runs: 1000\n---\n", "a second document"),
    ("S004", "runs: 1000", "runs: 1000\nruns: 2", "written twice"),
    ("S006", "runs: 1000", "run: 1000", "did you mean runs?"),
    ("S006", "jitter: 5m", "jiter: 5m", "did you mean jitter?"),
    ("S006", "grace: 10m", "grase: 10m", "did you mean grace?"),
    ("S007", "definition: settle-day\n", "", "needs `definition:`"),
    ("S008", "definition: settle-day", "definition: 3", "name@version"),
    ("S008", CRON, "cron: 5", "cron must be text"),
    ("S008", MISSED, "missed: sometimes", "missed must be skip"),
    ("S008", OVERLAP, "overlap: queue_all", "write {queue_all: 10}"),
    ("S008", OVERLAP, "overlap: never", "overlap must be skip, queue_one"),
    ("S008", OVERLAP, "overlap: [skip]", "overlap must be skip, queue_one"),
    ("S008", KEY, "key: settlement", "key must be an expression"),
    ("S008", "note: Settles the day.", "note: [a]", "note must be text"),
    ("S009", "jitter: 5m", "jitter: soon", "not a duration"),
    ("S009", "grace: 10m", "grace: 10", "not a duration"),
    ("S010", "schedule: settlement", "schedule: Settlement", "not a name"),
    ("S010", "definition: settle-day", "definition: settle-day@", "a whole number from 1"),
    ("S010", "definition: settle-day", "definition: settle-day@0", "a whole number from 1"),
    ("S010", "definition: settle-day", "definition: Settle@3", "not a name"),
    ("S010", "calendars: [holidays]", "calendars: [Holidays]", "not a name"),
    ("S011", "runs: 1000", "runs: 0", "from 1 to"),
    ("S011", "queue_all: 10", "queue_all: 101", "from 1 to 100"),
    ("S011", "pause_after_failures: 3", "pause_after_failures: 1001", "from 1 to 1000"),
    ("S011", "expect_success_within: 9d", "expect_success_within: 367d", "from 1ms to 366d"),
    ("S203", DAY, 'day: "${schedule.tick +}"', "not a CEL expression"),
    ("S204", DAY, 'day: "${input.day}"', "reads schedule.name, schedule.tick"),
    ("S204", DAY, "day: \"${saga.id + 'x'}\"", "`saga` is not known here"),
    ("S204", DAY, "day: \"${steps.a.reply.x + 'x'}\"", "`steps` is not known here"),
    ("S205", DAY, 'day: "${schedule.tic}"', "did you mean tick?"),
    ("S205", DAY, "day: \"${schedule.tic + 'x'}\"", "did you mean tick?"),
    ("S205", KEY, 'key: "${schedule.tic}"', "did you mean tick?"),
    ("S208", CURRENCY, CURRENCY + "\n  currenci: EUR", "t.Settle has no field currenci"),
    ("S209", "  " + DAY + "\n", "", "t.Settle.day gets no value"),
    ("S211", DAY, 'day: "${schedule.scheduled_for}"', "t.Settle.day is a string, ${schedule.scheduled_for} is a timestamp"),
    ("S211", KEY, 'key: "${schedule.scheduled_for}"', "write ${schedule.tick}"),
    ("S211", KEY, "key: ${schedule.tick == 'x'}", "a key is text or a whole number"),
    ("S212", CURRENCY, "currency: CHF", "t.Settle.currency"),
    ("S213", DUE, 'due: "${schedule.previous}"', "may not be null"),
    ("S214", DAY, 'day: "Day ${schedule.tick}"', "only a whole value"),
    ("S220", DAY, 'day: "${string(schedule.previous)}"', "schedule.previous may be null"),
    ("S310", "definition: settle-day", "definition: settle-dai", "no version of it is active"),
    ("S310", "definition: settle-day", "definition: settle-day@2", "with a version 2"),
    ("S312", CURRENCY, CURRENCY + '\n  id: "${schedule.name}"', "t.Settle.id"),
    ("S313", KEY, 'key: "${schedule.name}"', "the same at each tick"),
    ("S313", KEY, "key: ${'a' + schedule.name}", "the same at each tick"),
    ("S315", OVERLAP, "overlap: {allow: 1}", "as `overlap: skip` does"),
    ("S315", "grace: 10m, window: 12h", "grace: 1h, window: 30m", "no missed tick could ever run"),
    ("S315", "policy: run_one", "policy: skip", "a window has no effect"),
    ("S315", "pause_after_failures: 3", "pause_after_failures: 1000", "ends after 1000 runs"),
    ("S315", "jitter: 5m", "jitter: 2d", "not shorter than"),
    ("S316", "expect_success_within: 9d", "expect_success_within: 26h", "the next tick comes"),
    ("S320", "Europe/Berlin", "Europe/Berln", "Europe/Berlin"),
    ("S321", CRON, 'cron: "30 25 * * *"', "25"),
    ("S322", CRON, 'cron: "0 0 30 2 *"', "never ticks"),
    ("S322", "end: 2029-01-01T00:00:00Z", "end: 2026-01-01T00:00:00Z", "never ticks"),
    ("S324", CRON, "interval: R/soon/PT1H", ""),
    ("S325", CRON, "", "`cron:`, `every:` or `interval:`"),
    ("S326", "calendars: [holidays]", "calendars: [holydays]", "holydays"),
    ("S327", "dates: [2027-12-25]", "dates: [25.12.2027]", "write it as 2027-12-24"),
    ("S327", "dates: [2027-12-25]", "dates: [2027-02-30]", "no date"),
    ("S327", "2027-01-01T00:00:00+01:00", "2027-01-01T00:00:00", "with its offset"),
    ("S327", "2027-01-01T00:00:00+01:00", "2027-01-01", "with its offset"),
    ("S328", CRON, "every: 1500ms", "whole"),
    ("S329", "last: 2027-12-28", "last: 2027-12-26", "before it begins"),
]


@pytest.mark.parametrize(("code", "old", "new", "says"), SPOILT, ids=[f"{row[0]}-{place}" for place, row in enumerate(SPOILT)])
def test_one_mistake_is_one_finding_at_its_line(code: str, old: str, new: str, says: str) -> None:
    result = spoilt((old, new))

    assert codes(result) == [code], [str(finding) for finding in result.findings]
    finding = result.findings[0]
    assert says in finding.message
    assert finding.severity is (Severity.WARNING if CODES[code].warning else Severity.ERROR)
    assert (result.document is None) == (finding.severity is Severity.ERROR)
    first = next(number for number, line in enumerate(SOUND.splitlines(), 1) if old.strip().splitlines()[0] in line)
    assert finding.line in {1, 4, *range(first, first + 3)}  # of a missing key, where the map begins
    assert finding.column >= 1


def test_the_sound_schedule_has_no_finding() -> None:
    result = spoilt()

    assert result.findings == ()
    assert result.ok
    assert result.warnings_ask_yes == ()


def test_all_mistakes_are_told_at_once() -> None:
    result = spoilt(
        ("jitter: 5m", "jitter: soon"), (DAY, 'day: "${schedule.tic}"'), (MISSED, "missed: x"), ("runs: 1000", "runs: x")
    )

    assert codes(result) == ["S009", "S008", "S205", "S008"]


def test_a_finding_of_the_calendar_points_at_the_expression() -> None:
    result = spoilt((CRON, 'cron:\n    - "0 1 * * *"\n    - "30 25 * * *"'))

    assert [(finding.code, finding.line, finding.column) for finding in result.findings] == [("S321", 7, 7)]


@pytest.mark.parametrize("cron", ["* * * * * *", "*/5 * * * * *"])
def test_a_schedule_of_seconds_asks_for_a_yes(cron: str) -> None:
    result = spoilt((CRON, f'cron: "{cron}"'), ("jitter: 5m", "jitter: 100ms"))

    assert [finding.code for finding in result.warnings_ask_yes] == ["S323"]
    assert result.ok
    assert result.errors == ()


def test_without_anywhere_to_look_the_definition_is_a_warning_and_the_rest_is_checked() -> None:
    fine = lint_schedule(SOUND, "x", None, days(), NOW_US)
    wrong = lint_schedule(SOUND.replace("schedule.tick}", "schedule.tic}", 1), "x", None, days(), NOW_US)

    assert codes(fine) == ["S311"]
    assert fine.ok
    assert codes(wrong) == ["S311", "S205"]


def test_run_all_with_skip_is_a_contradiction() -> None:
    result = spoilt((OVERLAP, "overlap: skip"), ("policy: run_one", "policy: run_all"))

    assert codes(result) == ["S315"]
    assert "only the first would start" in result.findings[0].message


def test_a_definition_with_a_key_takes_none_of_the_schedule() -> None:
    with_key = compiled(key="${input.day}")

    assert codes(spoilt(definition=with_key)) == ["S314"]
    assert codes(spoilt((KEY + "\n", ""), definition=with_key)) == []


def test_a_definition_whose_key_is_the_same_at_each_tick_is_found() -> None:
    changes = [
        (KEY + "\n", ""),
        (DAY, "day: monday"),
        (DUE, "due: 2027-01-01T00:00:00Z"),
        ('since: "${schedule.previous}"', "since: null"),
    ]
    result = spoilt(*changes, definition=compiled(key="${input.day}"))

    assert codes(result) == ["S313"]
    assert "the same at each tick" in result.findings[0].message


def test_a_schedule_that_is_no_map_is_one_finding() -> None:
    result = lint_schedule("[a]", "x", look, days(), NOW_US)

    assert codes(result)[0] == "S008"
    assert result.document is None


def test_every_code_of_schedules_has_its_test() -> None:
    tested = {row[0] for row in SPOILT} | {"S311", "S314", "S323"}

    assert {code for code in CODES if code.startswith("S3")} <= tested


ODD: list[Any] = [None, True, -1, 10**30, 2.5, "", "${", "${x}", "${schedule}", "$${", [], {}, [1], [[]], {"a": 1}]
ODD += [{"every": "1s"}, {"queue_all": None}, "\u00e9" * 5000, "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"]
ODD += ["settle-day@99999999999", "R/9999-01-01T00:00:00Z/P9999Y"]


@pytest.mark.parametrize("key", SCHEDULE_KEYS)
def test_whatever_stands_anywhere_is_answered_with_findings_and_not_with_an_error(key: str) -> None:
    node = read_yaml(SOUND, Report("x"))
    assert node is not None
    whole = node.plain

    for path in (path for path in paths_of(whole) if path[:1] == (key,)):
        for odd in ODD:
            result = lint_schedule_data(changed(whole, path, odd), "x", look, days(), NOW_US)
            assert (result.document is None) == bool(result.errors)


def paths_of(value: Any, before: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield before
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inner:
        yield from paths_of(one, (*before, name))


def changed(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    """A copy with another value at a path."""
    if not path:
        return new
    copied = value.copy()
    copied[path[0]] = changed(copied[path[0]], path[1:], new)
    return copied
