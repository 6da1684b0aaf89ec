"""The JSON Schema for editors says what the reader reads."""

from __future__ import annotations

import re
from typing import Any

import pytest

from saga_coordinator.definitions import definition_json_schema, lint
from saga_coordinator.definitions.finding import Report
from saga_coordinator.definitions.structure import COMPENSATION_KEYS, RETRY_KEYS, SAGA_KEYS, STEP_KEYS, TIMEOUT_KEYS
from saga_coordinator.definitions.yaml_reader import read_yaml
from saga_schemas.catalog import Catalog
from support.paths import ROOT
from unit.coordinator.definitions.spoil import SOUND, trip_catalog

SCHEMA = definition_json_schema()
_KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Just enough of JSON Schema for the one we write; an unknown keyword fails the test."""
    known = {"$schema", "$defs", "$ref", "title", "description", "examples", "default", "type", "pattern", "maxLength", "minimum"}
    known |= {
        "maximum",
        "minItems",
        "maxItems",
        "uniqueItems",
        "items",
        "properties",
        "additionalProperties",
        "required",
        "anyOf",
        "const",
    }
    assert set(schema) <= known
    if "$ref" in schema:
        return fits(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema and not any(fits(value, one) for one in schema["anyOf"]):
        return False
    if "const" in schema and value != schema["const"]:
        return False
    if "type" in schema and not _of_kind(value, schema):
        return False
    if isinstance(value, dict):
        return _object_fits(value, schema)
    if isinstance(value, list):
        return len(value) >= schema.get("minItems", 0) and all(fits(one, schema.get("items", {})) for one in value)
    return True


def _of_kind(value: Any, schema: dict[str, Any]) -> bool:
    kinds = _KINDS[schema["type"]]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        return False
    if isinstance(value, str):
        return re.search(schema.get("pattern", ""), value) is not None
    if isinstance(value, (int, float)):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    return True


def _object_fits(value: dict[str, Any], schema: dict[str, Any]) -> bool:
    properties = schema.get("properties", {})
    if not set(schema.get("required", ())) <= set(value):
        return False
    if schema.get("additionalProperties") is False and not set(value) <= set(properties):
        return False
    return all(fits(inner, properties.get(name, {})) for name, inner in value.items())


def data_of(text: str) -> Any:
    node = read_yaml(text, Report("x"))
    assert node is not None
    return node.plain


def test_it_accepts_the_published_definitions(demo_text: str, tour_text: str) -> None:
    for text in (demo_text, tour_text, SOUND):
        assert fits(data_of(text), SCHEMA)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("deadline: 10m", "deadlin: 10m"),
        ("deadline: 10m", "deadline: soon"),
        ("version: 1", "version: one"),
        ("version: 1", "version: 0"),
        ("attempts: 3", "attempts: many"),
        ("name: car", "name: Car"),
        ("input: t.Trip\n", ""),
        ("compensation: t.ReturnCar", "compensation: [t.ReturnCar]"),
        ("pivot: true", "pivot: 1"),
        ("key: ${input.id}", "key: id"),
    ],
)
def test_it_refuses_what_the_reader_refuses(old: str, new: str) -> None:
    text = SOUND.replace(old, new, 1)
    assert text != SOUND
    assert not fits(data_of(text), SCHEMA)
    assert lint(text, "x", trip_catalog()).document is None


def test_it_knows_exactly_the_readers_keys() -> None:
    definitions = SCHEMA["$defs"]
    assert tuple(SCHEMA["properties"]) == SAGA_KEYS
    assert set(definitions["step"]["properties"]) == set(STEP_KEYS)
    assert set(definitions["retry"]["properties"]) == set(RETRY_KEYS)
    assert set(definitions["timeout"]["properties"]) == set(TIMEOUT_KEYS)
    forms = definitions["step"]["properties"]["compensation"]["anyOf"]
    assert set(forms[2]["properties"]) == set(COMPENSATION_KEYS)


def test_every_key_has_a_description() -> None:
    def walk(schema: dict[str, Any], path: str) -> None:
        for name, inner in schema.get("properties", {}).items():
            target = SCHEMA["$defs"][inner["$ref"].rpartition("/")[2]] if "$ref" in inner else inner
            assert target.get("description"), f"{path}.{name}"
            walk(target, f"{path}.{name}")

    walk(SCHEMA, "definition")


def test_published_examples_lint_clean(shop: Catalog) -> None:
    root = ROOT
    files = [*root.glob("examples/*.saga.yaml"), *root.glob("participants/saga_demo/*.saga.yaml")]
    assert len(files) >= 2
    for file in files:
        assert lint(file.read_text(), file.name, shop).findings == ()
