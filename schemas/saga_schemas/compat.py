"""FULL_TRANSITIVE: a new version of a schema can read what every earlier one wrote, and the other
way round.

The verdicts are those of the `avro` package; it comes with the extra `server`, so it is imported
when a check is asked for. One rule is ours, because Avro's rules do not look at it: a decimal, time
or UUID may not change its logical type, its scale or its precision. The bytes would resolve, and
mean another amount of money.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saga_schemas.errors import AvroMissing
from saga_schemas.gate import branch_name
from saga_schemas.schema import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One reason why two versions do not go together."""

    message: str
    path: str
    """Where, as the avro package or the dotted field path says it."""


def full_transitive(new: Schema, previous: Sequence[Schema]) -> list[Finding]:
    """All findings of `new` against each earlier version, both ways; none when it may be deployed.

    Raises AvroMissing where `avro` is not installed.
    """
    findings: list[Finding] = []
    for number, old in enumerate(previous, start=1):
        if old.id == new.id:
            continue
        of = f"version {number} of {old.full_name}"
        findings += _verdict(reader=new, writer=old, direction=f"cannot read what {of} wrote")
        findings += _verdict(reader=old, writer=new, direction=f"cannot be read with {of}")
        findings += _logical(new, old, of)
    return list(dict.fromkeys(findings))


def _verdict(*, reader: Schema, writer: Schema, direction: str) -> list[Finding]:
    try:
        from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
        from avro.schema import parse
    except ImportError:
        raise AvroMissing("schema compatibility needs the avro package: pip install 'saga-coordinator[server]'") from None
    checker: Any = ReaderWriterCompatibilityChecker  # the package is typed, but not its constructor
    result = checker().get_compatibility(parse(reader.canonical.decode()), parse(writer.canonical.decode()))
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    kinds = ", ".join(sorted({kind.value.replace("_", " ") for kind in result.incompatibilities}))
    reasons = "; ".join(sorted(str(message) for message in result.messages)) or "incompatible"
    path = " ".join(sorted(str(location) for location in result.locations))
    return [Finding(message=f"{direction}: {kinds}: {reasons}", path=path)]


def _logical(new: Schema, old: Schema, of: str) -> Iterator[Finding]:
    for path, before, after in _pairs(old, new, old.document, new.document, new.full_name):
        if before != after:
            yield Finding(message=f"logical type of {of} was {before or 'none'}, is {after or 'none'}", path=path)


def _pairs(old: Schema, new: Schema, before: Any, after: Any, path: str) -> Iterator[tuple[str, str, str]]:
    """The logical types of both sides wherever the two schemas have the same place.

    The gate has bounded the depth.
    """
    before, after = _looked_up(before, old.types), _looked_up(after, new.types)
    if isinstance(before, list) or isinstance(after, list):
        old_branches = {branch_name(branch): branch for branch in (before if isinstance(before, list) else [before])}
        for branch in after if isinstance(after, list) else [after]:
            if branch_name(branch) in old_branches:
                yield from _pairs(old, new, old_branches[branch_name(branch)], branch, path)
        return
    if before["type"] != after["type"]:
        return
    yield path, _logical_of(before), _logical_of(after)
    fields = {entry["name"]: entry for entry in before.get("fields", ())}
    for entry in after.get("fields", ()):
        if entry["name"] in fields:
            yield from _pairs(old, new, fields[entry["name"]]["type"], entry["type"], f"{path}.{entry['name']}")
    for inner in ("items", "values"):
        if inner in before and inner in after:
            yield from _pairs(old, new, before[inner], after[inner], f"{path}[]")


def _looked_up(node: Any, types: Mapping[str, Any]) -> Any:
    return types.get(node, {"type": node}) if isinstance(node, str) else node


def _logical_of(node: Mapping[str, Any]) -> str:
    logical = node.get("logicalType", "")
    return f"decimal({node['precision']},{node.get('scale', 0)})" if logical == "decimal" else str(logical)
