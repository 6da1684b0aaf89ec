"""The whole way of an untrusted Kafka record to something the business may look at, stage by stage.

Each stage can only refuse, with one BadMessage; none reads a clock, a database or the network. The stages, in order, are `STAGES`;
what follows (is this saga known, is this the current run) is the engine's and the barrier's. Truth: docs/wire.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from saga_schemas import limits
from saga_schemas.catalog import Catalog
from saga_schemas.codec import decode, reframed
from saga_schemas.errors import BadMessage, UnknownSchema
from saga_schemas.frozen import frozen
from saga_schemas.headers import (
    CommandHeaders,
    RawHeaders,
    ReplyHeaders,
    StartHeaders,
    decode_command,
    decode_reply,
    decode_start,
)
from saga_schemas.ids import TEXT_RULE, saga_key, valid_business_key
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.records import EMPTY_BYTES, NAMESPACE, Empty, Failure, Progress, read_own
from saga_schemas.schema import Schema
from saga_schemas.token import TokenKeys

STAGES: Final = (
    "size cap: key, value and headers, before anything is copied",
    "headers: counts, sizes, UTF-8, one of each, every one in its own form",
    "key: the saga id, or a business key",
    "framing and schema id: a registered schema, which passed the gate then",
    "guarded decode: every exception is one BadMessage, all bytes are consumed",
    "spelling: encoded again it has the same bytes, or a strict walk finds only another legal spelling",
    "record: the one that the headers and the outcome promise, resolved to the reader's schema",
    "model: strict, within its bounds",
    "token: we issued this command",
)

_EMPTY_NAME: Final = Empty.avro_name
_CARRIES: Final[dict[Outcome, type[Failure] | type[Progress] | type[Empty]]] = {
    Outcome.REJECTED: Failure,
    Outcome.FAILED: Failure,
    Outcome.IN_PROGRESS: Progress,
    Outcome.FENCED: Empty,
    Outcome.NOTHING_TO_UNDO: Empty,
    Outcome.EXPIRED: Empty,
    Outcome.UNSUPPORTED: Empty,
}
"""What the value of a reply is; SUCCEEDED and UNDONE carry a record of the participant's own, or Empty."""


@frozen
class Reply:
    """A reply that is well formed and answers a command we issued."""

    headers: ReplyHeaders
    outcome: Outcome
    failure: Failure | None = None
    """With REJECTED and FAILED."""
    progress: Progress | None = None
    """With IN_PROGRESS."""
    value: dict[str, Any] | None = None
    """With SUCCEEDED and UNDONE: the participant's record under the reader's schema; None when it was Empty."""
    payload: bytes | None = None
    """The same, framed."""


@frozen
class Start:
    """A well-formed request to start a saga."""

    headers: StartHeaders
    key: str | None
    """The business key; None where the record had no key (a definition with `key:` computes it)."""
    value: dict[str, Any]
    payload: bytes


@frozen
class Command:
    """A well-formed command. RESOLVE and compensations without data have an empty value."""

    headers: CommandHeaders
    value: dict[str, Any]
    writer: str
    """Full name of the record."""
    payload: bytes


class UnreadableCommand(BadMessage):
    """The headers of a command are good, its key or value is not: it can be answered. `cause` is what is wrong."""

    def __init__(self, cause: BadMessage, headers: CommandHeaders) -> None:
        super().__init__(cause.reason, cause.detail)
        self.cause = cause
        self.headers = headers


def read_reply(
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes | None]],
    catalog: Catalog,
    token_keys: TokenKeys,
    reader_for: Callable[[ReplyHeaders], Schema | None] = lambda headers: None,
) -> Reply:
    """A reply, or BadMessage. `reader_for` gives the schema a definition pinned for the record; None takes it as it was written."""
    check_size(key, value, headers)
    about = decode_reply(headers)
    check_saga_key(key, about)
    reply = _reply_value(about, _present(value), headers, catalog, reader_for)
    check_token(about, token_keys)
    return reply


def read_start(
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes | None]],
    catalog: Catalog,
    reader_for: Callable[[StartHeaders], Schema | None] = lambda headers: None,
) -> Start:
    """A start, or BadMessage. `reader_for` gives the definition's input schema."""
    check_size(key, value, headers)
    about = decode_start(headers)
    business_key = read_business_key(key)
    reader = reader_for(about)
    content, payload, _ = _record(about.record, _present(value), headers, catalog, reader)
    return Start(headers=about, key=business_key, value=content, payload=payload)


def read_command(
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes | None]],
    catalog: Catalog,
    reader_for: Callable[[CommandHeaders], Schema | None] = lambda headers: None,
) -> Command:
    """A command, or BadMessage: UnsupportedProtocol and UnreadableCommand can be answered, others only dead-lettered."""
    check_size(key, value, headers)
    about = decode_command(headers)
    try:
        check_saga_key(key, about)
        if about.kind is Kind.RESOLVE and about.record != _EMPTY_NAME:
            raise BadMessage("record_mismatch", f"a resolve carries {_EMPTY_NAME}")
        content, payload, writer = _record(about.record, _present(value), headers, catalog, reader_for(about))
    except BadMessage as error:
        raise UnreadableCommand(error, about) from None
    return Command(headers=about, value=content, writer=writer, payload=payload)


