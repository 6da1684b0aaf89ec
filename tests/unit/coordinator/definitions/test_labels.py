"""`labels:` of a definition: read, checked, canonical, and computed of an input."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from saga_coordinator.definitions import Document, Saga, lint
from saga_coordinator.definitions.canonical import source_of
from saga_coordinator.definitions.compile import compile_definition
from saga_coordinator.engine.definition import MappingFailed
from unit.coordinator.definitions.spoil import SOUND, trip_catalog

TRIP = {
    "id": UUID(int=7),
    "days": 3,
    "price": 1.5,
    "total": Decimal("12.50"),
    "note": None,
    "insured": True,
    "colour": "red",
    "at": datetime(2026, 11, 1, tzinfo=UTC),
    "stars": 2.5,
    "guests": [],
}


def with_labels(labels: str) -> str:
    return SOUND.replace("deadline: 10m\n", f"deadline: 10m\nlabels: {labels}\n")


def document(labels: str) -> Document:
    return lint(with_labels(labels), "trip", trip_catalog()).required()


def codes(labels: str) -> list[str]:
    return [finding.code for finding in lint(with_labels(labels), "trip", trip_catalog()).findings]


def computed(labels: str, **changed: Any) -> dict[str, Any]:
    return dict(compile_definition(document(labels), trip_catalog()).labels(TRIP | changed))


@pytest.mark.parametrize(
    ("labels", "values"),
    [
        ("{trip: '${input.id}'}", {"trip": str(UUID(int=7))}),
        ("{days: '${input.days}', price: '${input.price}', stars: '${input.stars}'}", {"days": 3.0, "price": 1.5, "stars": 2.5}),
        ("{total: '${input.total}'}", {"total": 12.5}),
        ("{insured: '${input.insured}', colour: '${input.colour}'}", {"insured": True, "colour": "red"}),
        ("{at: '${input.at}'}", {"at": datetime(2026, 11, 1, tzinfo=UTC)}),
        ("{note: '${input.note}'}", {}),
        ("{long: '${input.days > 2}', name: '${\"n-\" + string(input.days)}'}", {"long": True, "name": "n-3"}),
        (
            "{region: eu, tier: 2, test: false, 'a.b-c_D': '$${x}'}",
            {"region": "eu", "tier": 2.0, "test": False, "a.b-c_D": "${x}"},
        ),
    ],
)
def test_labels_are_what_the_input_gives(labels: str, values: dict[str, Any]) -> None:
    assert computed(labels) == values


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ("[a]", ["S008"]),
        ("{'a b': 1}", ["S008"]),
        (f"{{{', '.join(f'n{i}: 1' for i in range(17))}}}", ["S008"]),
        ("{a: {b: 1}}", ["S212"]),
        ("{a: [1]}", ["S212"]),
        ("{a: ''}", ["S212"]),
        ("{a: null}", ["S212"]),
        ("{a: '${input.nowhere}'}", ["S205"]),
        ("{a: '${input.guests}'}", ["S211"]),
        ("{a: '${input.raw}'}", ["S211"]),
        ("{a: '${input.tags}'}", ["S211"]),
        ("{a: '${[input.days]}'}", ["S211"]),
        ("{a: '${steps.car.reply.plate}'}", ["S216"]),
        ("{a: '${saga.id}'}", ["S216"]),
        ("{a: '${'}", ["S214"]),
        ("{a: '${1 +}'}", ["S203"]),
    ],
)
def test_what_is_no_label_is_found_where_it_stands(labels: str, found: list[str]) -> None:
    assert codes(labels) == found


def test_a_definition_without_labels_keeps_its_hash() -> None:
    plain = lint(SOUND, "trip", trip_catalog()).required()
    assert plain.labels is None
    assert b"labels" not in plain.canonical
    assert document("{}").hash == plain.hash
    assert document("{a: 1}").hash != plain.hash


def test_the_document_comes_back_the_same() -> None:
    made = document("{b: '${input.days}', a: 1}")
    assert Document.parse(made.canonical) == made
    assert source_of(made)["labels"] == {"b": "${input.days}", "a": 1}


def test_the_builder_says_the_same() -> None:
    built = Saga("trip", version=1, input="t.Trip", labels={"days": "${input.days}", "region": "eu"}).step(
        "car", to="cars", command="t.RentCar", compensation="none"
    )
    assert built.lint(trip_catalog()).required().labels == {"days": "${input.days}", "region": "eu"}


@pytest.mark.parametrize("labels", ['{a: \'${"x" + string(input.days) + " "}\'}', "{a: '${input.days / (input.days - 3)}'}"])
def test_a_label_that_cannot_be_made_of_an_input_is_a_failure_without_its_value(labels: str) -> None:
    with pytest.raises(MappingFailed):
        computed(labels)
