"""Reads the bodies that are given on the command line: `shop.ChargeCard=@ok.json`, `@no.json`, or
JSON itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from saga_cli.conformance.given import Body, Part
from saga_cli.exits import CommandFailed, ExitCode
from saga_schemas import strict_json

_WITH_RECORD: Final = re.compile(r"([A-Za-z_][\w.]*)=(.*)", re.DOTALL)
_KIND_OF: Final = {
    **dict.fromkeys((Part.REJECT, Part.FAIL, Part.ACCEPT), Part.ACTION),
    **dict.fromkeys((Part.REJECT_COMPENSATION, Part.FAIL_COMPENSATION), Part.COMPENSATION),
}
"""Whose record a body is of that names none."""


def read_bodies(texts: Mapping[Part, str | None]) -> dict[Part, Body]:
    """The bodies that were given.

    Action and compensation name their record. The others are of that of their kind, unless they
    name one.

    Raises:
        CommandFailed: One cannot be read; says which option and what to write.
    """
    bodies: dict[Part, Body] = {}
    for part, text in texts.items():
        if text is not None:
            bodies[part] = _body(part, text, bodies.get(_KIND_OF.get(part, part)))
    return bodies


def _body(part: Part, text: str, of_kind: Body | None) -> Body:
    named = _WITH_RECORD.fullmatch(text)
    source = named[2] if named else text
    if named is None and of_kind is None:
        raise _usage(part, f"write RECORD=@FILE, such as --{part.value} shop.ChargeCard=@ok.json")
    return Body(record=named[1] if named else of_kind.record if of_kind else "", fields=_fields(part, source))


def _fields(part: Part, source: str) -> dict[str, object]:
    try:
        text = Path(source[1:]).read_text(encoding="utf-8-sig") if source.startswith("@") else source
        value = strict_json.parse(text)
    except (OSError, UnicodeDecodeError, strict_json.JsonInvalid) as error:
        raise _usage(part, f"{source[:80]}: {error}") from None
    if not isinstance(value, dict):
        raise _usage(part, "a JSON object is wanted: the fields of the command's record")
    return value


def _usage(part: Part, problem: str) -> CommandFailed:
    return CommandFailed(f"--{part.value}: {problem}", ExitCode.USAGE)
