"""Reads one untrusted header at a time and writes optional ones: names, bounds, UTF-8, one of each.

A bad header raises BadMessage, which names the header and the rule. Trace context is the exception:
a `traceparent` or `tracestate` that is malformed, or a `traceparent` that is there twice (some
instrumentation does that), is read as if it were not there. Tracing never refuses work. The same
holds for what a participant says of its own time.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from saga_schemas import limits
from saga_schemas.errors import BadMessage
from saga_schemas.headers import names as h
from saga_schemas.headers.names import Header, RawHeaders
from saga_schemas.ids import DEFINITION_HASH, TEXT_RULE, parse_number, parse_saga_id, valid_step, valid_text
from saga_schemas.times import nearest_us, parse_us
from saga_schemas.trace_context import makes_context, valid_baggage

_PADDED_DIGITS: Final = 19


class HeaderFields:
    """The known headers of one record, each at most once, as text.

    Args:
        headers: As the Kafka client gave them.

    Raises:
        BadMessage: There are too many, one is too large, is there twice, has no value or is not
            UTF-8.
    """

    __slots__ = ("_fields",)

    def __init__(self, headers: RawHeaders) -> None:
        self._fields = collect(headers)

    @classmethod
    def of_our_protocol(cls, headers: RawHeaders) -> HeaderFields:
        """The fields of a message that nobody answers when it is of another protocol.

        Raises BadMessage.
        """
        fields = cls(headers)
        fields.expect(h.SPECVERSION, h.SPECVERSION_1)
        if fields.raw(h.PROTOCOL) != h.PROTOCOL_1:
            raise BadMessage("protocol_unsupported", f"{h.PROTOCOL}: we speak 1")
        fields.expect_if_present(h.CONTENT_TYPE, h.AVRO)
        return fields

    def text(self, name: str) -> str:
        """A required, printable value of at most 256 characters."""
        value = self._fields.get(name)
        if value is not None and valid_text(value):
            return value
        self.raw(name)
        raise BadMessage("header_invalid", f"{name}: {TEXT_RULE}")

    def optional_text(self, name: str) -> str | None:
        """As `text`; None where the header is absent."""
        return self.text(name) if name in self._fields else None

    def number(self, name: str, *, smallest: int = 1, largest: int = limits.INT32_MAX) -> int:
        """A required decimal without sign or leading zeros."""
        digits = self._fields.get(name)
        value = None if digits is None else parse_number(digits, largest)
        if value is not None and value >= smallest:
            return value
        self.raw(name)
        raise BadMessage("header_invalid", f"{name}: a decimal number from {smallest} to {largest}")

    def optional_number(self, name: str, *, smallest: int = 1, largest: int = limits.INT32_MAX) -> int | None:
        """As `number`; None where the header is absent."""
        return self.number(name, smallest=smallest, largest=largest) if name in self._fields else None

    def padded_number(self, name: str, largest: int) -> int:
        """As `number`, of at most 19 digits that may begin with zeros."""
        digits = self.raw(name)
        value = parse_number(digits.lstrip("0"), largest) if len(digits) <= _PADDED_DIGITS else None
        if value is None:
            raise BadMessage("header_invalid", f"{name}: at most {_PADDED_DIGITS} digits, from 1 to {largest}")
        return value

    def definition_hash(self) -> str:
        """The required hash of a definition."""
        value = self.raw(h.DEFINITION_HASH)
        if not DEFINITION_HASH.fullmatch(value):
            raise BadMessage("header_invalid", f"{h.DEFINITION_HASH}: 64 hexadecimal digits in lower case")
        return value

    def time_us(self, name: str) -> int:
        """A required RFC 3339 instant, in microseconds since 1970."""
        try:
            return nearest_us(self.raw(name))
        except ValueError as error:
            raise BadMessage("header_invalid", f"{name}: {error}") from None

    def saga_id(self) -> UUID:
        """The required saga id."""
        value = parse_saga_id(self.raw(h.CORRELATION))
        if value is None:
            raise BadMessage("header_invalid", f"{h.CORRELATION}: a UUIDv7 in lower case")
        return value

    def step(self) -> str:
        """The required name of a step."""
        value = self.raw(h.STEP)
        if not valid_step(value):
            raise BadMessage("header_invalid", f"{h.STEP}: a step name")
        return value

    def token(self) -> str:
        """The required token, in its form only: whether it is ours is told by `TokenKeys`."""
        value = self.raw(h.TOKEN)
        if not (0 < len(value) <= limits.TOKEN_BYTES and value.isascii() and value.isprintable()):
            raise BadMessage("header_invalid", f"{h.TOKEN}: at most {limits.TOKEN_BYTES} ASCII characters")
        return value

    def expect(self, name: str, value: str) -> None:
        """Checks a required header with one possible value."""
        if self.raw(name) != value:
            raise BadMessage("header_invalid", f"{name}: not the value this message must have")

    def expect_if_present(self, name: str, value: str) -> None:
        """As `expect`, of a header that may be absent."""
        if name in self._fields:
            self.expect(name, value)

    def raw(self, name: str) -> str:
        """A required value as it came."""
        try:
            return self._fields[name]
        except KeyError:
            raise BadMessage("header_missing", name) from None

    def optional(self, name: str) -> str | None:
        """A value as it came; None where the header is absent."""
        return self._fields.get(name)

    def trace(self) -> tuple[str | None, str | None, str | None]:
        """`traceparent`, `tracestate` and the saga's origin.

        Each is None when it is absent or makes no context.
        """
        given = self._fields.get
        parent, state, origin = given(h.TRACEPARENT), given(h.TRACESTATE), given(h.ORIGIN)
        if parent is not None and not makes_context(parent, state):
            parent = None
        if origin is not None and origin != parent and not makes_context(origin):
            origin = None
        return parent, (state or None) if parent is not None else None, origin

    def caller_trace(self) -> tuple[str | None, str | None]:
        """A start's `traceparent` and `tracestate`, or what CloudEvents calls them.

        An SDK for CloudEvents writes the extension "distributed tracing" as `ce_traceparent` and
        `ce_tracestate`, and no other header. They count where there is no `traceparent` that makes
        a context.
        """
        given = self._fields.get
        for parent, state in ((h.TRACEPARENT, h.TRACESTATE), (h.ORIGIN, h.ORIGIN_TRACESTATE)):
            traceparent, tracestate = given(parent), given(state)
            if traceparent is not None and makes_context(traceparent, tracestate):
                return traceparent, tracestate or None
        return None, None

    def timing(self) -> tuple[int | None, int | None]:
        """When the participant began, in microseconds since 1970, and how long its handler took.

        Each is None when it is absent, malformed or out of range.
        """
        taken, took = self._fields.get(h.TAKEN), self._fields.get(h.HANDLER)
        return _maybe_us(taken), None if took is None else parse_number(took, limits.INT64_MAX)

    def baggage(self) -> str | None:
        """W3C Baggage as it came; None when it is absent, too long or not ASCII."""
        given = self._fields.get(h.BAGGAGE)
        return given if given is not None and valid_baggage(given) else None


def collect(headers: RawHeaders) -> dict[str, str]:
    """The headers by name.

    All of them are checked at once; only where that finds a fault does `collect_each` look which it
    is.
    """
    pairs = tuple(headers)
    try:
        fields = {name: value.decode() for name, value in pairs}  # type: ignore[union-attr]
    except (AttributeError, UnicodeDecodeError):  # AttributeError: a header without a value
        return collect_each(pairs)
    text = "".join(fields.values())
    once = len(fields) == len(pairs) <= limits.HEADER_COUNT
    small = text.isascii() and len(text) + len("".join(fields)) <= limits.HEADER_VALUE_BYTES  # all together, so each by itself
    return fields if once and small else collect_each(pairs)


def collect_each(headers: RawHeaders) -> dict[str, str]:
    """As `collect`, one by one, to name the fault.

    Unknown headers, and what is wrong with them, are passed over: only their number and the sum of
    all bytes are bounded, which is what protects memory.
    """
    fields: dict[str, str] = {}
    twice: list[str] = []
    total_bytes = 0
    for count, (name, value) in enumerate(headers, start=1):
        total_bytes += len(name.encode("utf-8", "replace")) + len(value or b"")
        if total_bytes > limits.HEADERS_BYTES or count > limits.HEADER_COUNT:
            raise BadMessage("too_large", f"more than {limits.HEADER_COUNT} headers or {limits.HEADERS_BYTES} bytes of them")
        if name in h.PASSED_OVER:
            text = (value or b"").decode("utf-8", "replace")
            if name == h.TRACESTATE and name in fields:
                text = f"{fields[name]},{text}"  # W3C: a list that may come in several headers
            elif name in fields:
                twice.append(name)
            fields[name] = text
        elif name in fields:
            raise BadMessage("header_duplicate", name)
        elif name in h.KNOWN:
            fields[name] = _known_text(name, value)
    for name in twice:
        fields.pop(name, None)
    return fields


def _maybe_us(text: str | None) -> int | None:
    try:
        return None if text is None else parse_us(text)
    except ValueError:
        return None


def _known_text(name: str, value: bytes | None) -> str:
    if value is None:
        raise BadMessage("header_invalid", f"{name}: has no value")
    if len(value) > limits.HEADER_VALUE_BYTES:
        raise BadMessage("too_large", f"{name}: more than {limits.HEADER_VALUE_BYTES} bytes")
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadMessage("header_invalid", f"{name}: not UTF-8") from None


def schema_id_header(headers: RawHeaders) -> bytes | None:
    """The raw `__value_schema_id`, the other place where Confluent clients put the schema id.

    Returns:
        None when it is not used.

    Raises:
        BadMessage: It is there twice.
    """
    found = [value for name, value in headers if name == h.SCHEMA_ID]
    if not found:
        return None
    if len(found) > 1:
        raise BadMessage("header_duplicate", h.SCHEMA_ID)
    return found[0] or b""


def optional_header(name: str, value: str | None) -> tuple[Header, ...]:
    """The header, or nothing where there is no value."""
    return () if value is None else ((name, value.encode()),)


def optional_number_header(name: str, value: int | None) -> tuple[Header, ...]:
    """The header, or nothing where there is no value."""
    return () if value is None else ((name, b"%d" % value),)


def trace_headers(traceparent: str | None, tracestate: str | None, origin: str | None) -> tuple[Header, ...]:
    """The trace context of a hop and the saga's origin, as far as they are given."""
    if traceparent is None and origin is None:
        return ()
    state = tracestate if traceparent is not None else None
    return (
        *optional_header(h.TRACEPARENT, traceparent),
        *optional_header(h.TRACESTATE, state),
        *optional_header(h.ORIGIN, origin),
    )
