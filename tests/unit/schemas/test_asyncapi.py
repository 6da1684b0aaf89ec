"""AsyncAPI documents: valid by the official schema, and true to docs/wire.md."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from saga_schemas.asyncapi import CommandContract, StartContract, coordinator_document, participant_document
from saga_schemas.asyncapi.avro_document import avro_document
from saga_schemas.asyncapi.messages import header_schema
from saga_schemas.headers.header_table import ROWS, MessageKind
from saga_schemas.headers.names import KNOWN, PASSED_OVER
from saga_schemas.outcomes import Kind
from saga_schemas.schema import Schema
from saga_schemas.topics import Topics
from support.asyncapi_schema import faults
from support.paths import DOCS

PAGE = (DOCS / "wire.md").read_text()
VECTORS = resources.files("saga_schemas") / "vectors"
RECORDED = json.loads((VECTORS / "recorded-messages.json").read_text(encoding="utf-8"))["messages"]
CASES = json.loads((VECTORS / "schema-id-vectors.json").read_text(encoding="utf-8"))["cases"]


def record(name: str, **attributes: Any) -> Schema:
    fields = [
        {"name": "amount", "type": "int"},
        {"name": "size", "type": {"type": "enum", "name": "bank.Size", "symbols": ["S"]}},
    ]
    return Schema.parse({"type": "record", "name": name, "fields": fields} | attributes)


CHARGE = CommandContract(
    kind=Kind.ACTION, command=record("shop.Charge"), replies=(record("shop.Charged"),), asked_by=("order/charge",)
)
REFUND = CommandContract(kind=Kind.COMPENSATION, command=record("shop.Refund"), asked_by=("order/charge",))
SHIP = CommandContract(kind=Kind.ACTION, command=record("shop.Ship"), asked_by=("order/ship",))
PLACE = StartContract(definition="order", input=record("shop.PlaceOrder"))


def coordinator() -> dict[str, Any]:
    return coordinator_document({"payment": [CHARGE, REFUND], "shipping": [SHIP]}, [PLACE], topics=Topics("eu."))


def answers(document: dict[str, Any], operation: str) -> set[str]:
    return {one["$ref"].rpartition("/")[2] for one in document["operations"][operation]["reply"]["messages"]}


# --- documents ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        coordinator(),
        coordinator_document({}, []),
        participant_document("payment", [CHARGE, REFUND], version="1.4.0"),
        participant_document("refunds", [REFUND]),
    ],
    ids=["coordinator", "coordinator without definitions", "participant", "participant that only undoes"],
)
def test_a_document_is_valid_by_the_official_schema(document: dict[str, Any]) -> None:
    assert faults(document) == []


def test_the_official_schema_notices_a_fault() -> None:
    document = participant_document("payment", [CHARGE])
    document["operations"]["payment.action.shop.Charge"]["action"] = "ask"
    other = participant_document("payment", [CHARGE])
    other["components"]["schemas"]["shop.Charge"]["schema"]["name"] = "shop.Charge"
    third = participant_document("payment", [CHARGE])
    del third["components"]["messages"]["REJECTED"]

    assert all(map(faults, (document, other, third)))


def test_the_coordinator_reads_and_writes_every_topic_it_has() -> None:
    document = coordinator()

    directions = {
        (document["operations"][name]["action"], document["channels"][one["channel"]["$ref"].rpartition("/")[2]]["address"])
        for name, one in document["operations"].items()
    }

    assert directions == {
        ("receive", "eu.saga.start"),
        ("send", "eu.saga.cmd.payment"),
        ("send", "eu.saga.cmd.shipping"),
        ("send", "eu.saga.events"),
        ("send", "eu.saga.schemas"),
        ("send", "eu.saga.dlq.replies"),
        ("send", "eu.saga.dlq.starts"),
    }
    replies = document["operations"]["payment.resolve"]["reply"]["channel"]["$ref"]
    assert document["channels"][replies.rpartition("/")[2]]["address"] == "eu.saga.reply.payment"


def test_a_participant_sees_the_same_from_the_other_side() -> None:
    document = participant_document("payment", [CHARGE, REFUND], topics=Topics("eu."))
    asked = {name: one for name, one in coordinator()["operations"].items() if name.startswith("payment.")}

    for name, operation in asked.items():
        mine = document["operations"][name]
        assert (operation["action"], mine["action"]) == ("send", "receive")
        assert mine["bindings"]["kafka"]["groupId"]["enum"] == ["eu.saga.payment"]
        assert mine["messages"] == operation["messages"]
        assert mine["reply"] == operation["reply"]
    commands = {"payment.action.shop.Charge", "payment.compensation.shop.Refund", "payment.resolve"}
    assert set(asked) == commands | {"payment.horizon", "payment.sweep"}
    assert document["operations"]["schema"]["action"] == "receive"


def test_a_message_says_its_record_its_kind_and_its_saga() -> None:
    message = participant_document("payment", [CHARGE])["components"]["messages"]["action.shop.Charge"]

    own = message["headers"]["allOf"][1]["properties"]
    assert own == {"ce_sagakind": {"const": "action"}, "ce_type": {"const": "shop.Charge"}}
    assert message["payload"] == {"$ref": "#/components/schemas/shop.Charge"}
    assert message["correlationId"] == {"$ref": "#/components/correlationIds/saga"}
    assert message["bindings"]["kafka"]["schemaIdLocation"] == "payload"
    assert "order/charge" in message["summary"]


def test_what_a_success_carries_is_known_where_it_is_read() -> None:
    document = coordinator()

    assert "SUCCEEDED.shop.Charged" in answers(document, "payment.action.shop.Charge")
    assert "SUCCEEDED.shop.Charged" in answers(document, "payment.resolve")
    assert {"SUCCEEDED.saga.v1.Empty", "UNDONE"} <= answers(document, "payment.compensation.shop.Refund")
    assert "payload" not in document["components"]["messages"]["SUCCEEDED"], "nobody reads it"
    assert document["components"]["messages"]["REJECTED"]["payload"] == {"$ref": "#/components/schemas/saga.v1.Failure"}


def test_an_announcement_has_its_own_answer_and_is_about_no_saga() -> None:
    document = participant_document("payment", [CHARGE])

    assert answers(document, "payment.horizon") == {"saga.v1.HorizonHeard"}
    assert answers(document, "payment.sweep") == {"saga.v1.SweptRows"}
    assert "correlationId" not in document["components"]["messages"]["sweep"]
    assert "ce_correlationid" not in document["components"]["schemas"]["announcementHeaders"]["properties"]


def test_two_steps_of_one_command_are_one_message() -> None:
    again = CommandContract(
        kind=Kind.ACTION, command=CHARGE.command, replies=(record("shop.ChargedLater"),), asked_by=("rent/charge",)
    )

    document = coordinator_document({"payment": [CHARGE, again]}, [])

    assert {"SUCCEEDED.shop.Charged", "SUCCEEDED.shop.ChargedLater"} <= answers(document, "payment.action.shop.Charge")
    assert "order/charge, rent/charge" in document["components"]["messages"]["action.shop.Charge"]["summary"]


def test_a_document_is_the_same_every_time() -> None:
    assert json.dumps(coordinator()) == json.dumps(coordinator())


# --- schemas --------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_names_without_dots_say_the_same_schema(case: dict[str, Any]) -> None:
    canonical = json.loads(case["canonical"])

    apart = avro_document(canonical)

    assert not re.search(r'"name":"[^"]*\.', json.dumps(apart, separators=(",", ":")))
    if case["name"] == "aliases and order":
        assert apart["aliases"] == ["Old", "Older"]
    else:
        assert Schema.parse(apart).id == case["id"]


def test_an_alias_of_another_namespace_is_left_out() -> None:
    schema = record("shop.R", aliases=["bank.R", "shop.Q", "P"])

    assert avro_document(schema.document)["aliases"] == ["Q", "P"]


# --- headers --------------------------------------------------------------------------------------


def test_the_table_has_every_header_that_we_read() -> None:
    names = [name for row in ROWS for name in (row.name, row.also) if name is not None]

    assert len(names) == len(set(names))
    assert set(names) >= KNOWN | PASSED_OVER


def test_the_page_and_the_table_give_each_header_to_the_same_messages() -> None:
    table = {row.name: tuple(row.mark(kind) for kind in MessageKind) for row in ROWS}
    lines = re.findall(r"^\| `([a-z_-]+)`[^|]* \|((?: ?(?:✓|\(✓\))? ?\|){6})", PAGE, re.MULTILINE)
    page = {name: tuple(mark.strip() for mark in marks.split("|")[:6]) for name, marks in lines}

    assert len(page) >= 25
    assert {name: table.get(name) for name in page} == page


@pytest.mark.parametrize("message", RECORDED, ids=lambda message: message["title"])
def test_recorded_headers_are_as_the_table_says(message: dict[str, Any]) -> None:
    is_letter = message["kind"] == "dead letter"
    letter = coordinator()["components"]["messages"]["deadLetter"]
    schema = letter["headers"] if is_letter else header_schema(MessageKind(message["kind"]))
    Draft202012Validator.check_schema(schema)
    problems = Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(message["headers"])

    assert [problem.message for problem in problems] == []
    assert is_letter or set(message["headers"]) <= set(schema["properties"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_sagaprotocol", "2"),
        ("ce_time", "yesterday"),
        ("ce_sagarun", "01"),
        ("ce_sagakind", "ACTION"),
        ("ce_id", ""),
        ("ce_correlationid", "01A1A1BA-5650-71F7-8707-070707070707"),
        ("traceparent", "00-abc"),
    ],
)
def test_a_header_out_of_its_form_is_noticed(name: str, value: str) -> None:
    command = next(message["headers"] for message in RECORDED if message["kind"] == "command")

    validator = Draft202012Validator(header_schema(MessageKind.COMMAND), format_checker=FormatChecker())

    assert validator.is_valid(command)
    assert not validator.is_valid(command | {name: value})
    assert not validator.is_valid({other: text for other, text in command.items() if other != "ce_sagatoken"})
