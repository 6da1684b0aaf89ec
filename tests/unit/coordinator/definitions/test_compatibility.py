"""A new version beside those that are active or have open sagas."""

from __future__ import annotations

from saga_coordinator.definitions import Earlier, check_compatibility, compile_definition, lint
from saga_coordinator.definitions.finding import Severity
from saga_schemas.catalog import Catalog
from saga_schemas.schema import Schema
from unit.coordinator.definitions.spoil import RECORDS, SOUND, record, trip_catalog


def earlier(text: str = SOUND, *, open_sagas: int = 2) -> Earlier:
    catalog = trip_catalog()
    made = compile_definition(lint(text, "trip", catalog).required(), catalog)
    return Earlier(document=made.document, reader_schemas=made.reader_schemas, open_sagas=open_sagas, active=True)


def findings(text: str, *changed: dict[str, object]) -> list[tuple[str, str]]:
    """Of a second version, whose schemas differ by `changed`."""
    names = {one["name"] for one in changed}
    catalog = Catalog(Schema.parse(one) for one in (*(each for each in RECORDS if each["name"] not in names), *changed))
    made = compile_definition(lint(text, "trip", catalog).required(), catalog)
    found = check_compatibility(made.document, made.reader_schemas, [earlier()], "trip.saga.yaml")
    return [(finding.code, finding.message) for finding in found]


def test_the_same_schemas_are_compatible() -> None:
    assert findings(SOUND.replace("version: 1", "version: 2")) == []


def test_a_field_with_a_default_may_be_added() -> None:
    assert findings(SOUND, record("ReturnCar", ("days", "long"), ("why", "string", ""))) == []


def test_a_field_without_a_default_breaks_open_sagas() -> None:
    mapped = SOUND.replace("compensation: t.ReturnCar", "compensation: {command: t.ReturnCar, with: {why: late}}")
    found = findings(mapped, record("ReturnCar", ("days", "long"), ("why", "string")))
    assert {code for code, _ in found} == {"S218"}
    assert "t.ReturnCar is not compatible with trip 1 (active, 2 open sagas)" in found[0][1]


def test_another_record_altogether_is_a_warning_with_who_has_to_know() -> None:
    found = findings(SOUND.replace("command: t.Mail", "command: t.Wide"))
    assert found == [("S219", "sends t.Wide where trip 1 (active, 2 open sagas) sends t.Mail; post must handle both")]


def test_another_reply_record_is_a_warning() -> None:
    found = findings(SOUND.replace("command: t.BookRoom", "command: t.BookRoom\n    reply: t.CancelRoom"))
    assert [code for code, _ in found] == ["S219"]


def test_errors_and_warnings_have_no_line_since_they_are_about_two_versions() -> None:
    catalog = trip_catalog()
    made = compile_definition(lint(SOUND.replace("command: t.Mail", "command: t.Wide"), "trip", catalog).required(), catalog)
    found = check_compatibility(made.document, made.reader_schemas, [earlier()], "trip.saga.yaml")
    assert [(finding.line, finding.severity, finding.step) for finding in found] == [(0, Severity.WARNING, "mail")]
