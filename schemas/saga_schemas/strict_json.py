"""JSON as RFC 8259 and I-JSON (RFC 7493) mean it: what another parser would read differently is
refused, not guessed.

The only parser of JSON that people and other programs give us: bodies over HTTP, inputs of the
command line, schemas. Refused are a key twice in one object, NaN and Infinity (also by overflow),
integers outside 64 bits, lone surrogates, too many levels, anything after the value, and anything
but UTF-8. The message says what and never repeats any of it.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

from saga_schemas.limits import INT64_MAX, PLAIN_DEPTH

_INT_CHARS: Final = 20
"""Digits and sign of a 64-bit integer: longer ones are refused before they are computed."""


class JsonInvalid(ValueError):
    """Not JSON that can be read in one way only; the message says why."""


class JsonMalformed(JsonInvalid):
    """Not JSON at all; the message says where."""


def parse(given: bytes | str, *, depth: int = PLAIN_DEPTH) -> Any:
    """The value of a JSON text.

    Args:
        given: The text, or its bytes; a byte order mark is no part of it.
        depth: How many objects and lists may stand inside each other.

    Raises:
        JsonMalformed: It is not JSON.
        JsonInvalid: It is JSON that another parser may read differently.
    """
    try:
        text = given.removeprefix("\ufeff") if isinstance(given, str) else given.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise JsonMalformed("not UTF-8") from None
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_constant, parse_int=_integer, parse_float=_float)
    except JsonInvalid:
        raise
    except json.JSONDecodeError as error:
        raise JsonMalformed(f"not JSON at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise JsonInvalid(f"nested more than {depth} deep") from None
    _check(value, depth, look_for_surrogates=isinstance(given, str) or "\\u" in text)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise JsonInvalid("an object has a key twice")
    return result


def _constant(_: str) -> Any:
    raise JsonInvalid("NaN and Infinity are not JSON")


def _integer(text: str) -> int:
    if len(text) <= _INT_CHARS:
        value = int(text)
        if -INT64_MAX - 1 <= value <= INT64_MAX:
            return value
    raise JsonInvalid("an integer outside 64 bits; write larger numbers as strings")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise JsonInvalid("a number outside the range of a double")
    return value


def _check(value: Any, depth: int, *, look_for_surrogates: bool) -> None:
    """Checks the depth, level by level and so without recursion, and looks for lone surrogates."""
    level: list[Any] = [value]
    for _ in range(depth + 1):
        inner: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                if look_for_surrogates:
                    inner.extend(node)
                inner.extend(node.values())
            elif isinstance(node, list):
                inner.extend(node)
            elif look_for_surrogates and isinstance(node, str) and any("\ud800" <= char <= "\udfff" for char in node):
                raise JsonInvalid("a lone surrogate in a string")
        if not inner:
            return
        level = inner
    raise JsonInvalid(f"nested more than {depth} deep")
