"""Forms as browsers send them, read strictly."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, quote

from pydantic import ValidationError
from starlette.requests import Request

from saga_coordinator.api.bodies import ActBody
from saga_coordinator.console.who import remembered_token
from saga_schemas.record_class import record

MAX_FORM_BYTES: Final = 64 * 1024
_MOST_FIELDS: Final = 1_200
_TYPE: Final = "application/x-www-form-urlencoded"
TOKEN_FIELD: Final = "token"


class FormRefused(ValueError):
    """The form is not one of ours, or a field is not as it must be."""


@record
class ActForm:
    """Who does something, why, and with what."""

    reason: str
    actor: str
    fields: Mapping[str, str]
    """Every other field; of one that came several times the last value."""
    several: Mapping[str, tuple[str, ...]]
    """The same with all values, in their order."""

    @property
    def actor_as_cookie(self) -> str:
        return quote(self.actor)

    def get(self, name: str) -> str:
        """A field without the space around it; empty when it is absent."""
        return self.fields.get(name, "").strip()


async def read_form(request: Request) -> ActForm:
    """Read the form of an act.

    Raises:
        FormRefused: It says what is missing or wrong.
    """
    fields = await read_fields(request)
    token, sent = remembered_token(request), fields.get(TOKEN_FIELD, [""])[-1]
    if token is None or not hmac.compare_digest(token.encode(), sent.encode()):
        raise FormRefused("the form is older than this browser's session with the console: it was drawn anew, send it again")
    last = {name: values[-1] for name, values in fields.items()}
    try:
        body = ActBody(reason=last.get("reason", "").strip(), actor=last.get("actor", "").strip() or "anonymous")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "who you are" if first["loc"] == ("actor",) else "a reason"
        raise FormRefused(f"say {name}: {first['msg'].removeprefix('Value error, ')}") from None
    return ActForm(
        reason=body.reason, actor=body.actor, fields=last, several={name: tuple(values) for name, values in fields.items()}
    )


async def read_fields(request: Request) -> Mapping[str, list[str]]:
    """All fields of a form, each with its values in their order. Raises FormRefused."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise FormRefused(f"a form comes as {_TYPE}")
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > MAX_FORM_BYTES:
            raise FormRefused(f"the form is larger than {MAX_FORM_BYTES // 1024} KiB")
    fields: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(received.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        raise FormRefused("the form cannot be read") from None
    for name, value in pairs:
        fields.setdefault(name, []).append(value.replace("\r\n", "\n"))
    return fields
