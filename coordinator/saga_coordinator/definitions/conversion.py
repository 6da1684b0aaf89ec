"""A value, literal or computed, as the Avro type of the field it goes to: exact, or promoted, never
guessed.

What a value without parts becomes is `saga_schemas.scalars`' to say, as for plain JSON: text
becomes a UUID, decimal, time, bytes (base64) or enum where the field is one; a long that does not
fit an int is an error. Errors name the field and the type, never the value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from saga_coordinator.definitions.avro_types import AvroType, default_value
from saga_schemas.scalars import NotOne, natural, text_of, value_of


class DoesNotFit(ValueError):
    """The value is not one of the field's type.

    `path` is the field, `expected` the type in words.
    """

    def __init__(self, path: str, expected: str) -> None:
        super().__init__(f"{path} is {expected}")
        self.path = path
        self.expected = expected


def convert(value: Any, target: AvroType, path: str) -> Any:
    """The value as `target` wants it. Raises DoesNotFit."""
    compound = _COMPOUND.get(target.kind)
    if compound is not None:
        return compound(value, target, path)
    try:
        return value_of(target, value)
    except NotOne as problem:
        raise DoesNotFit(path, target.described if problem.hint is None else f"{target.described} {problem.hint}") from None


def _union(value: Any, target: AvroType, path: str) -> Any:
    if value is None:
        if target.nullable:
            return None
        raise DoesNotFit(path, f"{target.described}, not null")
    if isinstance(value, tuple):  # a record of a union with several: (full name, fields)
        name, fields = value
        branch = next((one for one in target.options if one.name == name), None)
        if branch is None:
            raise DoesNotFit(path, target.described)
        return _named(branch, convert(fields, branch, path), target)
    exact = [branch for branch in target.options if _natural(value, branch)]
    failure: DoesNotFit | None = None
    for branch in (*exact, *(branch for branch in target.options if branch not in exact)):
        try:
            return _named(branch, convert(value, branch, path), target)
        except DoesNotFit as problem:
            failure = failure or problem
    raise DoesNotFit(path, target.described) if len(target.options) != 1 or failure is None else failure


def _named(branch: AvroType, made: Any, union: AvroType) -> Any:
    """Where only names tell a union's records apart, its values carry them."""
    several = sum(one.kind == "record" for one in union.branches) > 1
    return (branch.name, made) if several and branch.kind == "record" else made


def _natural(value: Any, branch: AvroType) -> bool:
    """Whether a value is of this branch without conversion; tried before the others."""
    if isinstance(value, Mapping):
        return branch.kind == "record" and set(branch.fields) == set(value)
    return natural(branch.kind, branch.logical, value)


def _record(value: Any, target: AvroType, path: str) -> Any:
    if isinstance(value, tuple):
        value = value[1]
    if not isinstance(value, Mapping):
        raise DoesNotFit(path, target.described)
    made: dict[str, Any] = {}
    for name, field in target.fields.items():
        if name in value:
            made[name] = convert(value[name], field.type, f"{path}.{name}")
        elif field.has_default:
            made[name] = default_value(field.type, field.default)
        else:
            raise DoesNotFit(f"{path}.{name}", f"{field.type.described}, and no value is given")
    return made


def _array(value: Any, target: AvroType, path: str) -> Any:
    assert target.items is not None
    if not isinstance(value, list):
        raise DoesNotFit(path, target.described)
    return [convert(item, target.items, f"{path}[{index}]") for index, item in enumerate(value)]


def _map(value: Any, target: AvroType, path: str) -> Any:
    assert target.items is not None
    try:
        fits = isinstance(value, Mapping) and all(text_of(key) == key for key in value)
    except ValueError:
        fits = False
    if not fits:
        raise DoesNotFit(path, target.described)
    return {key: convert(item, target.items, f"{path}.{key}") for key, item in value.items()}


_COMPOUND: Final[Mapping[str, Callable[[Any, AvroType, str], Any]]] = {
    "union": _union,
    "record": _record,
    "array": _array,
    "map": _map,
}
