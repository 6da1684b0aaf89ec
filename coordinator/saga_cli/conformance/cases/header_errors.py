"""Commands whose headers cannot be read, and records that are too large: they become dead letters,
and what comes behind them is served."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final
from uuid import uuid4

from saga_cli.conformance.case import Case, case
from saga_cli.conformance.findings import Deviation
from saga_cli.conformance.messages import Command, Reply, act
from saga_cli.conformance.saga import TestedSaga, expect
from saga_cli.conformance.stage import Stage
from saga_messaging.broker import Record
from saga_schemas import limits

_SECTION: Final = "the-record-of-a-dead-letter"
_SAYS: Final = (
    "A dead letter, and no answer: a header of the table is missing, twice, null, not UTF-8, or not in its form, or the "
    "record is beyond the sizes. On saga.dlq.<participant> key, value and headers are as they were; saga_dlq_reason, "
    "saga_dlq_topic, saga_dlq_partition and saga_dlq_offset are added. The offset moves on."
)
_MARK: Final = "check_mark"
_VALUE_KEPT: Final = 64 * 1024
_HEADERS_KEPT: Final = 8 * 1024
"""Fewer than the page lets a dead letter keep, so that what is longer may be cut."""
_REQUIRED: Final = (
    *("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_sagaprotocol", "ce_sagatenant", "ce_correlationid"),
    *("ce_subject", "ce_sagakind", "ce_sagastep", "ce_sagarun", "ce_sagaattempt", "ce_sagaincarnation", "ce_sagaversion"),
    *("ce_sagatoken", "ce_expirytime", "ce_sagadef"),
)
Spoil = Callable[[Command], Command]


def _said(**headers: str | bytes) -> Spoil:
    return lambda command: command.but(headers)


def _without(name: str) -> Spoil:
    return lambda command: command.but(drop=(name,))


def _twice(name: str) -> Spoil:
    return lambda command: command.adding((name, (command.header(name) or "").encode()))


_INVALID: Final[dict[str, Spoil]] = {
    "a-saga-id-that-is-no-uuidv7": _said(ce_correlationid="0198c1a2-0000-4000-8000-000000000000"),
    "a-saga-id-in-capitals": lambda c: c.but(ce_correlationid=(c.header("ce_correlationid") or "").upper()),
    "a-run-with-a-sign": _said(ce_sagarun="+1"),
    "a-run-with-a-leading-zero": _said(ce_sagarun="01"),
    **{f"{name}-0": _said(**{f"ce_saga{name}": "0"}) for name in ("run", "attempt", "incarnation", "version")},
    "a-definition-hash-that-is-none": _said(ce_sagadef="zz"),
    "a-negative-incarnation": _said(ce_sagaincarnation="-1"),
    "a-run-beyond-31-bits": _said(ce_sagarun=str(2**31)),
    "an-attempt-beyond-31-bits": _said(ce_sagaattempt=str(2**31)),
    "a-step-that-is-no-name": _said(ce_sagastep="../check"),
    "a-tenant-that-is-not-utf8": _said(ce_sagatenant=b"\xff\xfe"),
    "a-tenant-with-a-space-at-its-end": _said(ce_sagatenant="default "),
    "a-source-of-257-characters": _said(ce_source="s" * 257),
    "a-source-with-bidirectional-marks": _said(ce_source="raw\u202e"),
    "a-time-that-is-none": _said(ce_expirytime="tomorrow"),
    "another-cloudevents-version": _said(ce_specversion="0.3"),
    "another-content-type": lambda c: c.but({"content-type": "application/json"}),
    "the-subject-of-another-step": lambda c: c.but(ce_subject=f"{c.header('ce_correlationid')}/another"),
    "a-token-that-is-too-long": _said(ce_sagatoken="t" * 129),
    "an-empty-token": _said(ce_sagatoken=""),
}
_TOO_LARGE: Final[dict[str, Spoil]] = {
    "a-header-of-5000-bytes": _said(ce_source="s" * 5000),
    "more-than-64-headers": lambda c: c.adding(*((f"check_{n}", b"") for n in range(limits.HEADER_COUNT))),
    "headers-of-more-than-32-kib": lambda c: c.adding(*((f"check_{n}", b"x" * 4000) for n in range(9))),
    "a-value-of-more-than-256-kib": lambda c: c.valued((c.value or b"") + b"x" * limits.PAYLOAD_BYTES),
    "a-key-of-1025-bytes": lambda c: c.keyed(b"k" * (limits.KEY_BYTES + 1)),
}


def _case(name: str, reason: str, spoil: Spoil) -> Case:
    @case(f"dead-letter.{name}", f"a command with {name.replace('-', ' ')}", _SAYS, _SECTION)
    async def play(stage: Stage) -> None:
        saga = stage.saga(spoiled=True)
        mark = uuid4().hex.encode()
        bad = spoil(saga.command(act()).adding((_MARK, mark)))
        await saga.send(bad)
        letter: Record | Reply | None = await stage.line.until(lambda: _letter_or_reply(saga, mark), stage.patience.reply_s)
        if letter is None:
            raise Deviation(f"no dead letter within {stage.patience.reply_s:g} s")
        if isinstance(letter, Reply):
            raise Deviation(f"it was answered {letter}; a dead letter was expected")
        _check_letter(stage, letter, bad, reason)
        await _behind(saga)

    return play


def _letter_or_reply(saga: TestedSaga, mark: bytes) -> Record | Reply | None:
    letters = (letter for letter in saga.bench.line.letters if (_MARK, mark) in letter.headers)
    return next(letters, None) or next(iter(saga.replies), None)


def _check_letter(stage: Stage, letter: Record, sent: Command, reason: str) -> None:
    said = {name: value.decode("utf-8", "replace") for name, value in letter.headers if name.startswith("saga_dlq_")}
    if said.get("saga_dlq_reason") != reason:
        raise Deviation(f"saga_dlq_reason is {said.get('saga_dlq_reason', 'absent')}, not {reason}")
    if said.get("saga_dlq_topic") != stage.line.command_topic:
        raise Deviation(f"saga_dlq_topic is {said.get('saga_dlq_topic', 'absent')}, not {stage.line.command_topic}")
    for name in ("saga_dlq_partition", "saga_dlq_offset"):
        if not said.get(name, "").isdecimal():
            raise Deviation(f"{name} is {said.get(name, 'absent')}, not a number")
    if (letter.key or b"")[: limits.KEY_BYTES] != (sent.key or b"")[: limits.KEY_BYTES]:
        raise Deviation("the dead letter's key is not as it was")
    if (letter.value or b"")[:_VALUE_KEPT] != (sent.value or b"")[:_VALUE_KEPT]:
        raise Deviation("the dead letter's value is not as it was")
    kept = [pair for pair in letter.headers if not pair[0].startswith("saga_dlq_")]
    size = sum(len(name) + len(value) for name, value in sent.headers)
    if size <= _HEADERS_KEPT and kept != list(sent.headers):
        raise Deviation("the dead letter's headers are not as they were")


async def _behind(saga: TestedSaga) -> None:
    """What comes behind it is served, as the first command that the saga has seen."""
    command = saga.command(act())
    await saga.send(command)
    expect(saga, await saga.answer(command), "SUCCEEDED")
    if others := [reply for reply in saga.replies if reply.causation != command.id]:
        raise Deviation(f"it was answered, too: {others[0]}")


def header_error_cases() -> Iterator[Case]:
    """One case for each thing that makes headers unreadable."""
    yield from (_case(f"no-{name}", "header_missing", _without(name)) for name in _REQUIRED)
    yield from (_case(f"{name}-twice", "header_duplicate", _twice(name)) for name in _REQUIRED)
    yield from (_case(name, "header_invalid", spoil) for name, spoil in _INVALID.items())
    yield from (_case(name, "too_large", spoil) for name, spoil in _TOO_LARGE.items())
