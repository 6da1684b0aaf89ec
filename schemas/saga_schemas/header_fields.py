"""Reading one header at a time: names, bounds, UTF-8, one of each; a bad one is a BadMessage that names the header and the rule.

Trace context is the exception: whatever is wrong with `traceparent` or `tracestate` (also two of them, which some instrumentation
sends) the message is read as if it had none. Tracing never refuses work.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from saga_schemas import limits
from saga_schemas.errors import BadMessage
from saga_schemas.ids import TEXT_RULE, parse_number, parse_saga_id, valid_step, valid_text
from saga_schemas.times import nearest_us

RawHeaders = Iterable[tuple[str, bytes | None]]
"""As Kafka clients give them: a header without a value is None."""

SPECVERSION: Final = "ce_specversion"
ID: Final = "ce_id"
SOURCE: Final = "ce_source"
TYPE: Final = "ce_type"
TIME: Final = "ce_time"
SUBJECT: Final = "ce_subject"
CORRELATION: Final = "ce_correlationid"
CAUSATION: Final = "ce_causationid"
EXPIRY: Final = "ce_expirytime"
SEQUENCE: Final = "ce_sequence"
PROTOCOL: Final = "ce_sagaprotocol"
TENANT: Final = "ce_sagatenant"
KIND: Final = "ce_sagakind"
STEP: Final = "ce_sagastep"
RUN: Final = "ce_sagarun"
ATTEMPT: Final = "ce_sagaattempt"
INCARNATION: Final = "ce_sagaincarnation"
VERSION: Final = "ce_sagaversion"
DEFINITION_HASH: Final = "ce_sagadef"
DEFINITION: Final = "ce_sagadefinition"
ROW_RUN: Final = "ce_sagarowrun"
OUTCOME: Final = "ce_sagaoutcome"
SEQ: Final = "ce_sagaseq"
TOKEN: Final = "ce_sagatoken"
ORIGIN: Final = "ce_traceparent"
TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
BAGGAGE: Final = "baggage"
CONTENT_TYPE: Final = "content-type"
SCHEMA_ID: Final = "__value_schema_id"

_TRACE: Final = frozenset({ORIGIN, TRACEPARENT, TRACESTATE, BAGGAGE})
_KNOWN: Final = frozenset(
    {
        SPECVERSION,
        ID,
        SOURCE,
        TYPE,
        TIME,
        SUBJECT,
        CORRELATION,
        CAUSATION,
        EXPIRY,
        SEQUENCE,
        PROTOCOL,
        TENANT,
        KIND,
        STEP,
        RUN,
        ATTEMPT,
    }
    | {INCARNATION, VERSION, DEFINITION_HASH, DEFINITION, ROW_RUN, OUTCOME, SEQ, TOKEN, CONTENT_TYPE}
)
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


def valid_traceparent(text: str) -> bool:
    """W3C Trace Context: known layout, no zero ids, version 00 with nothing behind it."""
    match = _TRACEPARENT.fullmatch(text)
    return match is not None and not (match[1] and text.startswith("00"))


def _valid_tracestate(text: str) -> bool:
    return 0 < len(text) <= limits.TRACESTATE_CHARS and text.isascii() and text.isprintable()


def valid_baggage(text: str) -> bool:
    return 0 < len(text) <= limits.BAGGAGE_CHARS and text.isascii() and text.isprintable()


class HeaderFields:
    """The known headers of one record, each at most once, as text."""

    __slots__ = ("_fields",)

    def __init__(self, headers: RawHeaders) -> None:
        self._fields = _collect(headers)

    def text(self, name: str) -> str:
        """A required, printable value of at most 256 characters."""
        value = self.raw(name)
        if not valid_text(value):
            raise BadMessage("header_invalid", f"{name}: {TEXT_RULE}")
        return value

    def optional_text(self, name: str) -> str | None:
        return self.text(name) if name in self._fields else None

    def number(self, name: str, largest: int = limits.INT32_MAX) -> int:
        """A required decimal without sign or leading zeros."""
        value = parse_number(self.raw(name), largest)
        if value is None:
            raise BadMessage("header_invalid", f"{name}: a decimal number from 0 to {largest}")
        return value

    def optional_number(self, name: str, largest: int = limits.INT32_MAX) -> int | None:
        return self.number(name, largest) if name in self._fields else None

    def time_us(self, name: str) -> int:
        try:
            return nearest_us(self.raw(name))
        except ValueError as error:
            raise BadMessage("header_invalid", f"{name}: {error}") from None

    def saga_id(self) -> UUID:
        value = parse_saga_id(self.raw(CORRELATION))
        if value is None:
            raise BadMessage("header_invalid", f"{CORRELATION}: a UUIDv7 in lower case")
        return value

    def step(self) -> str:
        value = self.raw(STEP)
        if not valid_step(value):
            raise BadMessage("header_invalid", f"{STEP}: a step name")
        return value

    def token(self) -> str:
        value = self.raw(TOKEN)
        if not (0 < len(value) <= limits.TOKEN_BYTES and value.isascii() and value.isprintable()):
            raise BadMessage("header_invalid", f"{TOKEN}: at most {limits.TOKEN_BYTES} ASCII characters")
        return value

    def expect(self, name: str, value: str) -> None:
        """A required header with one possible value."""
        if self.raw(name) != value:
            raise BadMessage("header_invalid", f"{name}: not the value this message must have")

    def expect_if_present(self, name: str, value: str) -> None:
        if name in self._fields:
            self.expect(name, value)

    def raw(self, name: str) -> str:
        try:
            return self._fields[name]
        except KeyError:
            raise BadMessage("header_missing", name) from None

    def trace(self) -> tuple[str | None, str | None, str | None]:
        """`traceparent`, `tracestate` and the saga's origin, each None when absent or malformed."""
        given = self._fields.get
        parent, state, origin = given(TRACEPARENT), given(TRACESTATE), given(ORIGIN)
        if parent is not None and not valid_traceparent(parent):
            parent = None
        if state is not None and (parent is None or not _valid_tracestate(state)):
            state = None
        if origin is not None and origin != parent and not valid_traceparent(origin):
            origin = None
        return parent, state, origin

    def baggage(self) -> str | None:
        """W3C Baggage as it came; None when absent, too long or not ASCII."""
        given = self._fields.get(BAGGAGE)
        return given if given is not None and valid_baggage(given) else None


