"""One value that has no parts, from text or from Python, as the value of an Avro type: the one rule
for it on every way in.

HTTP, definitions and expressions all come here; what comes as Avro is held to the same (codec.py,
wire_walk.py). Nothing is rounded, cut or guessed: what cannot be kept exactly is refused. (A float
is the nearest there is, as everywhere.) docs/values.md is the table of it.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

from saga_schemas.limits import DECIMAL_DIGITS
from saga_schemas.times import parse_instant

UUID_TEXT: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATE: Final = r"\d{4}-\d{2}-\d{2}"
_CLOCK: Final = r"(?:[01]\d|2[0-3]):\d{2}(?::\d{2}(?:\.\d+)?)?"
"""Hour 24 is none: from Python 3.14 on `fromisoformat` reads it as the next day."""
_FORMS: Final = {
    "date": re.compile(f"(?a:{_DATE})"),
    "time": re.compile(f"(?a:{_CLOCK})"),
    "local": re.compile(f"(?a:{_DATE}[Tt]{_CLOCK})"),
}
T = TypeVar("T", datetime, time)
_RANGES: Final = {"int": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}
_LARGEST_FLOAT: Final = 3.4028234663852886e38


class NotOne(ValueError):
    """Not a value of the type. `hint` says more than the type's name would; never the value."""

    def __init__(self, hint: str | None = None) -> None:
        super().__init__(hint or "not a value of the type")
        self.hint = hint


class Scalar(Protocol):
    """A type without parts, as much of it as the rules need."""

    @property
    def kind(self) -> str: ...
    @property
    def logical(self) -> str | None: ...
    @property
    def precision(self) -> int: ...
    @property
    def scale(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def symbols(self) -> tuple[str, ...]: ...


def value_of(type_: Scalar, obj: Any) -> Any:
    """The value of the type. Raises NotOne."""
    rule = _LOGICAL.get(type_.logical or "") or _PLAIN[type_.kind]
    try:
        return rule(type_, obj)
    except NotOne:
        raise
    except (ValueError, TypeError, ArithmeticError):
        raise NotOne from None


def too_fine(value: datetime | time) -> bool:
    """Whether a time has digits that milliseconds cannot hold."""
    return value.microsecond % 1_000 != 0


def _null(type_: Scalar, obj: Any) -> None:
    _need(obj is None)


def _boolean(type_: Scalar, obj: Any) -> bool:
    _need(isinstance(obj, bool))
    return bool(obj)


def _whole(type_: Scalar, obj: Any) -> int:
    low, high = _RANGES[type_.kind]
    _need(isinstance(obj, int) and not isinstance(obj, bool) and low <= obj <= high)
    return int(obj)


def _floating(type_: Scalar, obj: Any) -> float:
    _need(isinstance(obj, (int, float)) and not isinstance(obj, bool))
    made = float(obj)
    _need(type_.kind == "double" or not math.isfinite(made) or abs(made) <= _LARGEST_FLOAT)
    return made


def text_of(obj: Any) -> str:
    """Text that UTF-8 can hold: JSON lets lone surrogates through. Raises ValueError."""
    if isinstance(obj, UUID):
        return str(obj)
    _need(isinstance(obj, str))
    obj.encode()
    return str(obj)


def _bytes(type_: Scalar, obj: Any) -> bytes:
    if isinstance(obj, str):
        try:
            obj = base64.b64decode(obj, validate=True)
        except ValueError:
            raise NotOne(_BASE64) from None
    _need(isinstance(obj, bytes) and (type_.kind == "bytes" or len(obj) == type_.size))
    return bytes(obj)


def _enum(type_: Scalar, obj: Any) -> str:
    _need(isinstance(obj, str) and obj in type_.symbols, "one of " + ", ".join(type_.symbols[:20]))
    return str(obj)


def _decimal(type_: Scalar, obj: Any) -> Decimal:
    _need(not isinstance(obj, float), _QUOTE)
    if isinstance(obj, str):
        _need(len(obj) <= DECIMAL_DIGITS + 8 and obj.isascii() and "_" not in obj and obj.strip() == obj)
    _need(isinstance(obj, (str, int, Decimal)) and not isinstance(obj, bool))
    made = Decimal(obj)
    exponent = made.as_tuple().exponent
    _need(isinstance(exponent, int) and abs(exponent) <= DECIMAL_DIGITS)
    assert isinstance(exponent, int)
    _need(-exponent <= type_.scale, f"with at most {type_.scale} digits behind the point")
    # Digits before the point and the scale's behind it are what the type has room for.
    _need(not made or made.adjusted() + 1 + type_.scale <= type_.precision)
    return made


def _uuid(type_: Scalar, obj: Any) -> UUID:
    if isinstance(obj, UUID):
        return obj
    _need(isinstance(obj, str) and UUID_TEXT.fullmatch(obj) is not None)
    return UUID(obj)


def _timestamp(type_: Scalar, obj: Any) -> datetime:
    made = parse_instant(obj) if isinstance(obj, str) else obj
    _need(isinstance(made, datetime) and made.utcoffset() is not None)
    return _fine(type_, made)


def _local_timestamp(type_: Scalar, obj: Any) -> datetime:
    made = datetime.fromisoformat(_of_form("local", obj)) if isinstance(obj, str) else obj
    _need(isinstance(made, datetime) and made.tzinfo is None)
    return _fine(type_, made)


def _date(type_: Scalar, obj: Any) -> date:
    made = date.fromisoformat(_of_form("date", obj)) if isinstance(obj, str) else obj
    _need(isinstance(made, date) and not isinstance(made, datetime))
    return made


def _time(type_: Scalar, obj: Any) -> time:
    made = time.fromisoformat(_of_form("time", obj)) if isinstance(obj, str) else obj
    _need(isinstance(made, time) and made.tzinfo is None)
    return _fine(type_, made)


def _of_form(form: str, text: str) -> str:
    """`fromisoformat` reads much more than this, and cuts what is finer than a microsecond."""
    _need(_FORMS[form].fullmatch(text) is not None)
    whole, point, digits = text.partition(".")
    _need(not digits[6:].strip("0"), _FINER)
    return f"{whole}{point}{digits[:6].ljust(6, '0')}" if point else whole


def _fine(type_: Scalar, made: T) -> T:
    _need(not ((type_.logical or "").endswith("-millis") and too_fine(made)), _FINER)
    return made


def _need(fits: bool, hint: str | None = None) -> None:
    if not fits:
        raise NotOne(hint)


_QUOTE: Final = 'in quotes, as in "12.50": a number would be rounded'
_BASE64: Final = "base64"
_FINER: Final = "without digits finer than the type keeps"
_PLAIN: Final[Mapping[str, Callable[[Scalar, Any], Any]]] = {
    "null": _null,
    "boolean": _boolean,
    "int": _whole,
    "long": _whole,
    "float": _floating,
    "double": _floating,
    "string": lambda type_, obj: text_of(obj),
    "bytes": _bytes,
    "fixed": _bytes,
    "enum": _enum,
}
_LOGICAL: Final[Mapping[str, Callable[[Scalar, Any], Any]]] = {
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


def natural(kind: str, logical: str | None, obj: Any) -> bool:
    """Whether a value is of a branch of a union without conversion.

    Such a branch is tried before the others, so that a text stays text where the union has one, and
    a whole number a whole number.
    """
    if isinstance(obj, bool):
        return kind == "boolean"
    if isinstance(obj, int):
        return kind in ("int", "long") and not logical
    if isinstance(obj, float):
        return kind == "double"
    return isinstance(obj, str) and kind == "string" and not logical
