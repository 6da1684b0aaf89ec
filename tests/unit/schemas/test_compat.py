"""FULL_TRANSITIVE: what may be deployed while sagas are open, by the avro package's verdict and our
rule about logical types."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from saga_schemas.compat import full_transitive
from saga_schemas.errors import AvroMissing
from saga_schemas.schema import Schema


def schema(**fields: Any) -> Schema:
    entries = [
        {"name": name} | (each if isinstance(each, dict) and "default" in each else {"type": each})
        for name, each in fields.items()
    ]
    return Schema.parse({"type": "record", "name": "shop.R", "fields": entries})


def money(precision: int, scale: int) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


def optional(default: Any, type_: Any) -> dict[str, Any]:
    return {"type": type_, "default": default}


BASE = schema(a="string", b=optional(None, ["null", "string"]), c=money(9, 2))


def test_the_same_schema_and_fields_with_defaults_are_compatible() -> None:
    assert full_transitive(BASE, []) == []
    assert full_transitive(BASE, [BASE]) == []
    assert full_transitive(schema(a="string", c=money(9, 2), d=optional("", "string")), [BASE]) == []


@pytest.mark.parametrize(
    ("new", "word"),
    [
        (schema(b=optional(None, ["null", "string"]), c=money(9, 2)), "cannot be read with"),
        (schema(a="string", b=optional(None, ["null", "string"]), c=money(9, 2), d="int"), "cannot read"),
        (schema(a="long", b=optional(None, ["null", "string"]), c=money(9, 2)), "type mismatch"),
        (schema(a="string", b=optional(None, ["null", "string"]), c=money(9, 4)), "decimal(9,2), is decimal(9,4)"),
        (schema(a={"type": "string", "logicalType": "uuid"}, b=optional(None, ["null", "string"]), c=money(9, 2)), "was none, is uuid"),
    ],
)  # fmt: skip
def test_a_version_that_does_not_go_together_with_an_earlier_one_is_a_finding(new: Schema, word: str) -> None:
    findings = full_transitive(new, [BASE])
    assert any(word in finding.message for finding in findings)
    assert all(finding.path for finding in findings)


def test_every_earlier_version_counts_not_only_the_last() -> None:
    first = schema(a="string", gone=optional("", "string"))
    second = schema(a="string")
    third = schema(a="string", gone=optional(0, "int"))
    assert full_transitive(second, [first]) == []
    assert full_transitive(third, [second]) == []
    assert [finding for finding in full_transitive(third, [first, second]) if "version 1" in finding.message]


def test_a_logical_type_that_changes_inside_arrays_maps_and_unions_is_found() -> None:
    for wrap in (lambda t: {"type": "array", "items": t}, lambda t: {"type": "map", "values": t}, lambda t: ["null", t]):
        findings = full_transitive(schema(a=wrap(money(9, 2))), [schema(a=wrap(money(9, 3)))])
        assert [finding.path for finding in findings if "logical" in finding.message]


def test_without_the_avro_package_there_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "avro.compatibility", None)
    with pytest.raises(AvroMissing, match=r"saga-coordinator\[server\]"):
        full_transitive(schema(a="int"), [BASE])
