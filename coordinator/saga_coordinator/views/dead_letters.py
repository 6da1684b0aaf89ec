"""A dead letter for people: what is wrong in words and what to do, who wrote it, and its content
decoded as far as it goes. Pure; nothing here trusts a byte of the letter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from saga_coordinator.inbound.dead_letters import decode_headers
from saga_coordinator.inbound.reply_envelope import CONSUMER
from saga_coordinator.store.port import DeadLetter
from saga_coordinator.views.payloads import maskings, without_masked
from saga_schemas.catalog import Catalog
from saga_schemas.codec import decode, unframe
from saga_schemas.direct_reader import reader_of
from saga_schemas.errors import BadMessage
from saga_schemas.headers import RawHeaders, decode_reply, decode_start
from saga_schemas.headers.header_table import ROWS
from saga_schemas.headers.names import OUTCOME, RUN, STEP, SUBJECT
from saga_schemas.ids import parse_saga_id
from saga_schemas.plain import to_plain
from saga_schemas.record_class import record
from saga_schemas.schema import Schema

HEX_BYTES: Final = 2_048
"""What is shown of a value as numbers; the API has the rest."""
_HEX_WIDTH: Final = 16
_TEXT_CHARS: Final = 2_000
_MEANINGS: Final[Mapping[str, str]] = {name: row.meaning for row in ROWS for name in (row.name, row.also) if name is not None}

_SCHEMA: Final = "Register the schema that it is written in (`saga schema add FILE`)."
_WRITER: Final = "Mend the program that wrote it."
_REASONS: Final[Mapping[str, tuple[str, str]]] = {
    "unreadable_record": ("The record is damaged: a header's name is not UTF-8, or a length makes no sense.", _WRITER),
    "unreadable_batch": ("A whole produced batch cannot be read: checksum, format or compression.", _WRITER),
    "too_large": ("Key, value or headers are larger than a message may be.", _WRITER),
    "header_missing": ("A header that it must have is not there.", _WRITER),
    "header_duplicate": ("A header is there twice.", _WRITER),
    "header_invalid": ("A header does not have its form.", _WRITER),
    "protocol_unsupported": ("It speaks another protocol than 1.", "Deploy a release that speaks this protocol on both sides."),
    "null_key": ("It has no key.", _WRITER),
    "key_invalid": ("Its key is no business key.", _WRITER),
    "key_mismatch": ("Its key is not the one that it must have.", _WRITER),
    "null_value": ("It has no value.", _WRITER),
    "bad_framing": ("Its value does not begin with 0x00 and a schema id.", _WRITER),
    "unknown_schema": ("Its value is written in a schema that is not registered here.", _SCHEMA),
    "schema_mismatch": (
        "Its value is written in a schema that does not resolve to the one that is read.",
        "Give the definition a new version with the newer schema, or mend the program that wrote it.",
    ),
    "truncated": ("Its value ends too early.", _WRITER),
    "trailing_bytes": ("Bytes follow its value.", _WRITER),
    "invalid_value": ("Its value is none of its schema.", _WRITER),
    "not_canonical": ("Its value is spelled in a way that is not allowed.", _WRITER),
    "record_mismatch": ("Its value is another record than its headers, its outcome or the definition says.", _WRITER),
    "tenant_mismatch": ("It is for another tenant.", "Give each tenant's coordinators topics of their own (SAGA_TOPIC_PREFIX)."),
    "wrong_topic": ("It came on another participant's topic.", "Set the participant's name right where it is started."),
    "step_unknown": ("The saga's definition has no such step.", _WRITER),
    "token_invalid": (
        "Its token is not that of a command issued here.",
        "If the keys were changed: the command is asked again under the new ones. Otherwise somebody else wrote it.",
    ),
    "definition_unknown": ("There is no such definition or version.", "Register it, then send the start again."),
    "definition_inactive": (
        "No version of the definition is active, and none was named.",
        "Activate one, then send the start again.",
    ),
    "input_invalid": ("The input does not fit the definition.", "Send it again with the right input."),
    "labels_invalid": ("Its labels are not as they must be.", "Send it again with the right labels."),
    "start_too_far": ("Its start time is more than 366 days ahead.", "Send it again with an earlier one."),
    "request_reused": ("The request id was used before with another body.", "Send it again under a new request id."),
    "internal_error": ("The coordinator failed on this record: a bug.", "Its log has more; report it."),
}
_UNKNOWN: Final = ("It could not be read.", "Its detail says why.")
_ASKED_AGAIN: Final = "Nothing is lost: the command is asked again by itself."
_SENT_AGAIN: Final = "Its sender has to send it again; under a new request id if the body changes."


@record
class HeaderView:
    """One header."""

    name: str
    text: str
    """As text; as hexadecimal numbers where it is none."""
    meaning: str
    """Of one that the protocol knows; else empty."""


@record
class PayloadView:
    """The value, decoded as far as it goes."""

    size: int | None
    """In bytes, as it was kept; None: there is none."""
    record: str | None = None
    """The Avro record that it says it is."""
    schema_id: int | None = None
    value: Mapping[str, Any] | None = None
    """Plain JSON: all fields, or those before the trouble."""
    trouble: str = ""
    """Why not all of it."""
    trouble_at: int | None = None
    """Where in the value, in bytes."""
    hides: bool = False
    """Its schema masks fields: its bytes are not for people either."""


@record
class HexLine:
    """Sixteen bytes of a value."""

    at: str
    numbers: str
    text: str


@record
class LetterView:
    """One dead letter."""

    what: str
    """What is wrong, as a sentence."""
    way_out: str
    fate: str
    """What becomes of what it said."""
    says: str
    """What it would have said, by its headers; empty where they do not tell."""
    writer: str
    """Whose topic it came from."""
    key: str | None
    saga_id: UUID | None
    step: str
    headers: Sequence[HeaderView]
    headers_trouble: str
    """What is wrong with its headers; empty where nothing is."""
    payload: PayloadView
    hex: Sequence[HexLine]
    hex_left_out: int
    """Bytes that are kept and not shown here."""


def reason_words(reason: str) -> tuple[str, str]:
    """What a reason means, and what to do about it."""
    return _REASONS.get(reason, _UNKNOWN)


def letter_view(letter: DeadLetter, catalog: Catalog, writer: str) -> LetterView:
    """Take a letter apart.

    Args:
        letter: As it is stored.
        catalog: The schemas that are known here.
        writer: Whose topic it came from, in words.
    """
    headers = decode_headers(letter.headers)
    is_reply = letter.consumer == CONSUMER
    says, trouble = _envelope(headers, is_reply)
    what, way_out = reason_words(letter.reason)
    payload = payload_view(letter.value, catalog, headers)
    value = b"" if letter.value is None or payload.hides else letter.value
    named = {name: content for name, content in headers if content is not None}
    return LetterView(
        what=what,
        way_out=way_out,
        fate=_ASKED_AGAIN if is_reply else _SENT_AGAIN,
        says=says,
        writer=writer,
        key=None if letter.key is None else _text(letter.key),
        saga_id=_saga_id(letter.key, named),
        step=_text(named.get(STEP, b"")),
        headers=[HeaderView(name=name, text=_text(content or b""), meaning=_MEANINGS.get(name, "")) for name, content in headers],
        headers_trouble=trouble,
        payload=payload,
        hex=list(hex_lines(value[:HEX_BYTES])),
        hex_left_out=max(0, len(value) - HEX_BYTES),
    )


def payload_view(value: bytes | None, catalog: Catalog, headers: RawHeaders = ()) -> PayloadView:
    """The value under its writer's schema; where it is damaged, the fields before the damage."""
    if value is None:
        return PayloadView(size=None, trouble="there is no value")
    try:
        schema, body = unframe(value, catalog, headers)
    except BadMessage as bad:
        return PayloadView(size=len(value), trouble=bad.detail or bad.reason)
    hides = bool(maskings(catalog, schema))
    found = PayloadView(size=len(value), record=schema.full_name, schema_id=schema.id, hides=hides)
    try:
        decoded = decode(value, catalog, headers=headers)
        return _with(found, to_plain(schema, without_masked(catalog, schema, decoded.value)), "", None)
    except BadMessage as bad:
        fields, end, stopped = _as_far_as_it_goes(schema, body)
        why = bad.detail or bad.reason
        trouble = f"{why}; field {stopped} cannot be read" if stopped else why
        shown = to_plain(schema, without_masked(catalog, schema, fields))
        return _with(found, shown, trouble, len(value) - len(body) + end)


