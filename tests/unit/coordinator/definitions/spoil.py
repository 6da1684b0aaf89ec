"""A definition and schemas of the tests' own, to be spoilt in one place at a time."""

from __future__ import annotations

from typing import Any

from saga_coordinator.definitions import LintResult, lint
from saga_schemas.catalog import Catalog
from saga_schemas.schema import Schema

SOUND = """\
saga: trip
version: 1
input: t.Trip
key: ${input.id}
deadline: 10m
steps:
  - name: car
    participant: cars
    command: t.RentCar
    compensation: t.ReturnCar
    with: {days: "${input.days}"}
    retry: {attempts: 3, first: 100ms, cap: 2s}
    timeout: {step: 5s}
  - name: room
    participant: rooms
    command: t.BookRoom
    with: {price: "${input.price}", car: "${steps.car.reply.plate}", note: hello}
    compensation:
      command: t.CancelRoom
      with: {room: "${steps.room.reply.room}"}
  - name: pay
    pivot: true
    participant: bank
    command: t.Pay
    with: {total: "${input.total}"}
  - name: mail
    participant: post
    command: t.Mail
"""


def record(name: str, *fields: tuple[Any, ...], **extra: Any) -> dict[str, Any]:
    """An Avro record; a field is (name, type) or (name, type, default)."""
    made = [{"name": f[0], "type": f[1], **({"default": f[2]} if len(f) > 2 else {})} for f in fields]
    return {"type": "record", "name": f"t.{name}", "fields": made, **extra}


DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
UUID = {"type": "string", "logicalType": "uuid"}
GUEST = record("Guest", ("name", "string"), ("age", ["null", "int"], None), ("fee", DECIMAL, "\u0000"))
COLOUR = {"type": "enum", "name": "t.Colour", "symbols": ["red", "blue"]}

TRIP = record(
    "Trip",
    ("id", UUID),
    ("days", "int"),
    ("price", "double"),
    ("total", DECIMAL),
    ("note", ["null", "string"], None),
    ("insured", "boolean", True),
    ("maybe", ["null", "boolean"], None),
    ("guests", {"type": "array", "items": GUEST}, []),
    ("tags", {"type": "map", "values": "string"}, {}),
    ("colour", COLOUR, "red"),
    ("at", {"type": "long", "logicalType": "timestamp-millis"}, 0),
    ("day", {"type": "int", "logicalType": "date"}, 0),
    ("raw", "bytes", ""),
    ("stars", "float", 1.0),
)
RECORDS = (
    TRIP,
    record("RentCar", ("days", "long"), ("colour", "string", "red"), sagaReply="t.CarRented"),
    record("CarRented", ("plate", "string"), ("fee", DECIMAL, "\u0000")),
    record("ReturnCar", ("days", "long")),
    record("BookRoom", ("price", "double"), ("car", ["null", "string"], None), ("note", "string"), sagaReply="t.RoomBooked"),
    record("RoomBooked", ("room", "long")),
    record("CancelRoom", ("room", "long"), ("price", "double")),
    record("Pay", ("id", "string"), ("total", DECIMAL), ("seal", {"type": "fixed", "name": "t.Seal", "size": 2}, "ab")),
    record("Mail", ("id", UUID), ("days", "double"), ("text", "string", ""), ("colour", {**COLOUR, "name": "t.Colour"}, "red")),
    record(
        "Wide",
        ("i", "int", 0),
        ("l", "long", 0),
        ("f", "float", 0.0),
        ("d", "double", 0.0),
        ("b", "boolean", False),
        ("s", "string", ""),
        ("u", UUID, "00000000-0000-0000-0000-000000000000"),
        ("m", DECIMAL, "\u0000"),
        ("c", COLOUR, "red"),
        ("x", "bytes", ""),
        ("t", {"type": "long", "logicalType": "timestamp-millis"}, 0),
        ("day", {"type": "int", "logicalType": "date"}, 0),
        ("clock", {"type": "int", "logicalType": "time-millis"}, 0),
        ("local", {"type": "long", "logicalType": "local-timestamp-millis"}, 0),
        ("a", {"type": "array", "items": "int"}, []),
        ("kv", {"type": "map", "values": "long"}, {}),
        ("g", ["null", GUEST], None),
        ("n", ["null", "string", "long"], None),
    ),
    record("Blank"),
    record("Vague", ("days", "long"), sagaReply="t.Nowhere"),
)


def trip_catalog() -> Catalog:
    """The schemas of `SOUND`."""
    return Catalog(Schema.parse(document) for document in RECORDS)


def spoilt(*changes: tuple[str, str], catalog: Catalog | None = None) -> LintResult:
    """Lint `SOUND` with texts replaced."""
    text = SOUND
    for old, new in changes:
        assert text.count(old) >= 1, f"{old!r} is not in the sound definition"
        text = text.replace(old, new, 1)
    return lint(text, "trip.saga.yaml", catalog or trip_catalog())


def codes(result: LintResult) -> list[str]:
    return [finding.code for finding in result.findings]
