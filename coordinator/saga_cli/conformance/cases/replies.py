"""The form of replies, judged over every reply of the check."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final
from uuid import UUID

from saga_cli.conformance.case import Case
from saga_cli.conformance.findings import Exchange
from saga_cli.conformance.messages import Reply
from saga_schemas import limits
from saga_schemas.catalog import Catalog
from saga_schemas.errors import BadMessage
from saga_schemas.ids import valid_text
from saga_schemas.records import NAMESPACE, OWN, Empty, Failure, Progress, read_own
from saga_schemas.trace_context import parse_context

_MESSAGE: Final = "a-message"
_OUTCOMES: Final = "outcomes"
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_CARRIED: Final = {
    "REJECTED": Failure.avro_name,
    "FAILED": Failure.avro_name,
    "IN_PROGRESS": Progress.avro_name,
    **dict.fromkeys(("FENCED", "NOTHING_TO_UNDO", "EXPIRED", "UNSUPPORTED"), Empty.avro_name),
}
_ANYTIME: Final = frozenset({"FAILED", "IN_PROGRESS", "EXPIRED", "UNSUPPORTED", "SUCCEEDED", "REJECTED"})
_MAY: Final = {
    "action": _ANYTIME | {"FENCED"},
    "resolve": (_ANYTIME | {"FENCED"}) - {"FAILED"},
    "compensation": _ANYTIME | {"UNDONE", "NOTHING_TO_UNDO"},
}
Judge = Callable[[Exchange], str | bool]


def _constant(name: str, value: str, *, required: bool) -> Judge:
    def judge(exchange: Exchange) -> str | bool:
        got = exchange.reply.all(name)
        if got == [value]:
            return True
        return f"{name} is {' and '.join(got) or 'absent'}, not {value}" if got or required else False

    return judge


def _ids() -> Judge:
    seen: dict[str, tuple[str, int, int]] = {}

    def judge(exchange: Exchange) -> str | bool:
        reply = exchange.reply
        text, at = reply.header("ce_id") or "", (reply.record.topic, reply.record.partition, reply.record.offset)
        if not _is_random_uuid(text):
            return f"ce_id is {text or 'absent'}, not a random UUID in lower case"
        if seen.setdefault(text, at) != at:
            return f"ce_id {text} is that of another reply, too"
        return True

    return judge


def _is_random_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text and UUID(text).version == 4
    except ValueError:
        return False


def _source(exchange: Exchange) -> str | bool:
    text = exchange.reply.header("ce_source") or ""
    return True if valid_text(text) else f"ce_source is {text!r}, not a text of 1 to {limits.TEXT_CHARS} printable characters"


def _time(exchange: Exchange) -> str | bool:
    text = exchange.reply.header("ce_time") or ""
    try:
        good = _TIME.fullmatch(text) is not None and datetime.fromisoformat(text) is not None
    except ValueError:
        good = False
    return True if good else f"ce_time is {text or 'absent'}, not written as 2026-11-03T14:05:06.000123Z"


def _outcome(exchange: Exchange) -> str | bool:
    kind = exchange.reply.header("ce_sagakind") or ""
    if kind not in _MAY:
        return False
    may = _MAY[kind] | ({"FAILED"} if exchange.spoiled else frozenset())
    outcome = exchange.reply.outcome
    return True if outcome in may else f"{outcome} is no answer to this kind of command ({kind})"


def _record(exchange: Exchange) -> str | bool:
    carried = _CARRIED.get(exchange.reply.outcome)
    named = exchange.reply.header("ce_type")
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
    schema = Catalog(OWN).latest(named)
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
    try:
        read_own(exchange.reply.value, Failure)
    except BadMessage as bad:
        return f"the Failure {exchange.reply.content or exchange.reply.value.hex()[:80]}: {bad}"
    return True


def _sequence(exchange: Exchange) -> str | bool:
    got = exchange.reply.all("ce_sagaseq")
    if exchange.reply.outcome != "IN_PROGRESS":
        return f"ce_sagaseq is {got[0]} with {exchange.reply.outcome}" if got else False
    number = exchange.reply.number("ce_sagaseq")
    return True if number is not None and number >= 1 else f"ce_sagaseq is {' and '.join(got) or 'absent'} with IN_PROGRESS"


def _row_run(exchange: Exchange) -> str | bool:
    got, run = exchange.reply.all("ce_sagarowrun"), exchange.reply.number("ce_sagarun") or 0
    if not got:
        return False
    number = exchange.reply.number("ce_sagarowrun") or 0
    good = len(got) == 1 and number > run and exchange.reply.outcome == "SUCCEEDED"
    return True if good else f"ce_sagarowrun is {' and '.join(got)} in a reply {exchange.reply.outcome} of run {run}"


def _trace(exchange: Exchange) -> str | bool:
    got = exchange.reply.all("traceparent")
    sent = None if exchange.command is None else exchange.command.header("traceparent")
    if not got or sent is None or exchange.spoiled:
        return False
    context = parse_context(got[0], None) if len(got) == 1 else None
    if context is None:
        return f"traceparent is {' and '.join(got)}, which is no trace context"
    return True if got[0].split("-")[1] == sent.split("-")[1] else f"traceparent is {got[0]}, of another trace than {sent}"


_CASES: Final[tuple[tuple[str, str, str, str, Judge], ...]] = (
    ("ce_specversion", "its version", "ce_specversion is 1.0.", _MESSAGE, _constant("ce_specversion", "1.0", required=True)),
    ("ce_sagaprotocol", "its protocol", "ce_sagaprotocol is 1.", _MESSAGE, _constant("ce_sagaprotocol", "1", required=True)),
    (
        *("content-type", "its content type", "content-type is application/avro when it is there.", _MESSAGE),
        _constant("content-type", "application/avro", required=False),
    ),
    ("ce_source", "who wrote it", "ce_source is a text: who wrote it.", _MESSAGE, _source),
    ("ce_time", "when", "A time is written as RFC 3339 in UTC with six digits.", _MESSAGE, _time),
    ("outcome", "an outcome that answers its kind", "Outcomes have a table: to an action, to a compensation, to RESOLVE.", _OUTCOMES,
     _outcome),
    ("ce_type", "the record of its outcome", "REJECTED and FAILED carry saga.v1.Failure, IN_PROGRESS saga.v1.Progress; FENCED, "
     "NOTHING_TO_UNDO, EXPIRED and UNSUPPORTED carry saga.v1.Empty.", _OUTCOMES, _record),
    ("sagaReply", "the record that the command names", "With a named record, the value must have that name.", _OUTCOMES, _own_record),
    ("value", "its value", "The value is 0x00, four bytes of schema id, and the Avro binary of the record in ce_type. Records of "
     "saga.v1 have exactly the bytes that the coordinator would write.", "schema-ids", _value),
    ("failure-limits", "the bounds of a Failure", "A Failure's code has 1 to 128 characters, its message at most 1,024; "
     "retry_after_ms is 0 to 86,400,000.", "the-records-of-the-protocol", _failure),
    ("ce_sagaseq", "a number for progress", "Keep a number in the row. Accepting the command makes it 1. It stands in ce_sagaseq, with "
     "IN_PROGRESS only.", _OUTCOMES, _sequence),
    ("ce_sagarowrun", "the run of the row", "ce_sagarowrun is set on a SUCCEEDED whenever the row's run is higher than the "
     "command's, and only there.", "the-barrier", _row_run),
    ("traceparent", "a trace context of the same trace", "traceparent is W3C Trace Context of this hop: replaced, never appended.",
     _MESSAGE, _trace),
)  # fmt: skip


def reply_cases() -> Iterator[Case]:
    """One case for each part of a reply."""
    yield Case(
        name="reply.ce_id",
        title="each reply has an id of its own",
        says="ce_id of a reply is a random UUID.",
        section="ids",
        judge=_ids(),
    )
    for name, title, says, section, judge in _CASES:
        yield Case(name=f"reply.{name}", title=f"each reply has {title}", says=says, section=section, judge=judge)
