"""The canonical document: one form and one hash, from a file, from Python, from the store."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from saga_coordinator.definitions import (
    Compensation,
    DefinitionInvalid,
    Document,
    DocumentInvalid,
    Retry,
    Saga,
    Timeout,
    lint,
    lint_document,
    records_reached,
)
from saga_schemas.catalog import Catalog

DEMO_HASH = "8bf45232638f68aadb2e3073970abf4f6e35f37f8c3187af6085626eedc29b6e"
TOUR_HASH = "3759cf8e381e7ff889bc6ae7341fe57c070115b9676a06636c2a1a17efa93976"


def document(text: str, catalog: Catalog) -> Document:
    return lint(text, "order.saga.yaml", catalog).required()


def test_the_hashes_of_the_published_definitions_never_change(demo_text: str, tour_text: str, shop: Catalog) -> None:
    """A change here is a change of format 1: every stored definition would get another hash."""
    assert document(demo_text, shop).hash == DEMO_HASH
    assert document(tour_text, shop).hash == TOUR_HASH


def test_the_canonical_form_is_json_with_sorted_keys_and_defaults_written_out(demo_text: str, shop: Catalog) -> None:
    made = document(demo_text, shop)
    data = json.loads(made.canonical)
    assert made.canonical == json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert made.hash == hashlib.sha256(made.canonical).hexdigest()
    assert data["format"] == 1
    assert data["deadline_ms"] == 600_000
    ship = data["steps"][2]
    assert ship["kind"] == "pivot"
    assert ship["after"] == ["charge"]
    assert ship["reply"] == "shop.CarrierBooked"
    assert ship["retry"] == {"attempts": 10, "cap_ms": 5000, "factor": 2.0, "first_ms": 200, "jitter": 0.2, "never": []}
    assert ship["timeout"] == {
        "attention_ms": 300_000,
        "expiry_ms": 3_600_000,
        "heartbeat_ms": None,
        "reask_cap_ms": 300_000,
        "reask_ms": 5000,
        "step_ms": None,
    }


def test_retries_default_by_the_side_of_the_pivot(tour_text: str, shop: Catalog) -> None:
    made = document(tour_text, shop)
    assert made.step("screen").retry.attempts == 10
    assert made.step("ship").retry.attempts == 10
    assert made.step("notify").retry.attempts is None
    reserve, charge = made.step("reserve").compensation, made.step("charge").compensation
    assert reserve is not None
    assert charge is not None
    assert reserve.retry.attempts == 20
    assert (charge.retry.attempts, charge.retry.cap_ms, charge.retry.first_ms) == (20, 300_000, 200)
    assert [step.kind for step in made.steps] == ["compensatable", "compensatable", "compensatable", "pivot", "retriable"]


def test_comments_spacing_and_the_order_of_keys_change_nothing(demo_text: str, shop: Catalog) -> None:
    head, _, steps = demo_text.partition("steps:\n")
    turned = "steps:\n" + steps + "\n" + head + "\n# the end\n"
    assert document(turned, shop).hash == document(demo_text, shop).hash


def test_a_default_written_out_is_the_same_definition(demo_text: str, shop: Catalog) -> None:
    said = demo_text.replace("factor: 2, cap: 5s}", "factor: 2.0, cap: 5000ms, jitter: 0.2, never: []}")
    assert said != demo_text
    assert document(said, shop).hash == DEMO_HASH


def test_a_stored_document_comes_back_the_same(tour_text: str, shop: Catalog) -> None:
    made = document(tour_text, shop)
    assert Document.parse(made.canonical) == made
    again = lint_document(made.canonical, "order", shop)
    assert again.findings == ()
    assert again.document == made
    assert lint_document(json.loads(made.canonical), "order", shop).document == made


def test_a_document_that_does_not_follow_from_its_steps_is_refused(tour_text: str, shop: Catalog) -> None:
    data: dict[str, Any] = json.loads(document(tour_text, shop).canonical)
    data["steps"][0]["kind"] = "retriable"
    assert [finding.code for finding in lint_document(data, "order", shop).findings] == ["S013"]
    data["steps"][0]["kind"] = "compensatable"
    data["steps"][3]["after"] = ["nowhere"]
    assert [finding.code for finding in lint_document(data, "order", shop).findings] == ["S102"]


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{", b'{"format":1}', b"\xff", b'{"format":1,"saga":"a","version":true}', "[" * 10_000, b'{"a":NaN}', "\ud800"],
)
def test_bytes_that_are_no_document_raise_one_error(data: bytes | str) -> None:
    with pytest.raises(DocumentInvalid):
        Document.parse(data)


def test_every_record_a_definition_reaches_is_listed(tour_text: str, shop: Catalog) -> None:
    assert records_reached(document(tour_text, shop)) == tuple(sorted(schema.full_name for schema in shop))


class PlaceOrder(BaseModel):
    avro_name: ClassVar[str] = "shop.PlaceOrder"


class ReserveStock(BaseModel):
    """Named as its record is."""


class ReleaseStock(BaseModel):
    avro_name: ClassVar[str] = "shop.ReleaseStock"


def built() -> Saga:
    """The README's definition from Python."""
    return (
        Saga("order", version=3, input=PlaceOrder, key="${input.order_id}", deadline=timedelta(minutes=10))
        .step(
            "reserve",
            to="inventory",
            command=ReserveStock,
            compensation=ReleaseStock,
            retry=Retry(attempts=5, first="200ms", factor=2, cap=timedelta(seconds=10)),
            timeout=Timeout(step="30s", reask=timedelta(seconds=5)),
        )
        .step("screen", after=[], to="fraud", command="shop.ScreenOrder", compensation="none")
        .step(
            "charge",
            after=["reserve", "screen"],
            to="payment",
            command="shop.ChargeCard",
            with_={"amount": "${input.total}", "reason": "order"},
            compensation=Compensation(
                command="shop.RefundCard",
                with_={"charge_id": "${steps.charge.reply.charge_id}"},
                retry=Retry(attempts=20, cap="5m"),
            ),
        )
        .step("ship", pivot=True, to="shipping", command="shop.BookCarrier")
        .step("notify", to="mail", command="shop.SendConfirmation")
    )


def test_the_builder_gives_the_files_document_and_hash(tour_text: str, shop: Catalog) -> None:
    assert built().document(shop).canonical == document(tour_text, shop).canonical
    assert built().document(shop).hash == TOUR_HASH


def test_the_builder_gets_the_files_findings(shop: Catalog) -> None:
    saga = built().step("audit", to="mail", command="shop.SendConfirmation", after=["nobody"])
    with pytest.raises(DefinitionInvalid) as refused:
        saga.document(shop)
    assert [finding.code for finding in refused.value.findings] == ["S102"]
    assert str(refused.value).startswith("order  error  S102  step audit: after names nobody")


def test_a_model_without_a_record_is_an_unknown_record(shop: Catalog) -> None:
    class Nothing(BaseModel):
        pass

    result = Saga("order", version=1, input=PlaceOrder).step("one", to="p", command=Nothing, compensation="none").lint(shop)
    assert [finding.code for finding in result.findings] == ["S201"]
