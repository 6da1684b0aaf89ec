"""The second stage: what a value says, under the schema that the reader brings.

A definition pins the schemas of its input and of its replies; a participant is bound to the newest
schema of its handler's command.
"""

from __future__ import annotations

from typing import Any, Final

from saga_schemas.catalog import Catalog
from saga_schemas.codec import decode, reframed, to_reader, unframe
from saga_schemas.errors import BadMessage, UnknownSchema
from saga_schemas.headers import CommandHeaders, ReplyHeaders, StartHeaders
from saga_schemas.ids import TEXT_RULE, valid_business_key
from saga_schemas.inbound.envelope import Envelope, UnreadableCommand
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.record_class import record
from saga_schemas.records import EMPTY_BYTES, NAMESPACE, Empty, Failure, Progress, read_own
from saga_schemas.schema import Schema

STAGES: Final = (
    "record: `ce_type` names the record that the outcome or the reader's schema asks for",
    "framing and schema id: the schema is registered, and was checked at that time",
    "decoding: it consumes all bytes; any exception makes the message bad",
    "spelling: encoding again gives the same bytes, or another spelling that is legal",
    "resolution to the reader's schema; a value that nobody reads has the record of `ce_type`",
    "model: a handler's command is strict; a Failure or Progress is cut to its bounds",
    "key, of a start: a business key, or none",
)
"""What `docs/wire.md` says of this stage."""

CARRIES: Final[dict[Outcome, type[Failure] | type[Progress] | type[Empty]]] = {
    Outcome.REJECTED: Failure,
    Outcome.FAILED: Failure,
    Outcome.IN_PROGRESS: Progress,
    Outcome.FENCED: Empty,
    Outcome.NOTHING_TO_UNDO: Empty,
    Outcome.EXPIRED: Empty,
    Outcome.UNSUPPORTED: Empty,
}
"""What the value of a reply is; SUCCEEDED and UNDONE carry a record of the participant's own, or
Empty."""


@record
class ReplyPayload:
    """What a reply says; at most one of these is given."""

    failure: Failure | None = None
    """With REJECTED and FAILED."""
    progress: Progress | None = None
    """With IN_PROGRESS."""
    framed: bytes | None = None
    """With SUCCEEDED: the participant's record, framed under the reader's schema; None where nobody
    reads it."""


@record
class StartPayload:
    """What a start says."""

    value: dict[str, Any]
    """The input, decoded."""
    framed: bytes
    """The same, framed under the definition's schema."""
    as_written: bool
    """Whether it was written in just that schema."""
    key: str | None
    """The business key; None where the record has none (a definition with `key:` computes it)."""


@record
class CommandPayload:
    """What a command says. RESOLVE, and compensations without data, have an empty value."""

    value: dict[str, Any]
    framed: bytes
    """The same under the reader's schema, or as it was written where there is no reader."""


def read_reply_payload(
    envelope: Envelope[ReplyHeaders], catalog: Catalog, reader: Schema | None, *, needed: bool = True
) -> ReplyPayload:
    """What a reply carries.

    Args:
        envelope: Of the reply.
        catalog: The schemas that writers may have used.
        reader: The schema that the saga's definition pins for the step's reply; None: nobody reads
            it.
        needed: Whether some mapping or condition reads it. Where none does, a reply in a schema
            that is not known here (its participant was deployed first) is taken without its value:
            the action is done, whatever it says of it.

    Raises:
        UnknownSchema: It is needed, and has to wait until somebody registers its schema.
        BadMessage: The value is not what outcome, `ce_type` and reader promise, or cannot be read.
    """
    headers = envelope.headers
    carried = CARRIES.get(headers.outcome)
    if carried is not None:
        return _read_ours(envelope, carried)
    if reader is None or headers.outcome is Outcome.UNDONE or headers.kind is Kind.COMPENSATION:
        _check_claimed(envelope, catalog)
        return ReplyPayload()
    _expect_record(headers.record, reader.full_name)
    try:
        return ReplyPayload(framed=to_reader(envelope.value, catalog, reader, envelope.raw_headers))
    except UnknownSchema:
        if needed:
            raise
        return ReplyPayload()


