"""A dead letter taken apart: reason in words, headers, and the value as far as it goes."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from saga_coordinator.inbound.dead_letters import encode_headers
from saga_coordinator.store.port import DeadLetter
from saga_coordinator.views import dead_letters
from saga_coordinator.views.dead_letters import HEX_BYTES, letter_view, payload_view
from saga_schemas.catalog import Catalog
from saga_schemas.codec import encode
from saga_schemas.records import OWN, Failure, encode_own
from saga_schemas.schema import Schema

SAGA = UUID("019b0000-0000-7000-8000-000000000001")
CHARGED = Schema.parse(
    {
        "type": "record",
        "name": "shop.Charged",
        "fields": [{"name": "id", "type": "string"}, {"name": "note", "type": "string"}, {"name": "amount", "type": "long"}],
    }
)
CATALOG = Catalog([CHARGED])
GOOD = encode(CHARGED, {"id": "c-1", "note": "<b>", "amount": 2500})
HEADERS = (
    ("ce_sagastep", b"charge"),
    ("ce_sagaoutcome", b"SUCCEEDED"),
    ("ce_subject", f"{SAGA}/charge".encode()),
    ("x-raw", b"\xff\x00"),
    ("empty", b""),
)


def letter(**changed: object) -> DeadLetter:
    values: dict[str, object] = {
        "id": SAGA,
        "consumer": "replies",
        "topic": "saga.reply.payment",
        "partition": 3,
        "offset": 17,
        "at_us": 1,
        "reason": "invalid_value",
        "detail": "id: not a text",
        "key": str(SAGA).encode(),
        "value": GOOD,
        "headers": encode_headers(HEADERS),
        "relayed": True,
    }
    return DeadLetter(**{**values, **changed})  # type: ignore[arg-type]


def test_a_reply_says_what_it_can_of_itself() -> None:
    view = letter_view(letter(), CATALOG, "payment")

    assert (view.what, view.writer) == ("Its value is none of its schema.", "payment")
    assert view.fate == "Nothing is lost: the command is asked again by itself."
    assert (view.saga_id, view.step) == (SAGA, "charge")
    assert view.says == "as far as it tells: SUCCEEDED · charge" and view.headers_trouble != ""
    texts = {one.name: one.text for one in view.headers}
    assert (texts["ce_sagastep"], texts["x-raw"], texts["empty"]) == ("charge", "ff 00", "")
    assert view.payload.value == {"id": "c-1", "note": "<b>", "amount": 2500} and view.payload.trouble == ""


def test_a_start_has_to_be_sent_again_and_its_saga_is_not_known() -> None:
    view = letter_view(letter(consumer="starts", key=b"\xff", headers=encode_headers(())), CATALOG, "somebody")

    assert "send it again" in view.fate
    assert (view.saga_id, view.step, view.key, view.says) == (None, "", "ff", "")


@pytest.mark.parametrize(
    ("value", "fields", "trouble", "at"),
    [
        (GOOD[:-1], {"id": "c-1", "note": "<b>"}, "field amount cannot be read", 5 + 4 + 4),
        (GOOD[:11], {"id": "c-1"}, "field note cannot be read", 5 + 4),
        (GOOD + b"!", {"id": "c-1", "note": "<b>", "amount": 2500}, "bytes follow the value", len(GOOD)),
        (GOOD[:5] + b"\x80" * 20, {}, "field id cannot be read", 5),
    ],
)
def test_a_damaged_value_is_read_up_to_the_damage(value: bytes, fields: dict[str, object], trouble: str, at: int) -> None:
    view = payload_view(value, CATALOG)

    assert (view.record, view.value) == ("shop.Charged", fields)
    assert trouble in view.trouble and view.trouble_at == at


@pytest.mark.parametrize(
    ("value", "trouble"),
    [
        (None, "there is no value"),
        (b"", "a value starts with 0x00 and four bytes of schema id"),
        (b"{}", "a value starts with 0x00 and four bytes of schema id"),
        (b"\0\0\0\0\7rest", "no schema of id 00000007 is known here"),
        (b"\0" * 300_000, "a value has at most"),
    ],
)
def test_what_no_schema_is_known_for_is_said(value: bytes | None, trouble: str) -> None:
    view = payload_view(value, CATALOG)

    assert view.value is None and trouble in view.trouble


def test_what_a_schema_masks_is_shown_neither_as_a_value_nor_as_bytes() -> None:
    card = {"name": "card", "type": "string", "x-mask": True}
    fields = [{"name": "id", "type": "string"}, card, {"name": "n", "type": "long"}]
    schema = Schema.parse({"type": "record", "name": "shop.Card", "fields": fields})
    framed = encode(schema, {"id": "c-1", "card": "4111", "n": 7})

    for value in (framed, framed[:-1]):
        view = letter_view(letter(value=value), Catalog([schema]), "payment")
        assert view.payload.value is not None and view.payload.value["id"] == "c-1" and view.payload.value["card"] != "4111"
        assert view.payload.hides and list(view.hex) == []


def test_records_of_the_protocol_are_read_too() -> None:
    view = payload_view(encode_own(Failure.of("no_carrier", "none", None)), Catalog(OWN))

    assert view.record == "saga.v1.Failure" and view.value is not None and view.value["code"] == "no_carrier"


def test_bytes_are_shown_up_to_a_bound() -> None:
    view = letter_view(letter(value=bytes(range(256)) * 16), CATALOG, "payment")

    assert (view.hex[0].at, view.hex[0].numbers[:8], view.hex[2].text) == ("0000", "00 01 02", " !\"#$%&'()*+,-./")
    assert len(view.hex) * 16 == HEX_BYTES and view.hex_left_out == 4096 - HEX_BYTES


def test_every_reason_of_the_page_of_the_wire_has_words() -> None:
    page = (Path(__file__).parents[4] / "docs" / "wire.md").read_text(encoding="utf-8")
    table = page.split("### Dead letters", 1)[1].split("The record itself must be readable", 1)[0]
    codes = {
        code for line in table.splitlines() if line.startswith("| `") for code in line.split("|")[1].replace("`", "").split(", ")
    }
    codes = {code.strip() for code in codes}

    assert codes - {"horizon_in_future"} <= set(dead_letters._REASONS)
    assert len(codes) > 25
