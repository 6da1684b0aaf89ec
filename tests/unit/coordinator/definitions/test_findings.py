"""Every code of the registry, by a definition that is sound but for one place."""

from __future__ import annotations

import re

import pytest

from saga_coordinator.definitions import CODES, lint, lint_document
from saga_coordinator.definitions.finding import MAX_FINDINGS, Severity
from unit.coordinator.definitions.spoil import SOUND, codes, spoilt, trip_catalog

CAR_WITH = 'with: {days: "${input.days}"}'
NOTE = "note: hello"
PRICE = '"${input.price}"'

SPOILT: list[tuple[str, str, str, str]] = [
    # code, what is replaced, by what, what the message says
    ("S001", "steps:\n", "steps: [\n", "not YAML"),
    ("S002", PRICE, "${input.price}", 'write "${input.price}"'),
    ("S003", NOTE, "note: " + "[" * 40 + "]" * 40, "deeper than 32"),
    ("S004", "deadline: 10m", "deadline: 10m\ndeadline: 5m", "first in line 5"),
    ("S005", "deadline: 10m", "deadline: &d 10m", "anchor"),
    ("S005", "deadline: 10m", "deadline: !!str 10m", "tag"),
    ("S006", "deadline: 10m", "deadlin: 10m", "did you mean deadline?"),
    ("S006", NOTE + "}", NOTE + "}\n    for_each: x", "reserved for a later version"),
    ("S007", "input: t.Trip\nkey: ${input.id}\n", "", "needs `input:`"),
    ("S008", "deadline: 10m", "deadline: 10m\nshow_key: yes", "true or false, this is text"),
    ("S008", "attempts: 3", "attempts: many", "whole number or `unlimited`"),
    ("S008", "key: ${input.id}", "key: id", "must be an expression"),
    ("S009", "first: 100ms", "first: 1.5s", "not a duration"),
    ("S009", "first: 100ms", "first: 100", "not a duration"),
    ("S010", "participant: cars", "participant: Cars", "not a name"),
    ("S011", "version: 1", "version: 0", "from 1 to"),
    ("S101", "name: mail", "name: car", "first in line 7"),
    ("S102", "name: pay", "name: pay\n    after: [room, nobody]", "names nobody, which is no step"),
    ("S103", "name: car", "name: car\n    after: [room]", "car after room after car"),
    ("S104", "attempts: 3", "attempts: unlimited", "give retry.attempts a number"),
    ("S104", "with: {total:", "retry: {attempts: unlimited}\n    with: {total:", "at the pivot"),
    ("S105", "    compensation: t.ReturnCar\n", "", "say `compensation: none`"),
    ("S106", "name: mail", "name: mail\n    after: []", "neither before nor after"),
    ("S107", "name: mail", "name: mail\n    pivot: true", "a second pivot beside pay"),
    ("S108", "command: t.Mail", "command: t.Mail\n    compensation: t.Blank", "never undone"),
    ("S108", "pivot: true", "pivot: true\n    compensation: none", "is the pivot"),
    ("S109", "step: 5s", "step: 1h", "deadline comes first"),
    ("S112", "command: t.RentCar", "command: t.RentCar\n    when: ${1 > 2}", "never run"),
    ("S113", "name: pay", "name: pay\n    after: [room, room]", "names room twice"),
    ("S114", "first: 100ms", "first: 1m", "longer than the cap of 2s"),
    ("S115", "deadline: 10m", "retention: {sagas: 59m}", "may be accepted for 1h"),
    ("S115", "deadline: 10m", "retention: {sagas: 2h, journals: never}", "a journal goes with its saga"),
    ("S115", "deadline: 10m", "retention: {sagas: never, keys: 400d}", "at least as long as their saga, never"),
    ("S009", "deadline: 10m", "retention: {sagas: soon}", "not a duration"),
    ("S011", "deadline: 10m", "retention: {sagas: 36501d}", "from 1ms to 36500d"),
    ("S006", "deadline: 10m", "retention: {saga: 30d}", "did you mean sagas?"),
    ("S008", "deadline: 10m", "retention: 30d", "retention must be a map"),
    ("S201", "command: t.Mail", "command: t.Male", "did you mean t.Mail?"),
    ("S201", "command: t.Mail", "command: t.Vague", "answered with t.Nowhere"),
    ("S203", NOTE, 'note: "${1 +}"', "not a CEL expression"),
    ("S204", NOTE, "note: \"${foo + 'x'}\"", "`foo` is not known"),
    ("S204", NOTE, 'note: "${schedule.tick}"', "`schedule.tick` is not known here; an expression reads input"),
    ("S204", NOTE, "note: \"${schedule.tick + 'x'}\"", "`schedule` is not known here"),
    ("S204", "key: ${input.id}", "key: ${schedule.tick}", "an expression reads input"),
    ("S204", NOTE, 'note: "${upper(input.colour)}"', "no function upper"),
    ("S205", PRICE, '"${input.prize}"', "did you mean price?"),
    ("S205", PRICE, '"${input.prize + 1.0}"', "did you mean price?"),
    ("S205", PRICE, '"${steps.cat.reply.plate}"', "there is no step cat"),
    ("S205", NOTE, 'note: "${saga.colour}"', "saga has no `colour`"),
    ("S206", CAR_WITH, 'with: {days: "${steps.room.reply.room}"}', "before room has answered"),
    ("S207", "command: t.RentCar\n", "command: t.ReturnCar\n", "add `reply: <record>`"),
    ("S208", NOTE, "note: hello, nite: x", "did you mean note?"),
    ("S209", 'with: {room: "${steps.room.reply.room}"}', "with: {}", "add it to `with: {room: …}`"),
    ("S210", PRICE, '"${input.total * 2.0}"', "input.total is a decimal"),
    ("S211", CAR_WITH, 'with: {days: "${input.price}"}', "t.RentCar.days is a long, ${input.price} is a double"),
    ("S211", CAR_WITH + "\n", "when: ${input.days}\n", "when needs a boolean"),
    ("S212", CAR_WITH, "with: {days: soon}", "t.RentCar.days is a long"),
    ("S213", "note: hello", 'note: "${input.note}"', "may not be null"),
    ("S213", "key: ${input.id}", "key: ${input.note}", "a key may not be null"),
    ("S214", NOTE, 'note: "Dear ${input.id}"', "only a whole value"),
    ("S215", NOTE, 'note: "${' + "(" * 3000 + "1" + ")" * 3000 + '}"', "characters"),
    ("S215", NOTE, 'note: "${' + "(" * 300 + "1" + ")" * 300 + '}"', "nest 300 deep"),
    ("S216", "key: ${input.id}", "key: ${saga.id}", "can read input only"),
    ("S217", CAR_WITH, CAR_WITH + "\n    when: ${input.insured}", "skipped"),
    ("S220", NOTE, "note: \"${input.note + '!'}\"", "write input.note == null ? '' : input.note + '!'"),
    ("S221", PRICE, '"${input.price * 2}"', "make both the same with double(…)"),
]


