"""Fields of records, values of maps and items of lists, as parts of an expression read them."""

from __future__ import annotations

from saga_coordinator.definitions.cel_tree import Index, Literal, Name, Node, Select
from saga_coordinator.definitions.cel_types import UNKNOWN, CelType, Kind, Null, from_avro, union
from saga_coordinator.definitions.finding import shown
from saga_coordinator.definitions.scope_types import Wrong, close_to


def text_of(node: Node) -> str:
    """A chain of names as a finding writes it; `…` where something is computed."""
    match node:
        case Name(name=name):
            return shown(name)
        case Select(operand=operand, field=name):
            return f"{text_of(operand)}.{shown(name)}"
        case Index(operand=operand, key=Literal(kind="string", value=str(name))):
            return f"{text_of(operand)}.{name}" if name.isidentifier() else f'{text_of(operand)}["{shown(name)}"]'
        case Index(operand=operand):
            return f"{text_of(operand)}[…]"
        case _:
            return "…"


def field_type(held: CelType, name: str, text: str) -> CelType:
    """A field of a record, or the value of a map. Raises Wrong."""
    ends = [
        from_avro(option.record.fields[name].type, text)
        for option in held.options
        if option.record and name in option.record.fields
    ]
    ends += [option.items for option in held.options if option.name == "map" and option.items is not None]
    if ends:
        return union(ends)
    known = [known for option in held.options if option.record for known in option.record.fields]
    holder = " or ".join(str(option.record) if option.record else str(option) for option in held.options)
    if not known:
        raise Wrong("S205", f"`{text}` leads nowhere: {holder} has no fields")
    raise Wrong("S205", f"`{text}` leads nowhere: {holder} has no field {shown(name)}{close_to(name, known)}")


def index_type(held: CelType, key: CelType, literal: str | None, text: str) -> CelType:
    """`held[key]`; `literal` is the key where it is a text written out. Raises Wrong."""
    if literal is not None and any(option.record for option in held.options):
        return field_type(held, literal, text)
    ends = [end for option in held.options for end in _indexed(option, key)]
    if not ends:
        raise Wrong("S221", f"`{text}` always fails: {held} has no place for {key}")
    return union(ends)


def _indexed(option: Kind, key: CelType) -> list[CelType]:
    kinds = {one.name for one in key.options}
    if option.record is not None:
        return [UNKNOWN] if kinds & {"string", "unknown"} else []
    if option.name == "list" and option.items is not None:
        return [option.items] if kinds & {"int", "uint", "unknown"} else []
    if option.name == "map" and option.items is not None and option.keys is not None:
        fitting = option.keys.unknown or kinds & {"unknown", *(one.name for one in option.keys.options)}
        return [option.items] if fitting else []
    return []


def bound_text(item: CelType, variable: str) -> CelType:
    """An item under the name of its loop's variable: a finding about its null names that."""
    return CelType(
        tuple(
            Kind("null", null=Null(of=variable, step=option.null.step if option.null else None))
            if option.name == "null"
            else option
            for option in item.options
        )
    )