def check_size(key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]) -> None:
    """The first stage: cheap, and before anything is copied."""
    if len(headers) > limits.HEADER_COUNT:
        raise BadMessage("too_large", f"more than {limits.HEADER_COUNT} headers")
    if len(key or b"") > limits.KEY_BYTES:
        raise BadMessage("too_large", f"a key has at most {limits.KEY_BYTES} bytes")
    if len(value or b"") > limits.PAYLOAD_BYTES:
        raise BadMessage("too_large", f"a value has at most {limits.PAYLOAD_BYTES} bytes")


def check_saga_key(key: bytes | None, about: CommandHeaders | ReplyHeaders) -> None:
    """The record key must be the saga id: order per saga hangs on it."""
    if key is None:
        raise BadMessage("null_key", "the key is the saga id")
    if key != saga_key(about.saga_id):
        raise BadMessage("key_mismatch", "the key is the saga id of the headers")


def read_business_key(key: bytes | None) -> str | None:
    """The business key of a start."""
    if key is None:
        return None
    try:
        text = key.decode()
    except UnicodeDecodeError:
        raise BadMessage("key_invalid", "a business key is UTF-8") from None
    if not valid_business_key(text):
        raise BadMessage("key_invalid", f"a business key has {TEXT_RULE}")
    return text


def check_token(about: ReplyHeaders, keys: TokenKeys) -> None:
    """The last stage: only a command we issued can be answered."""
    if not keys.verify(about.token, about.tenant, about.saga_id, about.step, about.kind, about.run, about.incarnation):
        raise BadMessage("token_invalid", "not the token of a command issued here")


def read_carried(about: ReplyHeaders, value: bytes, headers: RawHeaders) -> Failure | Progress | Empty | None:
    """What the outcome makes a reply carry: a record of ours. None: it may carry one of the participant's own."""
    carried = _CARRIES.get(about.outcome)
    if carried is None:
        return None
    expect_record(about.record, carried.avro_name)
    if carried is Failure:
        return read_own(value, Failure, headers)
    return read_own(value, Progress, headers) if carried is Progress else read_own(value, Empty, headers)


def check_claimed(about: ReplyHeaders, value: bytes, catalog: Catalog, headers: RawHeaders) -> None:
    """A SUCCEEDED or UNDONE whose value nobody reads: what its `ce_type` claims must be true as far as can be known here.

    A record of ours can only be Empty. One of the participant's own, in a schema that is known here, has that name; an UNDONE's value is
    also whole. A schema that is not known here is no fault: nothing depends on it. Raises BadMessage.
    """
    if about.record.startswith(NAMESPACE):
        expect_record(about.record, _EMPTY_NAME)
        read_own(value, Empty, headers)
        return
    try:
        writer = decode(value, catalog, None, headers).writer
    except UnknownSchema:
        return
    except BadMessage:
        if about.outcome is Outcome.UNDONE:
            raise
        return  # of an action: carried and not looked at
    expect_record(about.record, writer.full_name)


def _reply_value(
    about: ReplyHeaders,
    value: bytes,
    headers: RawHeaders,
    catalog: Catalog,
    reader_for: Callable[[ReplyHeaders], Schema | None],
) -> Reply:
    if about.outcome in _CARRIES:
        own = read_carried(about, value, headers)
        return Reply(
            headers=about,
            outcome=about.outcome,
            failure=own if isinstance(own, Failure) else None,
            progress=own if isinstance(own, Progress) else None,
        )
    reader = reader_for(about)
    # An UNDONE without data, and the SUCCEEDED that a compensation gets from a newer action (row 15b), have nothing to say.
    if about.record == _EMPTY_NAME and (reader is None or about.kind is Kind.COMPENSATION):
        read_own(value, Empty, headers)
        return Reply(headers=about, outcome=about.outcome)
    content, payload, _ = _record(about.record, value, headers, catalog, reader)
    return Reply(headers=about, outcome=about.outcome, value=content, payload=payload)


def _record(
    record: str, value: bytes, headers: RawHeaders, catalog: Catalog, reader: Schema | None
) -> tuple[dict[str, Any], bytes, str]:
    """Value, framed bytes under the reader's schema, and the full name; a record of ours can only be Empty here."""
    if reader is not None:
        expect_record(record, reader.full_name)
    if record.startswith(NAMESPACE):
        expect_record(record, _EMPTY_NAME)
        read_own(value, Empty, headers)
        return {}, EMPTY_BYTES, record
    decoded = decode(value, catalog, reader, headers)
    expect_record(record, decoded.writer.full_name)
    return decoded.value, decoded.framed if reader is None else reframed(decoded, reader), record


def expect_record(given: str, expected: str) -> None:
    """`ce_type` against the record that must be there. Raises BadMessage."""
    if given != expected:
        raise BadMessage("record_mismatch", f"this message carries {expected}")


def _present(value: bytes | None) -> bytes:
    if value is None:
        raise BadMessage("null_value", "a value is never null; saga.v1.Empty stands for nothing")
    return value