def _collect(headers: RawHeaders) -> dict[str, str]:
    """The headers by name. That nothing is wrong with them is found for all at once; what is wrong, one by one."""
    pairs = tuple(headers)
    try:
        fields = {name: value.decode() for name, value in pairs}  # type: ignore[union-attr]
    except (AttributeError, UnicodeDecodeError):  # AttributeError: a header without a value
        return _collect_each(pairs)
    text = "".join(fields.values())
    once = len(fields) == len(pairs) <= limits.HEADER_COUNT
    small = text.isascii() and len(text) + len("".join(fields)) <= limits.HEADER_VALUE_BYTES  # all together, so each by itself
    return fields if once and small else _collect_each(pairs)


def _collect_each(headers: RawHeaders) -> dict[str, str]:
    """One by one, to name the fault; unknown headers, and what is wrong with them, are passed over."""
    fields: dict[str, str] = {}
    twice: list[str] = []
    total, most, largest = 0, limits.HEADERS_BYTES, limits.HEADER_VALUE_BYTES
    for count, (name, value) in enumerate(headers, start=1):
        total += len(name) + len(value or b"")
        if total > most or count > limits.HEADER_COUNT:
            raise BadMessage("too_large", f"more than {limits.HEADER_COUNT} headers or {limits.HEADERS_BYTES} bytes of them")
        if name in fields:
            if name not in _TRACE:
                raise BadMessage("header_duplicate", name)
            twice.append(name)
        elif name in _KNOWN:
            if value is None:
                raise BadMessage("header_invalid", f"{name}: has no value")
            if len(value) > largest:
                raise BadMessage("too_large", f"{name}: more than {largest} bytes")
            try:
                fields[name] = value.decode()
            except UnicodeDecodeError:
                raise BadMessage("header_invalid", f"{name}: not UTF-8") from None
        elif name in _TRACE:
            fields[name] = (value or b"").decode("utf-8", "replace")
    for name in twice:
        fields.pop(name, None)
    return fields


def schema_id_header(headers: RawHeaders) -> bytes | None:
    """The raw `__value_schema_id`, the other place Confluent clients put the schema id; None when it is not used."""
    found = [value for name, value in headers if name == SCHEMA_ID]
    if not found:
        return None
    if len(found) > 1:
        raise BadMessage("header_duplicate", SCHEMA_ID)
    return found[0] or b""