def read_start_payload(envelope: Envelope[StartHeaders], catalog: Catalog, reader: Schema) -> StartPayload:
    """The input of a start, and its business key.

    Args:
        envelope: Of the start.
        catalog: The schemas that writers may have used.
        reader: The input's schema, as the definition pins it.

    Raises:
        UnknownSchema: It is written in a schema that is not known here.
        BadMessage: The value is no input of this definition, or the key is no business key.
    """
    decoded = decode(envelope.value, catalog, reader, envelope.raw_headers)
    framed = reframed(decoded, reader)
    return StartPayload(
        value=decoded.value, framed=framed, as_written=decoded.writer.id == reader.id, key=read_business_key(envelope.key)
    )


def read_command_payload(envelope: Envelope[CommandHeaders], catalog: Catalog, reader: Schema | None) -> CommandPayload:
    """What a command carries.

    Args:
        envelope: Of the command.
        catalog: The schemas that writers may have used.
        reader: The newest schema of the handler's command; None: no handler takes it, and it is
            read as it was written.

    Raises:
        UnreadableCommand: The value is not what `ce_type` and reader promise, or cannot be read;
            `cause` is UnknownSchema where it can be read later.
    """
    try:
        return _command_payload(envelope, catalog, reader)
    except BadMessage as error:
        raise UnreadableCommand(error, envelope.headers) from None


def read_business_key(key: bytes | None) -> str | None:
    """The business key of a start; None where the record has none. Raises BadMessage."""
    if key is None:
        return None
    try:
        text = key.decode()
    except UnicodeDecodeError:
        raise BadMessage("key_invalid", "a business key is UTF-8") from None
    if not valid_business_key(text):
        raise BadMessage("key_invalid", f"a business key has {TEXT_RULE}")
    return text


def unknown_schema(envelope: Envelope[ReplyHeaders], catalog: Catalog) -> int | None:
    """The id of the unknown schema that a done action's reply is written in; else None.

    It is cheap: nothing is decoded.
    """
    headers = envelope.headers
    if headers.outcome is not Outcome.SUCCEEDED or headers.kind is Kind.COMPENSATION:
        return None
    try:
        unframe(envelope.value, catalog, envelope.raw_headers)
    except UnknownSchema as unknown:
        return unknown.schema_id
    except BadMessage:
        return None  # told where it is read
    return None


def _command_payload(envelope: Envelope[CommandHeaders], catalog: Catalog, reader: Schema | None) -> CommandPayload:
    record = envelope.headers.record
    if reader is not None:
        _expect_record(record, reader.full_name)
    if record.startswith(NAMESPACE):
        _expect_record(record, Empty.avro_name)
        read_own(envelope.value, Empty, envelope.raw_headers)
        return CommandPayload(value={}, framed=EMPTY_BYTES)
    decoded = decode(envelope.value, catalog, reader, envelope.raw_headers)
    _expect_record(record, decoded.writer.full_name)
    return CommandPayload(value=decoded.value, framed=decoded.framed if reader is None else reframed(decoded, reader))


def _read_ours(envelope: Envelope[ReplyHeaders], carried: type[Failure] | type[Progress] | type[Empty]) -> ReplyPayload:
    """What the outcome makes a reply carry: a record of ours."""
    _expect_record(envelope.headers.record, carried.avro_name)
    if carried is Failure:
        return ReplyPayload(failure=read_own(envelope.value, Failure, envelope.raw_headers))
    if carried is Progress:
        return ReplyPayload(progress=read_own(envelope.value, Progress, envelope.raw_headers))
    read_own(envelope.value, Empty, envelope.raw_headers)
    return ReplyPayload()


def _check_claimed(envelope: Envelope[ReplyHeaders], catalog: Catalog) -> None:
    """Of a SUCCEEDED or UNDONE whose value nobody reads: what its `ce_type` claims must be true, as
    far as can be known here.

    A record of ours can only be Empty. One of the participant's own, in a schema that is known
    here, has that name; an UNDONE's value is also whole. A schema that is not known here is no
    fault: nothing depends on it.
    """
    headers = envelope.headers
    if headers.record.startswith(NAMESPACE):
        _expect_record(headers.record, Empty.avro_name)
        read_own(envelope.value, Empty, envelope.raw_headers)
        return
    try:
        writer = decode(envelope.value, catalog, None, envelope.raw_headers).writer
    except UnknownSchema:
        return
    except BadMessage:
        if headers.outcome is Outcome.UNDONE:
            raise
        return  # of an action: carried and not looked at
    _expect_record(headers.record, writer.full_name)


def _expect_record(given: str, expected: str) -> None:
    if given != expected:
        raise BadMessage("record_mismatch", f"this message carries {expected}")
