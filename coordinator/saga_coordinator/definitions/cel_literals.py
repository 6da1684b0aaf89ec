"""CEL's literals: numbers, text and bytes, with its escapes."""

from __future__ import annotations

import re
from typing import Any, Final

_ESCAPE: Final = re.compile(r"\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))", re.DOTALL)
_SINGLE: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def literal_of(text: str) -> tuple[str, Any]:
    """Kind and value of a token that is a number or a string."""
    if text[0] in "0123456789.":
        return _number(text)
    quote = min(place for place in (text.find('"'), text.find("'")) if place >= 0)
    prefix, body = text[:quote].lower(), text[quote:]
    width = 3 if body[:3] in ('"""', "'''") and len(body) >= 6 else 1
    body = body[width:-width]
    if "b" in prefix:
        return "bytes", body.encode() if "r" in prefix else _bytes(body)
    return "string", body if "r" in prefix else _ESCAPE.sub(_char, body)


def _number(text: str) -> tuple[str, Any]:
    unsigned = text[-1] in "uU"
    digits = text[:-1] if unsigned else text
    if digits[:2] in ("0x", "0X"):
        return ("uint" if unsigned else "int"), int(digits, 16)
    if digits.isdecimal():
        return ("uint" if unsigned else "int"), int(digits)
    return "double", float(digits)


def _char(match: re.Match[str]) -> str:
    code = _code(match)
    if code is None:
        return _SINGLE.get(match[5], match[5])
    return chr(code) if code <= 0x10FFFF else "�"


def _bytes(body: str) -> bytes:
    """In bytes `\\x` and octal escapes are bytes, everything else is UTF-8."""
    made, end = b"", 0
    for match in _ESCAPE.finditer(body):
        made += body[end : match.start()].encode()
        code = _code(match)
        made += bytes([code]) if (match[1] or match[4]) and code is not None else _char(match).encode("utf-8", "replace")
        end = match.end()
    return made + body[end:].encode()


def _code(match: re.Match[str]) -> int | None:
    for group, base in ((1, 16), (2, 16), (3, 16), (4, 8)):
        if match[group]:
            return int(match[group], base)
    return None
