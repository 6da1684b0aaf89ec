"""A pydantic model bound to its Avro record: checked once at start-up, converted without surprises
afterwards.

The .avsc file is canonical; a model that disagrees is a configuration error with one line a field.
A record's field that has a default may be missing in the model; everything else must be there, with
the type the value really has.
"""

from __future__ import annotations

import enum
import types as python_types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, Generic, Literal, TypeVar, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from saga_schemas.errors import BadMessage, BindingFailed
from saga_schemas.gate import branch_name
from saga_schemas.schema import Schema, record_branches

M = TypeVar("M", bound=BaseModel)
Convert = Callable[[Any], Any]

_PRIMITIVE: Final[dict[str, tuple[type, ...]]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "int": (int,),
    "long": (int,),
    "float": (float,),
    "double": (float,),
    "bytes": (bytes,),
    "string": (str,),
    "fixed": (bytes,),
}
_LOGICAL: Final[dict[str, tuple[type, ...]]] = {
    "decimal": (Decimal,),
    "uuid": (UUID, str),
    "date": (date,),
    "time-millis": (time,),
    "time-micros": (time,),
    "timestamp-millis": (datetime,),
    "timestamp-micros": (datetime,),
    "local-timestamp-millis": (datetime,),
    "local-timestamp-micros": (datetime,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding(Generic[M]):
    """A model, its schema, and the way between the two."""

    model: type[M]
    schema: Schema
    _out: Convert | None = field(repr=False)
    _into: Convert | None = field(repr=False)

    def to_value(self, instance: M) -> dict[str, Any]:
        """What `codec.encode` takes."""
        value = _fields_of(instance)
        return value if self._out is None else typing.cast("dict[str, Any]", self._out(value))

    def from_value(self, value: Mapping[str, Any]) -> M:
        """The validated model.

        Raises:
            BadMessage: The value does not fit; names the field and the rule, never the value.
        """
        try:
            return self.model.model_validate(value if self._into is None else self._into(value))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            path = ".".join(str(part) for part in first["loc"])
            raise BadMessage("invalid_value", f"{self.schema.full_name}.{path}: {first['type']}") from None


def bind(model: type[M], schema: Schema) -> Binding[M]:
    """BindingFailed lists every disagreement between a model and its record."""
    if not names_record(model, schema.full_name):
        raise BindingFailed(f"{model.__name__} is not named for {schema.full_name}: name it so or set avro_name")
    check = _Check(types=schema.types)
    pair = check.record(model, schema.document, schema.full_name)
    if check.findings:
        raise BindingFailed("\n".join(check.findings))
    return Binding(model=model, schema=schema, _out=pair.out, _into=pair.into)


def names_record(model: type[BaseModel], full_name: str) -> bool:
    """Whether a model stands for that record.

    Its `avro_name` (or `__avro_name__`) is the record's full name, else its class name is the last
    part.
    """
    stated = model.__dict__.get("__avro_name__", model.__dict__.get("avro_name"))
    if isinstance(stated, str):
        return stated == full_name
    return full_name.rpartition(".")[2] == model.__name__


def record_for(model: type[BaseModel], schemas: Iterable[Schema]) -> Schema:
    """The newest schema that a model stands for.

    Raises:
        BindingFailed: There is none, or two records fit.
    """
    fitting = {schema.full_name: schema for schema in schemas if names_record(model, schema.full_name)}
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    if not fitting:
        raise BindingFailed(f"{model.__name__}: no schema of that name; add <namespace>.{model.__name__}.avsc or set avro_name")
    raise BindingFailed(f"{model.__name__}: {' and '.join(sorted(fitting))} both fit; set avro_name")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """Conversions of one type; None where the value goes through as it is."""

    out: Convert | None = None
    into: Convert | None = None
    python: tuple[type, ...] = ()


_AS_IS: Final = _Pair()


@dataclass(slots=True)
class _Check:
    types: Mapping[str, Any]
    findings: list[str] = field(default_factory=list)

    def record(self, model: type[BaseModel], node: Mapping[str, Any], path: str) -> _Pair:
        wanted = {entry["name"]: entry for entry in node["fields"]}
        given = {_wire_name(name, info): info for name, info in model.model_fields.items()}
        pairs: dict[str, _Pair] = {}
        for name, entry in wanted.items():
            if name in given:
                pairs[name] = self.type(given[name].annotation, entry["type"], f"{path}.{name}")
            elif "default" not in entry:
                self.findings.append(f"{model.__name__}: has no field {path}.{name} ({describe(entry['type'])})")
        for name in given.keys() - wanted.keys():
            self.findings.append(f"{model.__name__}: field {name} is not in {path}")
        outs = {name: pair.out for name, pair in pairs.items() if pair.out is not None}
        intos = {name: pair.into for name, pair in pairs.items() if pair.into is not None}
        unread = frozenset(wanted.keys() - given.keys())
        return _Pair(out=_on_fields(outs, frozenset()), into=_on_fields(intos, unread), python=(model,))

    def type(self, annotation: Any, node: Any, path: str) -> _Pair:
        annotation = _bare(annotation)
        if annotation is Any:
            return _AS_IS
        pair = self._fit(annotation, node, path)
        if pair is None:
            self.findings.append(f"{path}: the schema says {describe(node)}, the model {_spelled(annotation)}")
            return _AS_IS
        return pair

    def _fit(self, annotation: Any, node: Any, path: str) -> _Pair | None:
        if isinstance(node, str) and node in self.types:
            node = self.types[node]
        if isinstance(node, list):
            return self._union(annotation, node, path)
        members = _members(annotation)
        if len(members) > 1:
            return None  # the model allows what the schema does not
        annotation = members[0]
        kind = node if isinstance(node, str) else node["type"]
        if kind == "record":
            if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
                return None
            pair = self.record(annotation, node, path)
            return _Pair(out=_model_out(pair.out), into=pair.into, python=(annotation,))
        if kind == "enum":
            return _enum(annotation, node)
        if kind in ("array", "map"):
            return self._collection(kind, annotation, node, path)
        return _scalar(annotation, kind, node)

    def _union(self, annotation: Any, node: list[Any], path: str) -> _Pair | None:
        members = _members(annotation)
        if ("null" in node) != (type(None) in members):
            return None
        branches = [branch for branch in node if branch != "null"]
        left = [member for member in members if member is not type(None)]
        pairs: list[tuple[Any, _Pair]] = []
        for branch in branches:
            member = next((each for each in left if self._silently(each, branch)), None)
            if member is None:
                return None
            left.remove(member)
            pairs.append((branch, self._fit(member, branch, path) or _AS_IS))
        if left:
            return None
        if len(pairs) == 1:
            return _Pair(out=_unless_none(pairs[0][1].out), into=_unless_none(pairs[0][1].into))
        return _several(pairs, self.types, set(record_branches(node, self.types)))

    def _silently(self, annotation: Any, node: Any) -> bool:
        trial = _Check(types=self.types)
        named = self.types.get(branch_name(node))
        if named is not None and isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return names_record(annotation, named["name"])
        return trial._fit(_bare(annotation), node, "") is not None and not trial.findings

    def _collection(self, kind: str, annotation: Any, node: Mapping[str, Any], path: str) -> _Pair | None:
        origin, arguments = get_origin(annotation) or annotation, get_args(annotation)
        if kind == "map":
            if origin not in (dict, Mapping) or (arguments and _bare(arguments[0]) is not str):
                return None
            inner = self.type(arguments[1], node["values"], f"{path}{{}}") if arguments else _AS_IS
            return _Pair(out=_on_values(inner.out), into=_on_values(inner.into), python=(dict,))
        if origin not in (list, tuple, Sequence) or (origin is tuple and arguments[1:] != (Ellipsis,)):
            return None
        inner = self.type(arguments[0], node["items"], f"{path}[]") if arguments else _AS_IS
        into = _on_items(inner.into, tuple) if origin is tuple else _on_items(inner.into, list) if inner.into else None
        return _Pair(out=_on_items(inner.out, list) if inner.out or origin is not list else None, into=into, python=(list, tuple))


def _scalar(annotation: Any, kind: str, node: Any) -> _Pair | None:
    logical = node.get("logicalType", "") if isinstance(node, dict) else ""
    allowed = _LOGICAL.get(logical) or _PRIMITIVE[kind]
    if annotation not in allowed:
        return None
    if annotation is str and logical == "uuid":
        return _Pair(into=str, python=(str,))
    return _Pair(python=(annotation,))


def _enum(annotation: Any, node: Mapping[str, Any]) -> _Pair | None:
    symbols = set(node["symbols"])
    if annotation is str:
        return _Pair(python=(str,))
    if get_origin(annotation) is Literal:
        return _Pair(python=(str,)) if set(get_args(annotation)) == symbols else None
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum) and {member.value for member in annotation} == symbols:
        return _Pair(
            out=lambda value: value.value if isinstance(value, enum.Enum) else value, into=annotation, python=(annotation,)
        )
    return None


def _several(pairs: list[tuple[Any, _Pair]], types: Mapping[str, Any], records: set[str]) -> _Pair:
    """A union of several branches: out by the value's class, in by the record's name or the value's
    class."""
    tagged = len(records) > 1
    by_name = {branch_name(branch): pair for branch, pair in pairs}
    plain = [(name, pair) for name, pair in by_name.items() if not (tagged and name in records)]

    def out(value: Any) -> Any:
        for name, pair in by_name.items():
            if pair.python and isinstance(value, pair.python) and not (isinstance(value, bool) and bool not in pair.python):
                converted = value if pair.out is None else pair.out(value)
                return (name, converted) if tagged and name in records else converted
        return value

    def into(value: Any) -> Any:
        if isinstance(value, tuple) and len(value) == 2 and value[0] in by_name:
            pair = by_name[value[0]]
            fields = value[1] if pair.into is None else pair.into(value[1])
            return pair.python[0].model_validate(fields) if issubclass(pair.python[0], BaseModel) else fields
        for name, pair in plain:
            if pair.into is not None and _looks_like(value, types.get(name, {"type": name})):
                return pair.into(value)
        return value

    return _Pair(out=out, into=into)


def _looks_like(value: Any, node: Mapping[str, Any]) -> bool:
    if node["type"] in ("record", "map"):
        return isinstance(value, dict)
    if node["type"] == "enum":
        return isinstance(value, str) and value in node["symbols"]
    return isinstance(value, list) if node["type"] == "array" else isinstance(value, UUID)


def _fields_of(instance: BaseModel) -> dict[str, Any]:
    """A model's own values under their wire names, nested models untouched: the conversions deal
    with those."""
    return {wire: getattr(instance, name) for wire, name in _wire_names(type(instance))}


@lru_cache(maxsize=1024)
def _wire_names(model: type[BaseModel]) -> tuple[tuple[str, str], ...]:
    """Each field's name on the wire and its own."""
    return tuple((_wire_name(name, info), name) for name, info in model.model_fields.items())


def _model_out(convert: Convert | None) -> Convert:
    return lambda instance: _fields_of(instance) if convert is None else convert(_fields_of(instance))


def _on_fields(converts: Mapping[str, Convert], unread: frozenset[str]) -> Convert | None:
    if not converts and not unread:
        return None

    def convert(value: Mapping[str, Any]) -> dict[str, Any]:
        result = {name: each for name, each in value.items() if name not in unread}
        for name, one in converts.items():
            if name in result:
                result[name] = one(result[name])
        return result

    return convert


def _on_items(convert: Convert | None, collection: Callable[[Iterable[Any]], Any]) -> Convert:
    return lambda items: collection(items) if convert is None else collection(convert(item) for item in items)


def _on_values(convert: Convert | None) -> Convert | None:
    return None if convert is None else lambda mapping: {key: convert(value) for key, value in mapping.items()}


def _unless_none(convert: Convert | None) -> Convert | None:
    return None if convert is None else lambda value: None if value is None else convert(value)


def _wire_name(name: str, info: FieldInfo) -> str:
    return info.alias or name


def _members(annotation: Any) -> list[Any]:
    if get_origin(annotation) in (typing.Union, python_types.UnionType):
        return [flat for argument in get_args(annotation) for flat in _members(_bare(argument))]
    return [annotation]


def _bare(annotation: Any) -> Any:
    """Without Annotated, NewType and type aliases around it."""
    for _ in range(16):
        if get_origin(annotation) is typing.Annotated:
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif hasattr(annotation, "__value__"):
            annotation = annotation.__value__
        else:
            break
    return annotation


def describe(node: Any) -> str:
    """An Avro type in words: `null or decimal(9,2)`."""
    if isinstance(node, list):
        return " or ".join(describe(branch) for branch in node)
    if isinstance(node, str):
        return node
    if node.get("logicalType") == "decimal":
        return f"decimal({node['precision']},{node.get('scale', 0)})"
    if node["type"] in ("array", "map"):
        return f"{node['type']} of {describe(node.get('items', node.get('values')))}"
    return str(node.get("logicalType") or node.get("name") or node["type"])


def _spelled(annotation: Any) -> str:
    return (
        annotation.__name__
        if isinstance(annotation, type) and not get_args(annotation)
        else str(annotation).replace("typing.", "")
    )
