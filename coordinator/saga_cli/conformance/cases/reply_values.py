"""The values of replies, judged over every reply of the check."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from saga_cli.conformance.case import Case, judged
from saga_cli.conformance.findings import Exchange
from saga_cli.conformance.messages import Reply
from saga_schemas import limits
from saga_schemas.errors import BadMessage
from saga_schemas.records import NAMESPACE, OWN, Empty, Failure, Progress, read_own

_CARRIED: Final = {
    "REJECTED": Failure.avro_name,
    "FAILED": Failure.avro_name,
    "IN_PROGRESS": Progress.avro_name,
    **dict.fromkeys(("FENCED", "NOTHING_TO_UNDO", "EXPIRED", "UNSUPPORTED"), Empty.avro_name),
}


def _record(exchange: Exchange) -> str | bool:
    reply = exchange.reply
    refused = reply.outcome == "SUCCEEDED" and reply.header("ce_sagakind") == "compensation"  # a newer run is not undone
    carried = Empty.avro_name if refused else _CARRIED.get(reply.outcome)
    named = reply.header("ce_type")
    if carried is None:
        return False
    return True if named == carried else f"ce_type is {named or 'absent'}, not {carried}"


def _own_record(exchange: Exchange) -> str | bool:
    """The record that the command's schema names for its reply."""
    command, reply = exchange.command, exchange.reply
    if command is None or reply.outcome != "SUCCEEDED" or command.header("ce_sagakind") != "action":
        return False
    schema = reply.catalog.latest(command.header("ce_type") or "")
    wanted = None if schema is None else schema.document.get("sagaReply")
    named = reply.header("ce_type")
    return bool(wanted) if named == wanted or not wanted else f"ce_type is {named or 'absent'}; sagaReply is {wanted}"


def _value(exchange: Exchange) -> str | bool:
    reply = exchange.reply
    value, named = reply.record.value, reply.header("ce_type") or ""
    if not value or value[:1] != b"\0" or len(value) < 5:
        return f"the value {(value or b'').hex()[:40] or 'null'} does not begin with 00 and a schema id"
    if named.startswith(NAMESPACE):
        return _of_ours(reply, named)
    known = reply.catalog.by_id(int.from_bytes(value[1:5], "big"))
    versions = reply.catalog.named(named)
    if known is None and not versions:
        return False
    if known is None or known not in versions:
        ids = ", ".join(f"{schema.id:08x}" for schema in versions)
        return f"the schema id {value[1:5].hex()} is not that of {named} ({ids or 'unknown here'})"
    return True if reply.content is not None else f"the value {value.hex()[:80]} cannot be read as {named}"


def _of_ours(reply: Reply, named: str) -> str | bool:
    if named not in (Empty.avro_name, Failure.avro_name, Progress.avro_name):
        return f"{named} is no record of a reply"
    schema = OWN.latest(named)
    assert schema is not None
    if reply.value[:5] != schema.prefix:
        return f"the value begins with {reply.value[:5].hex()}; that of {named} begins with {schema.prefix.hex()}"
    if named == Failure.avro_name:
        return True  # its bounds have a case of their own
    try:
        _ = read_own(reply.value, Empty) if named == Empty.avro_name else read_own(reply.value, Progress)
    except BadMessage as bad:
        return f"the value {reply.value.hex()[:80]} is no {named}: {bad}"
    return True


def _failure(exchange: Exchange) -> str | bool:
    if exchange.reply.header("ce_type") != Failure.avro_name:
        return False
    content = exchange.reply.content
    if content is None:
        return f"the Failure {exchange.reply.value.hex()[:80]} cannot be read"
    code, message, retry_after_ms = content["code"], content["message"], content["retry_after_ms"]
    if not 1 <= len(code) <= limits.FAILURE_CODE_CHARS:
        return f"the code of a Failure has {len(code)} characters"
    if len(message) > limits.FAILURE_MESSAGE_CHARS:
        return f"the message of a Failure has {len(message)} characters"
    if retry_after_ms is not None and not 0 <= retry_after_ms <= limits.RETRY_AFTER_MS:
        return f"retry_after_ms of a Failure is {retry_after_ms}"
    return True


def _note(exchange: Exchange) -> str | bool:
    if exchange.reply.header("ce_type") != Progress.avro_name:
        return False
    length = len((exchange.reply.content or {}).get("note", ""))
    return True if length <= limits.NOTE_CHARS else f"the note of a Progress has {length} characters"


def reply_value_cases() -> Iterator[Case]:
    """Which record a reply carries, and its bytes."""
    records = (
        "REJECTED and FAILED carry saga.v1.Failure, IN_PROGRESS saga.v1.Progress; FENCED, NOTHING_TO_UNDO, EXPIRED and "
        "UNSUPPORTED carry saga.v1.Empty, and so does SUCCEEDED to a compensation."
    )
    yield judged("ce_type", "the record of its outcome", records, "outcomes", _record)
    named = "With a named record, the value must have that name."
    yield judged("sagaReply", "the record that the command names", named, "the-value-of-a-succeeded", _own_record)
    value = (
        "The value is 0x00, four bytes of schema id, and the Avro binary of the record in ce_type. Records of saga.v1 must "
        "have exactly the bytes that we would write."
    )
    yield judged("value", "a value that can be read", value, "a-message", _value)
    failure = "code: 1 to 128 characters; message: at most 1,024; retry_after_ms: 0 to 86,400,000."
    yield judged("failure-limits", "a Failure within its bounds", failure, "sizes", _failure)
    yield judged("note-limit", "a note within its bounds", "note of a Progress: at most 1,024 characters.", "sizes", _note)