@pytest.mark.parametrize(("code", "old", "new", "says"), SPOILT, ids=[f"{row[0]}-{place}" for place, row in enumerate(SPOILT)])
def test_one_mistake_is_one_finding_at_its_line(code: str, old: str, new: str, says: str) -> None:
    before = {"S217": [('car: "${steps.car.reply.plate}", note: hello', 'note: "${steps.car.reply.plate}"')]}
    result = spoilt(*before.get(code, []), (old, new))
    assert codes(result) == [code], [str(finding) for finding in result.findings]
    finding = result.findings[0]
    assert says in finding.message
    assert finding.severity is (Severity.WARNING if CODES[code].warning else Severity.ERROR)
    assert (result.document is None) == (finding.severity is Severity.ERROR)
    assert finding.line >= 1
    assert finding.column >= 1


def test_the_sound_definition_has_no_finding() -> None:
    result = lint(SOUND, "trip.saga.yaml", trip_catalog())
    assert result.findings == ()
    assert result.document is not None


def test_more_than_a_thousand_steps_are_refused_at_once() -> None:
    head = SOUND.partition("steps:\n")[0] + "steps:\n"
    short = "".join(f"  - {{name: s{n}, participant: p, command: t.B}}\n" for n in range(10_001))
    result = lint(head + short, "big", trip_catalog())
    assert codes(result) == ["S110"]
    assert "10001 steps, at most 1000" in result.findings[0].message


def test_a_thousand_steps_are_accepted() -> None:
    head = SOUND.partition("steps:\n")[0] + "steps:\n"
    steps = "".join(f"  - {{name: s{n}, participant: p, command: t.Blank, compensation: none}}\n" for n in range(1_000))
    assert lint(head + steps, "big", trip_catalog()).findings == ()


def test_too_large_a_file_is_refused_before_it_is_parsed() -> None:
    result = lint("#" * (512 * 1024 + 1), "big", trip_catalog())
    assert codes(result) == ["S003"]


def test_a_flood_of_findings_is_cut_with_the_number_left() -> None:
    head = SOUND.partition("steps:\n")[0] + "steps:\n"
    result = lint(head + "  - {}\n" * 200, "flood", trip_catalog())
    assert len(result.findings) == MAX_FINDINGS
    last = result.findings[-1]
    assert last.code == "S012"
    assert re.match(r"\d+ more findings", last.message)


def test_a_stored_document_that_is_none_is_one_finding() -> None:
    result = lint_document(b'{"format": 2}', "trip", trip_catalog())
    assert codes(result) == ["S013"]
    assert result.findings[0].line == 0


def test_every_code_has_its_test() -> None:
    tested = {row[0] for row in SPOILT} | {"S012", "S013", "S110"}
    elsewhere = {"S218", "S219", "S222"}  # test_compatibility.py, integration/test_api.py
    schedules = {code for code in CODES if code.startswith("S3")}  # schedules/test_schedule_findings.py
    assert tested | elsewhere == set(CODES) - schedules


def test_every_code_says_what_it_means_and_what_to_do() -> None:
    for code, entry in CODES.items():
        assert re.fullmatch(r"S[0-3]\d\d", code)
        assert entry.meaning
        assert entry.cure
