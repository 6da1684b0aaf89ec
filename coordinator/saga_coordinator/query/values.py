"""From one token of a query to the value that stands beside a field of some kind."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from saga_coordinator.definitions.document import MAX_KEPT_MS
from saga_coordinator.definitions.fields import parsed_duration
from saga_coordinator.engine.state import Phase
from saga_coordinator.query.fields import Kind
from saga_coordinator.query.refused import did_you_mean
from saga_coordinator.query.tree import FromNow, Instant, Lasting, Value
from saga_schemas.labels import label_time
from saga_schemas.limits import INT64_MAX
from saga_schemas.times import from_datetime, parse_us

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PHASES: Final = tuple(phase.value for phase in Phase)


class Token(Protocol):
    """What the lexer found: its kind as the grammar names it, and its text as written."""

    @property
    def type(self) -> str: ...

    @property
    def value(self) -> str: ...


@dataclass(frozen=True, slots=True)
class WrongValue(Exception):
    """A token is no value of this kind."""

    message: str
    hint: str = ""


def value_of(kind: Kind, token: Token) -> Value:
    """The value that a token is beside a field of that kind. Raises WrongValue."""
    return _READERS[kind](token)


def _text(token: Token) -> str:
    if token.type == "TEXT":
        return _unquoted(token.value)
    if token.type in ("WORD", "UUID"):
        return token.value
    raise WrongValue(f"expected {Kind.TEXT.value}", "a text that is no plain word stands in quotes")


def quoted(text: str) -> str:
    """A text as a query writes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unquoted(written: str) -> str:
    text = re.sub(r"\\(.)", r"\1", written[1:-1], flags=re.DOTALL)
    if re.sub(r"\\[\\\"']", "", written[1:-1]).count("\\"):
        raise WrongValue("a backslash stands before a quote or a backslash only", "write two backslashes for one")
    if not text.isprintable():
        raise WrongValue("the text has a character that is not printable", "nothing that is stored has one")
    return text


def _id(token: Token) -> UUID:
    if token.type in ("UUID", "TEXT", "WORD") and _UUID.fullmatch(text := _text(token)):
        return UUID(text)
    raise WrongValue(f"expected {Kind.ID.value}", "a business key is asked for by `key`")


def _phase(token: Token) -> str:
    name = _text(token).upper() if token.type in ("WORD", "TEXT") else ""
    if name not in _PHASES:
        raise WrongValue("there is no such phase", f"{did_you_mean(name, _PHASES)}phases are {', '.join(_PHASES)}")
    return name


def _number(token: Token) -> int:
    if token.type != "NUMBER" or not token.value.lstrip("-").isdecimal():
        raise WrongValue(f"expected {Kind.NUMBER.value}")
    if len(token.value) > 20 or abs(number := int(token.value)) > INT64_MAX:
        raise WrongValue("the number is too large")
    return number


def _flag(token: Token) -> bool:
    if token.type not in ("TRUE", "FALSE"):
        raise WrongValue(f"expected {Kind.FLAG.value}")
    return token.type == "TRUE"


def _time(token: Token) -> Instant | FromNow:
    match token.type:
        case "NOW":
            return FromNow(0)
        case "SHIFT":
            us = _duration_us(token.value[1:])
            return FromNow(-us if token.value[0] == "-" else us)
        case "DURATION":
            raise WrongValue(f"expected {Kind.TIME.value}", "a time so long ago has a sign: -1h")
        case "TIME":
            return _instant(token.value)
        case "TEXT":
            return _instant(_unquoted(token.value))
    raise WrongValue(f"expected {Kind.TIME.value}")


def _instant(text: str) -> Instant:
    try:
        return Instant(parse_us(f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text))
    except ValueError:
        raise WrongValue("there is no such time", "write a day, 2026-11-01, or 2026-11-01T09:30:00Z") from None


def _duration(token: Token) -> Lasting:
    if token.type != "DURATION":
        raise WrongValue(f"expected {Kind.DURATION.value}")
    return Lasting(_duration_us(token.value))


def _duration_us(text: str) -> int:
    milliseconds = parsed_duration(text) if len(text) <= 20 else None
    if milliseconds is None or milliseconds > MAX_KEPT_MS:
        raise WrongValue("the duration is too long", f"at most {MAX_KEPT_MS // 86_400_000}d")
    return milliseconds * 1000


def _label(token: Token) -> Value:
    if token.type == "NUMBER":
        number = float(token.value)
        if not math.isfinite(number):
            raise WrongValue("the number is too large")
        return number
    if token.type in ("TRUE", "FALSE"):
        return _flag(token)
    if token.type in ("TIME", "SHIFT", "NOW"):
        return _time(token)
    if token.type == "DURATION":
        raise WrongValue("no label is a duration", "-1h is a time; a text stands in quotes")
    text = _text(token)
    time = label_time(text)  # as where it is given
    return text if time is None else Instant(from_datetime(time))


_READERS: Final[Mapping[Kind, Callable[[Token], Value]]] = {
    Kind.ID: _id,
    Kind.TEXT: _text,
    Kind.PHASE: _phase,
    Kind.NUMBER: _number,
    Kind.FLAG: _flag,
    Kind.TIME: _time,
    Kind.DURATION: _duration,
    Kind.LABEL: _label,
}
