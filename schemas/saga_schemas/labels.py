"""Labels: the search attributes of a saga, by name; each a text, a number, a flag or a time.

They are given at a start or computed by its definition. As JSON a time is a text: a text that is an
RFC 3339 instant is a time, wherever it comes from, so that nobody has to say which of the two he
means.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from saga_schemas import strict_json
from saga_schemas.ids import TEXT_RULE, valid_text
from saga_schemas.limits import LABEL_NAME_CHARS, LABELS
from saga_schemas.times import format_us, from_datetime, parse_us, to_datetime

LabelValue = str | float | bool | datetime
"""A time has a zone."""
PlainLabel = str | int | float | bool
"""As JSON has it."""
LABEL_PATTERN: Final = r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*"
LABEL_RULE: Final = f"letters, digits, _ and -, parts joined by dots, at most {LABEL_NAME_CHARS} characters"
WHOLE_MOST: Final = 2**53
"""Whole numbers up to here are told apart."""
_NAME: Final = re.compile(LABEL_PATTERN)


class LabelInvalid(ValueError):
    """What is given is no label; the message says why, and repeats no value."""


def valid_label_name(name: str) -> bool:
    return len(name) <= LABEL_NAME_CHARS and _NAME.fullmatch(name) is not None


def label_time(text: str) -> datetime | None:
    """The time that a text is, if it is one."""
    try:
        return to_datetime(parse_us(text))
    except ValueError:
        return None


def label_value(value: object) -> LabelValue:
    """A plain value, or one of a decoded record, as a label has it. Raises LabelInvalid."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        time = label_time(value)
        if time is None and not valid_text(value):
            raise LabelInvalid(f"a text is {TEXT_RULE}")
        return value if time is None else time
    if isinstance(value, int | float | Decimal):
        return _number(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    if isinstance(value, UUID | date) and not isinstance(value, datetime):
        return str(value)
    raise LabelInvalid("a label is a text, a number, true or false, or a time")


def _number(value: float | Decimal) -> float:
    if isinstance(value, int) and abs(value) > WHOLE_MOST:
        raise LabelInvalid("a whole number beyond 2^53 loses digits: give it as a text")
    number = float(value)
    if not math.isfinite(number):
        raise LabelInvalid("a number is finite")
    return number


def labels_of(given: Mapping[str, Any]) -> dict[str, LabelValue]:
    """Labels as somebody gave them, by name; those that are null are left out.

    Raises LabelInvalid.
    """
    found: dict[str, LabelValue] = {}
    for name, value in given.items():
        if not valid_label_name(name):
            raise LabelInvalid(f"a label's name has {LABEL_RULE}")
        if value is None:
            continue
        try:
            found[name] = label_value(value)
        except LabelInvalid as wrong:
            raise LabelInvalid(f"{name}: {wrong}") from None
    if len(found) > LABELS:
        raise LabelInvalid(f"a saga has at most {LABELS} labels")
    return dict(sorted(found.items()))


def labels_of_json(text: str) -> dict[str, LabelValue]:
    """Labels as a JSON object. Raises LabelInvalid."""
    try:
        given = strict_json.parse(text, depth=1)
    except strict_json.JsonInvalid as wrong:
        raise LabelInvalid(str(wrong)) from None
    if not isinstance(given, dict):
        raise LabelInvalid("labels are a JSON object")
    return labels_of(given)


def plain_label(value: LabelValue) -> PlainLabel:
    """As JSON; a whole number without a fraction."""
    if isinstance(value, datetime):
        return format_us(from_datetime(value))
    if isinstance(value, float) and value.is_integer() and abs(value) <= WHOLE_MOST:
        return int(value)
    return value


def plain_labels(labels: Mapping[str, LabelValue]) -> dict[str, PlainLabel]:
    return {name: plain_label(value) for name, value in labels.items()}
