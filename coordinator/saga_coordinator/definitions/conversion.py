"""A value, literal or computed, as the Avro type of the field it goes to: exact, or promoted, never guessed.

Text becomes a UUID, decimal, time, bytes (base64) or enum where the field is one, as in plain JSON. Numbers keep their range:
a long that does not fit an int is an error, not a truncation. Errors name the field and the type, never the value.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

from saga_coordinator.definitions.avro_types import AvroType, default_value

_RANGES: Final = {"int": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}
_FLOAT_MAX: Final = 3.4028234663852886e38


class DoesNotFit(ValueError):
    """The value is not one of the field's type. `path` is the field, `expected` the type in words."""

    def __init__(self, path: str, expected: str) -> None:
        super().__init__(f"{path} is {expected}")
        self.path = path
        self.expected = expected


def convert(value: Any, target: AvroType, path: str) -> Any:
    """The value as `target` wants it. Raises DoesNotFit."""
    compound = _COMPOUND.get(target.kind)
    if compound is not None:
        return compound(value, target, path)
    maker = _LOGICAL.get(target.logical or "") or _PLAIN[target.kind]
    made = maker(value, target)
    if made is _NO:
        raise DoesNotFit(path, target.described)
    return made


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
    if isinstance(value, bool):
        return branch.kind == "boolean"
    if isinstance(value, int):
        return branch.kind in ("int", "long") and branch.logical is None
    if isinstance(value, float):
        return branch.kind == "double"
    if isinstance(value, str):
        return branch.kind == "string" and branch.logical is None
    if isinstance(value, Mapping):
        return branch.kind == "record" and set(branch.fields) == set(value)
    return False


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
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise DoesNotFit(path, target.described)
    return {key: convert(item, target.items, f"{path}.{key}") for key, item in value.items()}


_NO: Final = object()


def _null(value: Any, target: AvroType) -> Any:
    return None if value is None else _NO


def _boolean(value: Any, target: AvroType) -> Any:
    return value if isinstance(value, bool) else _NO


def _whole(value: Any, target: AvroType) -> Any:
    low, high = _RANGES[target.kind]
    return value if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high else _NO


def _floating(value: Any, target: AvroType) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return _NO
    try:
        made = float(value)
    except OverflowError:
        return _NO
    too_large = target.kind == "float" and math.isfinite(made) and abs(made) > _FLOAT_MAX
    return _NO if too_large else made


def _text(value: Any, target: AvroType) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if not isinstance(value, str):
        return _NO
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return _NO
    return value


def _bytes(value: Any, target: AvroType) -> Any:
    if isinstance(value, str):
        try:
            value = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            return _NO
    if not isinstance(value, bytes):
        return _NO
    return value if target.kind == "bytes" or len(value) == target.size else _NO


def _enum(value: Any, target: AvroType) -> Any:
    return value if isinstance(value, str) and value in target.symbols else _NO


def _decimal(value: Any, target: AvroType) -> Any:
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        return _NO
    try:
        made = Decimal(value)
    except InvalidOperation:
        return _NO
    if not made.is_finite():
        return _NO
    digits, exponent = made.as_tuple().digits, made.as_tuple().exponent
    assert isinstance(exponent, int)
    whole = max(len(digits) + exponent, 0) if made else 0
    return made if -exponent <= target.scale and whole + target.scale <= target.precision else _NO


def _uuid(value: Any, target: AvroType) -> Any:
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value) if isinstance(value, str) and len(value) == 36 else _NO
    except ValueError:
        return _NO


def _timestamp(value: Any, target: AvroType) -> Any:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return _NO
    return value if isinstance(value, datetime) and value.tzinfo is not None else _NO


def _local_timestamp(value: Any, target: AvroType) -> Any:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return _NO
    return value if isinstance(value, datetime) and value.tzinfo is None else _NO


def _date(value: Any, target: AvroType) -> Any:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return _NO
    return value if isinstance(value, date) and not isinstance(value, datetime) else _NO


def _time(value: Any, target: AvroType) -> Any:
    if isinstance(value, str):
        try:
            value = time.fromisoformat(value)
        except ValueError:
            return _NO
    return value if isinstance(value, time) and value.tzinfo is None else _NO


_COMPOUND: Final[Mapping[str, Callable[[Any, AvroType, str], Any]]] = {
    "union": _union,
    "record": _record,
    "array": _array,
    "map": _map,
}
_PLAIN: Final[Mapping[str, Callable[[Any, AvroType], Any]]] = {
    "null": _null,
    "boolean": _boolean,
    "int": _whole,
    "long": _whole,
    "float": _floating,
    "double": _floating,
    "string": _text,
    "bytes": _bytes,
    "fixed": _bytes,
    "enum": _enum,
}
_LOGICAL: Final[Mapping[str, Callable[[Any, AvroType], Any]]] = {
    "decimal": _decimal,
    "uuid": _uuid,
    "timestamp-millis": _timestamp,
    "timestamp-micros": _timestamp,
    "local-timestamp-millis": _local_timestamp,
    "local-timestamp-micros": _local_timestamp,
    "date": _date,
    "time-millis": _time,
    "time-micros": _time,
}
