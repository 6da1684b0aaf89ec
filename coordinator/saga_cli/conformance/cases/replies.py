"""The headers of replies that are no echo, judged over every reply of the check."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final
from uuid import UUID

from saga_cli.conformance.case import Case, Judge, judged
from saga_cli.conformance.findings import Exchange
from saga_schemas import limits
from saga_schemas.headers.names import AVRO
from saga_schemas.ids import parse_number, valid_text
from saga_schemas.trace_context import parse_context

_MESSAGE: Final = "a-message"
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_ANYTIME: Final = frozenset({"FAILED", "IN_PROGRESS", "EXPIRED", "UNSUPPORTED", "SUCCEEDED", "REJECTED"})
_MAY: Final = {
    "action": _ANYTIME | {"FENCED"},
    "resolve": (_ANYTIME | {"FENCED"}) - {"FAILED"},
    "compensation": _ANYTIME | {"UNDONE", "NOTHING_TO_UNDO"},
}


def _constant(name: str, value: str, *, required: bool = True) -> Judge:
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


def _taken(exchange: Exchange) -> str | bool:
    """What a participant says of its own time never refuses a reply, but may be of no use."""
    taken, took = exchange.reply.all("ce_sagatakentime"), exchange.reply.all("ce_sagahandlerus")
    if wrong := [text for text in taken if not _TIME.fullmatch(text)]:
        return f"ce_sagatakentime is {wrong[0]}, not written as 2026-11-03T14:05:06.000123Z"
    if wrong := [text for text in took if parse_number(text) is None]:
        return f"ce_sagahandlerus is {wrong[0]}, not a whole number of microseconds"
    return bool(taken or took)


def _sequence(exchange: Exchange) -> str | bool:
    got = exchange.reply.all("ce_sagaseq")
    if exchange.reply.outcome != "IN_PROGRESS":
        return f"ce_sagaseq is {got[0]} with {exchange.reply.outcome}" if got else False
    number = exchange.reply.number("ce_sagaseq")
    return True if number is not None else f"ce_sagaseq is {' and '.join(got) or 'absent'} with IN_PROGRESS"


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
    if sent is None or exchange.spoiled:
        return False
    context = parse_context(got[0], None) if len(got) == 1 else None
    if context is None:
        return f"traceparent is {' and '.join(got) or 'absent'}, which is no trace context"
    return True if got[0].split("-")[1] == sent.split("-")[1] else f"traceparent is {got[0]}, of another trace than {sent}"


def reply_cases() -> Iterator[Case]:
    """One case for each header of a reply that is not an echo."""
    yield judged("ce_id", "an id of its own", "ce_id of a reply is a random UUID.", "ids", _ids())
    yield judged("ce_specversion", "its version", "ce_specversion is 1.0.", _MESSAGE, _constant("ce_specversion", "1.0"))
    protocol = "ce_sagaprotocol is 1, also in the reply to a command of another protocol."
    yield judged("ce_sagaprotocol", "its protocol", protocol, _MESSAGE, _constant("ce_sagaprotocol", "1"))
    content_type = "content-type is application/avro when it is there, nothing else."
    yield judged("content-type", "its content type", content_type, _MESSAGE, _constant("content-type", AVRO, required=False))
    yield judged("ce_source", "who wrote it", "ce_source is a text: who wrote it.", _MESSAGE, _source)
    yield judged("ce_time", "when", "A time is written as RFC 3339 in UTC with six digits.", _MESSAGE, _time)
    outcomes = "The tables of outcomes: to an action, to a compensation, to a RESOLVE."
    yield judged("outcome", "an outcome that answers its kind", outcomes, "outcomes", _outcome)
    progress = "Keep a number in the row. It stands in ce_sagaseq, with IN_PROGRESS only."
    yield judged("ce_sagaseq", "a number for progress", progress, "progress", _sequence)
    row_run = "ce_sagarowrun is set on a SUCCEEDED whenever the row's run is higher than the command's, and only there."
    yield judged("ce_sagarowrun", "the run of the row", row_run, "the-barrier", _row_run)
    trace = "traceparent is your span for this command. Without tracing of your own: the command's, as it is."
    yield judged("traceparent", "a context of the same trace", trace, "a-reply-echoes-the-command", _trace)
    taken = "ce_sagatakentime is a time, ce_sagahandlerus a decimal number of microseconds."
    yield judged("taken", "times that can be read", taken, _MESSAGE, _taken)