def _with(found: PayloadView, value: Mapping[str, Any], trouble: str, at: int | None) -> PayloadView:
    return PayloadView(
        size=found.size,
        record=found.record,
        schema_id=found.schema_id,
        value=value,
        trouble=trouble,
        trouble_at=at,
        hides=found.hides,
    )


def _as_far_as_it_goes(schema: Schema, body: bytes) -> tuple[dict[str, Any], int, str]:
    """The first fields, where the next begins, and its name; empty: all fields could be read."""
    found: dict[str, Any] = {}
    at = 0
    for field in schema.document["fields"]:
        read = reader_of(field["type"], schema.types)
        try:
            if read is None:
                return found, at, field["name"]
            value, end = read(body, at)
        except Exception:  # whatever the bytes make it raise: they are bad here
            return found, at, field["name"]
        if end > len(body):
            return found, at, field["name"]
        found[field["name"]], at = value, end
    return found, at, ""


def hex_lines(content: bytes) -> Iterator[HexLine]:
    """Offset, numbers and letters, sixteen bytes a line."""
    for start in range(0, len(content), _HEX_WIDTH):
        piece = content[start : start + _HEX_WIDTH]
        text = "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in piece)
        yield HexLine(at=f"{start:04x}", numbers=piece.hex(" "), text=text)


def _envelope(headers: RawHeaders, is_reply: bool) -> tuple[str, str]:
    """What the headers say as a sentence, and what is wrong with them."""
    try:
        if not is_reply:
            return f"a start of {decode_start(headers).definition}", ""
        reply = decode_reply(headers)
        return f"{reply.outcome.value} to the {reply.kind.value} of {reply.step}, run {reply.run}, attempt {reply.attempt}", ""
    except BadMessage as bad:
        named = {name: content for name, content in headers if content is not None}
        parts = [_text(named[name]) for name in (OUTCOME, STEP, RUN) if name in named]
        return (f"as far as it tells: {' · '.join(parts)}" if parts else ""), str(bad)


def _saga_id(key: bytes | None, headers: Mapping[str, bytes]) -> UUID | None:
    """By its key, or by its subject, `<saga id>/<step>`."""
    subject = headers.get(SUBJECT, b"").partition(b"/")[0]
    for content in (key or b"", subject):
        found = parse_saga_id(content.decode("ascii", "replace"))
        if found is not None:
            return found
    return None


def _text(content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = content.hex(" ")
    return text if len(text) <= _TEXT_CHARS else text[:_TEXT_CHARS] + "…"
