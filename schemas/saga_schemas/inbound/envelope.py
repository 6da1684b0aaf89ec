"""The first stage: what a record tells by itself. No schema is needed, and the value is not looked
at.

The functions below are the order in which it happens. Two orders differ on purpose: a command that
has a bad key and no value is answered with the key's fault, a reply is dead-lettered with the
value's; a start's key is looked at last, in the second stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Generic, Protocol, TypeVar

from saga_schemas import limits
from saga_schemas.errors import BadMessage
from saga_schemas.headers import CommandHeaders, ReplyHeaders, StartHeaders, decode_command, decode_reply, decode_start
from saga_schemas.ids import saga_key
from saga_schemas.outcomes import Kind
from saga_schemas.record_class import record
from saga_schemas.records import Empty
from saga_schemas.token import TokenKeys

STAGES: Final = (
    "record: it is a real one, not a place-holder for bytes that cannot be read",
    "size: key, value and headers, before anything is copied",
    "headers: their number, sizes and UTF-8; one of each name, each in its own form",
    "value and key: there is a value, the key is saga id or kind; a RESOLVE has `saga.v1.Empty`",
    "tenant, of a reply, start or answer: the one that is served here",
    "token, of a reply or answer: we issued what it answers; of an announcement if there are keys",
)
"""What `docs/wire.md` says of this stage."""

H = TypeVar("H", CommandHeaders, ReplyHeaders, StartHeaders)


class Received(Protocol):
    """A record as it came from Kafka; `saga_messaging.broker.Record` is one."""

    @property
    def key(self) -> bytes | None: ...

    @property
    def value(self) -> bytes | None: ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...

    def check(self) -> None:
        """Raises BadMessage where it stands for bytes that could not be read as a record."""
        ...


@record
class Envelope(Generic[H]):
    """A message whose envelope is good."""

    headers: H
    key: bytes | None
    """Of a start the business key, not looked at yet; of others the saga id."""
    value: bytes
    """As it came."""
    raw_headers: Sequence[tuple[str, bytes | None]]
    """As they came: the schema id may stand in one of them."""


class UnreadableCommand(BadMessage):
    """The headers of a command are good, its key or value is not: it can be answered.

    `cause` is what is wrong.
    """

    def __init__(self, cause: BadMessage, headers: CommandHeaders) -> None:
        super().__init__(cause.reason, cause.detail)
        self.cause = cause
        self.headers = headers


def read_reply_envelope(record: Received, *, tenant: str, keys: TokenKeys) -> Envelope[ReplyHeaders]:
    """The envelope of a reply to a command that we issued.

    Args:
        record: From a reply topic.
        tenant: The one that is served here.
        keys: What we sign commands with.

    Raises:
        BadMessage: Something is wrong; `reason` is a row of the table of dead letters in
            docs/wire.md.
    """
    check_size(record)
    headers = decode_reply(record.headers)
    value = present(record.value)
    _check_saga_key(record.key, headers)
    check_tenant(headers.tenant, tenant)
    _check_token(headers, keys)
    return Envelope(headers=headers, key=record.key, value=value, raw_headers=record.headers)


def read_start_envelope(record: Received, *, tenant: str) -> Envelope[StartHeaders]:
    """The envelope of a request to start a saga.

    Args:
        record: From the topic of starts.
        tenant: The one that is served here.

    Raises:
        BadMessage: Something is wrong; `reason` is a row of the table of dead letters in
            docs/wire.md.
    """
    check_size(record)
    headers = decode_start(record.headers)
    value = present(record.value)
    check_tenant(headers.tenant, tenant)
    return Envelope(headers=headers, key=record.key, value=value, raw_headers=record.headers)


def read_command_envelope(record: Received) -> Envelope[CommandHeaders]:
    """The envelope of a command.

    Args:
        record: From a participant's command topic.

    Raises:
        UnsupportedProtocol: Another protocol version or an unknown kind: answer UNSUPPORTED.
        UnreadableCommand: The headers are good, key or value is not: answer FAILED or UNSUPPORTED.
        BadMessage: It cannot be answered: dead-letter it.
    """
    check_size(record)
    headers = decode_command(record.headers)
    try:
        _check_saga_key(record.key, headers)
        if headers.kind is Kind.RESOLVE and headers.record != Empty.avro_name:
            raise BadMessage("record_mismatch", f"a resolve carries {Empty.avro_name}")
        value = present(record.value)
    except BadMessage as error:
        raise UnreadableCommand(error, headers) from None
    return Envelope(headers=headers, key=record.key, value=value, raw_headers=record.headers)


def check_size(record: Received) -> None:
    """That it is a real record, and within bounds. Raises BadMessage."""
    record.check()
    if len(record.headers) > limits.HEADER_COUNT:
        raise BadMessage("too_large", f"more than {limits.HEADER_COUNT} headers")
    if len(record.key or b"") > limits.KEY_BYTES:
        raise BadMessage("too_large", f"a key has at most {limits.KEY_BYTES} bytes")
    if len(record.value or b"") > limits.PAYLOAD_BYTES:
        raise BadMessage("too_large", f"a value has at most {limits.PAYLOAD_BYTES} bytes")


def present(value: bytes | None) -> bytes:
    """The value. Raises BadMessage where there is none."""
    if value is None:
        raise BadMessage("null_value", f"a value is never null; {Empty.avro_name} stands for nothing")
    return value


def _check_saga_key(key: bytes | None, headers: CommandHeaders | ReplyHeaders) -> None:
    """The record key must be the saga id: order per saga hangs on it."""
    if key is None:
        raise BadMessage("null_key", "the key is the saga id")
    if key != saga_key(headers.saga_id):
        raise BadMessage("key_mismatch", "the key is the saga id of the headers")


def check_tenant(given: str, served: str) -> None:
    """Raises BadMessage where they are not the same."""
    if given != served:
        raise BadMessage("tenant_mismatch", "this coordinator does not serve that tenant")


def _check_token(reply: ReplyHeaders, keys: TokenKeys) -> None:
    """Only a command that we issued can be answered."""
    if not keys.verify(reply.token, reply.tenant, reply.saga_id, reply.step, reply.kind, reply.run, reply.incarnation):
        raise BadMessage("token_invalid", "not the token of a command issued here")
