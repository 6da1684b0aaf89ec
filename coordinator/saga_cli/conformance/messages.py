"""Commands as the coordinator writes them, and replies as they came. Pure.

A reply is read leniently: what is wrong with it is for the cases to say.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from saga_cli.conformance.given import Given, Part
from saga_messaging.broker import Headers, Outgoing, Record
from saga_schemas.catalog import Catalog
from saga_schemas.codec import decode, encode
from saga_schemas.errors import BadMessage
from saga_schemas.headers import CommandHeaders
from saga_schemas.ids import command_id, saga_key, span_id_of, trace_id_of
from saga_schemas.outcomes import Kind
from saga_schemas.plain import from_plain, to_plain
from saga_schemas.record_class import record
from saga_schemas.records import EMPTY_BYTES, Empty

SOURCE: Final = "/saga-participant-check"
STEP: Final = "check"
TENANT: Final = "default"
MADE_UP: Final = "sagaCheck"
"""The attribute of schemas that a check has made up, so that the next one passes them over."""
_SHOWN_CHARS: Final = 300


@record
class Ask:
    """What a case asks for: one command of a saga's one step."""

    kind: Kind
    run: int = 1
    part: Part | None = None
    """The body; None: `saga.v1.Empty`."""
    incarnation: int = 1
    expires_s: float = 3600.0
    """From now on; negative: it has expired."""
    tenant: str = TENANT

    def __str__(self) -> str:
        extra = f", incarnation {self.incarnation}" if self.incarnation != 1 else ""
        body = f" (--{self.part.value})" if self.part not in (None, Part.ACTION, Part.COMPENSATION) else ""
        return f"{self.kind.value} of run {self.run}{body}{extra}{', expired' if self.expires_s < 0 else ''}"


def act(run: int = 1, part: Part = Part.ACTION, **more: Any) -> Ask:
    return Ask(kind=Kind.ACTION, run=run, part=part, **more)


def undo(run: int = 1, part: Part = Part.COMPENSATION, **more: Any) -> Ask:
    return Ask(kind=Kind.COMPENSATION, run=run, part=part, **more)


def resolve(run: int = 1, **more: Any) -> Ask:
    return Ask(kind=Kind.RESOLVE, run=run, **more)


@record
class Command:
    """One command, ready to be sent."""

    id: str
    ask: Ask
    key: bytes | None
    value: bytes | None
    headers: Headers

    def __str__(self) -> str:
        return f"the {self.ask}"

    def header(self, name: str) -> str | None:
        return next((value.decode("utf-8", "replace") for given, value in self.headers if given == name), None)

    def but(
        self, replaced: Mapping[str, str | bytes] | None = None, *, drop: tuple[str, ...] = (), **more: str | bytes
    ) -> Command:
        """With these headers replaced or added, and others dropped."""
        given = {name: text.encode() if isinstance(text, str) else text for name, text in {**(replaced or {}), **more}.items()}
        kept = tuple((name, value) for name, value in self.headers if name not in given and name not in drop)
        return replace(self, headers=(*kept, *given.items()))

    def adding(self, *headers: tuple[str, bytes]) -> Command:
        """With these headers more, also where one of that name is there."""
        return replace(self, headers=(*self.headers, *headers))

    def valued(self, value: bytes | None) -> Command:
        return replace(self, value=value)

    def keyed(self, key: bytes | None) -> Command:
        return replace(self, key=key)

    def outgoing(self, topic: str) -> Outgoing:
        return Outgoing(topic=topic, key=self.key, value=self.value, headers=self.headers)


@record
class Place:
    """Where in a saga's story a command stands."""

    saga_id: UUID
    unique: str
    attempt: int
    version: int
    now_us: int
    reply: Mapping[str, Any]


@record
class Composer:
    """Makes commands."""

    given: Given
    catalog: Catalog

    def compose(self, ask: Ask, place: Place) -> Command:
        """The command of an ask.

        Raises:
            PlainInvalid, EncodingFailed: A given body does not fit its schema.
        """
        record_name, value = self.value(ask, place)
        message_id = command_id(place.saga_id, ask.incarnation, place.version, 0)
        trace_id = trace_id_of(place.saga_id)
        headers = CommandHeaders(
            message_id=message_id,
            source=SOURCE,
            record=record_name,
            time_us=place.now_us,
            saga_id=place.saga_id,
            step=STEP,
            kind=ask.kind,
            run=ask.run,
            attempt=place.attempt,
            incarnation=ask.incarnation,
            version=place.version,
            tenant=ask.tenant,
            definition_hash="0" * 64,
            expiry_us=place.now_us + int(ask.expires_s * 1e6),
            token=fresh_token(),
            traceparent=f"00-{trace_id}-{span_id_of(message_id)}-00",
            origin_traceparent=f"00-{trace_id}-{span_id_of(str(place.saga_id))}-00",
        )
        return Command(id=message_id, ask=ask, key=saga_key(place.saga_id), value=value, headers=headers.encode())

    def value(self, ask: Ask, place: Place) -> tuple[str, bytes]:
        """The record's name and the framed bytes. Raises as `compose` does."""
        if ask.part is None:
            return Empty.avro_name, EMPTY_BYTES
        body = self.given.bodies[ask.part]
        schema = self.catalog.latest(body.record)
        assert schema is not None, "looked up before the first case"
        return body.record, encode(schema, from_plain(schema, body.filled(place.unique, place.reply)))


def fresh_token() -> str:
    """A token of its own for each command: participants may not know what it means, and an old one
    that is echoed shows.
    """
    return f"check.{base64.urlsafe_b64encode(os.urandom(32)).rstrip(b'=').decode()}"


@record
class Reply:
    """One reply, as it came."""

    record: Record
    heard_s: float
    catalog: Catalog

    @property
    def value(self) -> bytes:
        return self.record.value or b""

    def all(self, name: str) -> list[str]:
        return [value.decode("utf-8", "replace") for given, value in self.record.headers if given == name and value is not None]

    def header(self, name: str) -> str | None:
        found = self.all(name)
        return found[0] if found else None

    @property
    def outcome(self) -> str:
        return self.header("ce_sagaoutcome") or "(no outcome)"

    @property
    def causation(self) -> str:
        return self.header("ce_causationid") or ""

    def number(self, name: str) -> int | None:
        text = self.header(name) or ""
        return int(text) if text.isascii() and text.isdecimal() else None

    @property
    def content(self) -> dict[str, Any] | None:
        """The value as plain JSON; None where it cannot be read."""
        try:
            decoded = decode(self.value, self.catalog, None, self.record.headers)
        except BadMessage:
            return None
        return to_plain(decoded.writer, decoded.value)

    def __str__(self) -> str:
        content = self.content
        said = f"bytes {self.value.hex()[:80]}" if content is None else json.dumps(content, ensure_ascii=False)
        row_run = self.header("ce_sagarowrun")
        shown = f"{self.outcome}{f' with ce_sagarowrun {row_run}' if row_run else ''} {self.header('ce_type')} {said}"
        return shown if len(shown) <= _SHOWN_CHARS else shown[:_SHOWN_CHARS] + "…"
