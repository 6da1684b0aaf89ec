"""Schemas: ids that never move, and what the gate refuses (B8, and the bombs of B7 where they are
made)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from saga_schemas import limits
from saga_schemas.catalog import Catalog
from saga_schemas.errors import SchemaCollision, SchemaRefused
from saga_schemas.files import read_schemas
from saga_schemas.records import OWN
from saga_schemas.schema import Schema, load_json, parse_all

MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
LINE = {
    "type": "record",
    "name": "Line",
    "namespace": "shop",
    "doc": "x",
    "fields": [{"name": "sku", "type": "string", "doc": "y"}],
}
ORDER: dict[str, Any] = {
    "type": "record", "name": "Order", "namespace": "shop", "doc": "An order.",
    "fields": [{"name": "total", "type": MONEY}, {"name": "first", "type": "Line"}, {"name": "rest", "type": {"type": "array",
    "items": "shop.Line"}}],
}  # fmt: skip


def record(*types: Any, name: str = "shop.R") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": f"f{n}", "type": each} for n, each in enumerate(types)]}


def test_the_id_is_the_hash_of_the_canonical_document_within_our_range() -> None:
    schema = Schema.parse(ORDER, {"shop.Line": LINE})
    spelled = (
        '{"fields":[{"name":"total","type":{"logicalType":"decimal","precision":9,"scale":2,"type":"bytes"}},'
        '{"name":"first","type":{"fields":[{"name":"sku","type":"string"}],"name":"shop.Line","type":"record"}},'
        '{"name":"rest","type":{"items":"shop.Line","type":"array"}}],"name":"shop.Order","type":"record"}'
    )
    assert schema.canonical.decode() == spelled
    assert schema.id == int.from_bytes(hashlib.sha256(spelled.encode()).digest()[:4], "big") & 0x3FFF_FFFF | 0x4000_0000


def test_the_ids_of_our_own_records_never_change() -> None:
    assert {schema.full_name: schema.id for schema in OWN} == {
        "saga.v1.Empty": 1928705233,
        "saga.v1.Failure": 1571072832,
        "saga.v1.Progress": 1263110718,
        "saga.v1.SagaEvent": 1861160373,
        "saga.v1.Horizon": 1514654109,
        "saga.v1.HorizonHeard": 1376813485,
        "saga.v1.Sweep": 1624691336,
        "saga.v1.SweptRows": 1760320143,
    }


def test_a_canonical_document_is_its_own_canonical_document() -> None:
    schema = Schema.parse(ORDER, {"shop.Line": LINE})
    assert Schema.parse_json(schema.canonical) == schema


def test_documentation_and_spelling_do_not_change_the_id_but_defaults_and_logical_types_do() -> None:
    plain = Schema.parse(record("string"))
    assert (
        Schema.parse(
            {
                "namespace": "shop",
                "name": "R",
                "doc": "!",
                "type": "record",
                "fields": [{"doc": "!", "type": "string", "name": "f0"}],
            }
        )
        == plain
    )
    with_default = record("string")
    with_default["fields"][0]["default"] = ""
    assert (
        len(
            {
                Schema.parse(each).id
                for each in (record("string"), with_default, record({"type": "string", "logicalType": "uuid"}))
            }
        )
        == 3
    )


def test_a_default_may_be_called_doc() -> None:
    document = record({"type": "map", "values": "string"})
    document["fields"][0]["default"] = {"doc": "kept", "namespace": "kept"}
    assert b'"doc":"kept"' in Schema.parse(document).canonical


def nested(depth: int) -> Any:
    node: Any = "int"
    for _ in range(depth):
        node = {"type": "array", "items": node}
    return node


def doubling(levels: int, fan: int) -> dict[str, Any]:
    """A small document that unfolds into fan**levels fields of no bytes at all."""
    node: Any = record(name="shop.E")
    for level in range(levels):
        node = record(node, *[node["name"]] * (fan - 1), name=f"shop.L{level}")
    return node  # type: ignore[no-any-return]


REFUSED: dict[str, Any] = {
    "recursive": record(["null", "shop.R"]),
    "recursive in an array": record({"type": "array", "items": "shop.R"}),
    "recursive through another": record({"type": "record", "name": "shop.S", "fields": [{"name": "r", "type": ["null", "shop.R"]}]}),
    "array of null": record({"type": "array", "items": "null"}),
    "array of spelled out null": record({"type": "array", "items": {"type": "null"}}),
    "array of empty records": record({"type": "array", "items": record(name="shop.E")}),
    "array of records of nothing": record({"type": "array", "items": record("null", record(name="shop.E"), name="shop.N")}),
    "map of null": record({"type": "map", "values": "null"}),
    "array of fixed 0": record({"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}),
    "array of a name for nothing": record(record(name="shop.E"), {"type": "array", "items": "shop.E"}),
    "33 deep": record(nested(33)),
    "unfolds": doubling(20, 20),
    "too many fields": record(*["int"] * (limits.SCHEMA_FIELDS + 1)),
    "too many symbols": record({"type": "enum", "name": "E", "symbols": [f"S{n}" for n in range(limits.SCHEMA_FIELDS + 1)]}),
    "huge fixed": record({"type": "fixed", "name": "F", "size": 1 << 30}),
    "negative fixed": record({"type": "fixed", "name": "F", "size": -1}),
    "boolean fixed": record({"type": "fixed", "name": "F", "size": True}),
    "huge decimal": record({"type": "bytes", "logicalType": "decimal", "precision": 10**9, "scale": 2}),
    "scale beyond precision": record({"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 3}),
    "decimal without precision": record({"type": "bytes", "logicalType": "decimal"}),
    "empty union": record([]),
    "union in a union": record([["null", "int"], "string"]),
    "union of one type twice": record(["int", "int"]),
    "unknown type": record("shop.Unknown"),
    "type is a number": record(7),
    "type is an object in an object": record({"type": {"type": "string"}}),
    "no fields": {"type": "record", "name": "shop.R"},
    "field without type": {"type": "record", "name": "shop.R", "fields": [{"name": "a"}]},
    "field twice": {"type": "record", "name": "shop.R", "fields": [{"name": "a", "type": "int"}] * 2},
    "field name": {"type": "record", "name": "shop.R", "fields": [{"name": "a-b", "type": "int"}]},
    "record name": {"type": "record", "name": "shop.R-1", "fields": []},
    "name of another script": {"type": "record", "name": "ѕhop.R", "fields": []},
    "no name": {"type": "record", "fields": []},
    "wrong default": {"type": "record", "name": "shop.R", "fields": [{"name": "a", "type": "int", "default": "x"}]},
    "enum symbol twice": record({"type": "enum", "name": "E", "symbols": ["A", "A"]}),
    "enum without symbols": record({"type": "enum", "name": "E", "symbols": []}),
    "name defined twice, differently": record(record("int", name="shop.S"), record("long", name="shop.S")),
    "not a record": "string",
    "an enum": {"type": "enum", "name": "E", "symbols": ["A"]},
    "a list": [],
    "null": None,
    "pretends to be parsed": record("int") | {"__fastavro_parsed": True},
    "a default 50,000 deep": {"type": "record", "name": "shop.R", "fields": [{"name": "a", "type": "int", "x": nested(50_000)}]},
    "a lone surrogate": record("int") | {"x": "\ud800"},
    "NaN": record("int") | {"x": float("nan")},
}  # fmt: skip


@pytest.mark.parametrize("document", REFUSED.values(), ids=REFUSED.keys())
def test_a_schema_that_is_dangerous_or_makes_no_sense_is_refused(document: Any) -> None:
    with pytest.raises(SchemaRefused):
        Schema.parse(document)


def test_a_schema_50000_deep_is_refused_as_an_object_and_as_text() -> None:
    with pytest.raises(SchemaRefused):
        Schema.parse(record(nested(50_000)))
    text = '{"type":"array","items":' * 8_000 + '"int"' + "}" * 8_000
    with pytest.raises(SchemaRefused):
        Schema.parse_json(text)
    with pytest.raises(SchemaRefused):
        Schema.parse_json("[" * 100_000)


@pytest.mark.parametrize(
    "text", ["", "{", '{"type":"record","type":"record"}', b"\xff", '{"x":NaN}', "[" + "1," * 200_000 + "1]"]
)
def test_schema_text_that_is_not_plain_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(SchemaRefused):
        load_json(text)


def test_the_limits_themselves_are_allowed() -> None:
    Schema.parse(record(nested(limits.SCHEMA_DEPTH - 2)))
    Schema.parse(record(*["int"] * ((limits.SCHEMA_FIELDS - 1) // 2)))
    Schema.parse(record("null", record(name="shop.E")))


def test_a_type_used_twice_is_in_lined_once() -> None:
    twice = record(record("int", name="shop.S"), record("int", name="shop.S"))
    assert Schema.parse(twice) == Schema.parse(record(record("int", name="shop.S"), "shop.S"))


@pytest.mark.parametrize("again", [False, True])
def test_a_name_without_namespace_inside_one_is_refused(again: bool) -> None:
    """Its canonical document would be read as another one."""
    bare = {"type": "record", "name": "S", "namespace": "", "fields": [{"name": "x", "type": "int"}]}
    with pytest.raises(SchemaRefused, match="S has no namespace and stands inside one"):
        Schema.parse(record(*[bare] * (1 + again)))
    inside = record(bare, "S", name="R")
    assert Schema.parse(Schema.parse(inside).document) == Schema.parse(inside), "where there is none, it is well"


def test_a_namespace_reaches_the_names_inside() -> None:
    inner = {"type": "record", "name": "Inner", "fields": [{"name": "x", "type": "int"}]}
    document = {
        "type": "record",
        "name": "Outer",
        "namespace": "a.b",
        "fields": [{"name": "i", "type": inner}, {"name": "j", "type": "Inner"}],
    }
    assert set(Schema.parse(document).types) == {"a.b.Outer", "a.b.Inner"}


def test_documents_given_together_may_refer_to_each_other_in_any_order() -> None:
    assert {schema.full_name for schema in parse_all([ORDER, LINE])} == {"shop.Order", "shop.Line"}
    with pytest.raises(SchemaRefused, match="differently"):
        parse_all([LINE, LINE | {"fields": []}])


def test_a_catalog_keeps_versions_in_order_and_refuses_a_collision() -> None:
    old, new = Schema.parse(record("int")), Schema.parse(record("long"))
    catalog = Catalog([old, new, old])
    assert (catalog.named("shop.R"), catalog.latest("shop.R"), catalog.by_id(old.id), catalog.by_id(1)) == (
        (old, new),
        new,
        old,
        None,
    )
    collision = Schema(
        id=old.id, full_name="shop.X", canonical=b"{}", document={}, parsed={}, prefix=b"", types={}, has_ints=False,
        has_decimals=False, has_record_unions=False
    )  # fmt: skip
    with pytest.raises(SchemaCollision, match=r"shop\.X and shop\.R"):
        catalog.add(collision)


def test_a_directory_gives_older_versions_first_and_resolves_references(tmp_path: Path) -> None:
    old = {**ORDER, "fields": [ORDER["fields"][0]]}
    for name, document in {
        "shop.Order": ORDER,
        "shop.Order.2": old | {"aliases": ["B"]},
        "shop.Order.10": old,
        "shop.Line": LINE,
    }.items():
        (tmp_path / f"{name}.avsc").write_text(json.dumps(document))
    (tmp_path / "shop.Colour.avsc").write_text(json.dumps({"type": "enum", "name": "shop.Colour", "symbols": ["RED"]}))
    schemas = read_schemas(tmp_path)
    assert [(schema.full_name, len(schema.document["fields"])) for schema in schemas] == [
        ("shop.Line", 1), ("shop.Order", 1), ("shop.Order", 1), ("shop.Order", 3),
    ]  # fmt: skip
    assert "aliases" in schemas[1].document
    assert Catalog(schemas).latest("shop.Order") == Schema.parse(ORDER, {"shop.Line": LINE})


@pytest.mark.parametrize(
    ("name", "text"),
    [("shop.Other", json.dumps(LINE)), ("shop.Line", "{"), ("shop.Line", "[]"), ("shop.Order", json.dumps(ORDER))],
)
def test_a_file_that_is_wrong_is_named(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / f"{name}.avsc").write_text(text)
    with pytest.raises(SchemaRefused, match=name.replace(".", r"\.") + r"\.avsc: "):
        read_schemas(tmp_path)


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaRefused, match="directory"):
        read_schemas(tmp_path / "none")


@pytest.mark.parametrize("text", ["\ufeff{}", "{}".encode("utf-8-sig")])
def test_a_byte_order_mark_is_no_part_of_a_schema(text: str | bytes) -> None:
    assert load_json(text) == {}
