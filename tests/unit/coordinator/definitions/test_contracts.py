"""What definitions ask of participants, and what may answer it."""

from __future__ import annotations

from saga_coordinator.definitions import Contracts, lint, records_reached
from saga_coordinator.engine.decide import _TRIGGERS
from saga_schemas.asyncapi.contracts import ANSWERS
from saga_schemas.catalog import Catalog
from saga_schemas.files import read_schemas
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.schema import Schema
from saga_schemas.topics import Topics
from support.paths import DEMO

CATALOG = Catalog(read_schemas(DEMO / "schemas"))
ORDER = (DEMO / "order.saga.yaml").read_text()


def test_the_outcomes_that_may_answer_are_those_that_the_engine_takes() -> None:
    taken_apart = {(Kind.COMPENSATION, Outcome.SUCCEEDED)}  # of a newer run: before any row of the table

    assert {(kind, outcome) for kind, outcomes in ANSWERS.items() for outcome in outcomes} == {*_TRIGGERS} | taken_apart


def schemas(names: tuple[str, ...]) -> dict[str, Schema]:
    return {name: schema for name in names if (schema := CATALOG.latest(name)) is not None}


def test_a_newer_version_of_a_definition_counts_and_the_older_one_stays() -> None:
    contracts = Contracts()
    for version, text in ((1, ORDER), (2, ORDER.replace("participant: payment", "participant: bank"))):
        document = lint(text.replace("version: 1", f"version: {version}"), "order", CATALOG).required()
        contracts.add(document, schemas(records_reached(document)))

    made = contracts.asyncapi(Topics())

    assert {"payment", "bank"} <= contracts.participants.keys()
    assert made["components"]["messages"]["start.order"]["payload"] == {"$ref": "#/components/schemas/shop.PlaceOrder"}
    assert {"commands.payment", "commands.bank"} <= made["channels"].keys()


def test_a_record_in_two_versions_is_shown_as_the_one_added_last() -> None:
    document = lint(ORDER, "order", CATALOG).required()
    known = schemas(records_reached(document))
    charge = known["shop.ChargeCard"].document
    newer = Schema.parse(charge | {"fields": [*charge["fields"], {"name": "note", "type": "string", "default": ""}]})
    contracts = Contracts()
    contracts.add(document, known)
    contracts.add(document, known | {"shop.ChargeCard": newer})

    shown = contracts.asyncapi(Topics())["components"]["schemas"]["shop.ChargeCard"]

    assert shown["x-saga-schema-id"] == newer.id
