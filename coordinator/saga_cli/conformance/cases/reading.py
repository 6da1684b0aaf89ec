"""What a participant reads and what it refuses: bytes, spellings, and headers that are right in an
unusual way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from saga_cli.conformance.case import Case, case
from saga_cli.conformance.findings import Deviation, Need, NotHere
from saga_cli.conformance.given import Part
from saga_cli.conformance.messages import STEP, Command, act
from saga_cli.conformance.saga import TestedSaga, expect
from saga_cli.conformance.spelling import NoBlocks, in_blocks
from saga_cli.conformance.stage import Stage
from saga_schemas.codec import decode
from saga_schemas.outcomes import Kind
from saga_schemas.records import EMPTY_BYTES
from saga_schemas.schema import Schema

_READING: Final = "what-is-wrong-and-what-happens"
_MESSAGE: Final = "a-message"
_UNSUPPORTED: Final = (
    "UNSUPPORTED: another protocol, an unknown kind, a key that is null or not the saga id, a value that is null or no "
    "value of its schema, a RESOLVE with anything but saga.v1.Empty, a record that nobody handles in this kind."
)
_RIGHT: Final = "Unknown headers are ignored; a malformed trace context is treated as absent; any RFC 3339 instant is read."
_MOST_CUTS: Final = 60
Spoil = Callable[[Command], Command]


def _valued(change: Callable[[bytes], bytes | None]) -> Spoil:
    return lambda command: command.valued(change(command.value or b""))


def _unhandled(command: Command) -> Command:
    nobodys = Schema.parse({"type": "record", "name": "check.NobodyHandlesThis", "fields": [{"name": "n", "type": "int"}]})
    return command.valued(nobodys.prefix + b"\x02").but(ce_type=nobodys.full_name)


UNSERVED: Final[dict[str, Spoil]] = {
    "another-protocol": lambda c: c.but(ce_sagaprotocol="2"),
    "another-protocol-of-other-headers": lambda c: c.but(ce_sagaprotocol="9", drop=("ce_expirytime", "ce_sagadef", "ce_time")),
    "an-unknown-kind": lambda c: c.but(ce_sagakind="audit"),
    "a-kind-in-capitals": lambda c: c.but(ce_sagakind="ACTION"),
    "the-key-of-another-saga": lambda c: c.keyed(b"0198c1a2-0000-7000-8000-000000000000"),
    "no-key": lambda c: c.keyed(None),
    "a-key-that-is-not-text": lambda c: c.keyed(b"\xff"),
    "a-null-value": _valued(lambda value: None),
    "no-bytes": _valued(lambda value: b""),
    "another-magic-byte": _valued(lambda value: b"\1" + value[1:]),
    "trailing-bytes": _valued(lambda value: value + b"\0"),
    "a-record-that-nobody-handles": _unhandled,
    "a-resolve-with-the-record-of-an-action": lambda c: c.but(ce_sagakind=Kind.RESOLVE.value),
}

UNUSUAL: Final[dict[str, Spoil]] = {
    "an-unknown-header-twice-and-not-utf8": lambda c: c.adding(("check_more", b"\xff"), ("check_more", b"")),
    "a-malformed-trace-context": lambda c: c.but(traceparent="00-nonsense", ce_traceparent=b"\xff"),
    "a-traceparent-twice": lambda c: c.adding(("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")),
    "no-content-type": lambda c: c.but(drop=("content-type",)),
    "no-trace-context": lambda c: c.but(drop=("traceparent", "ce_traceparent")),
    "a-causation-id": lambda c: c.but(ce_causationid="0198c1a2-0000-4000-8000-000000000000"),
    "baggage": lambda c: c.but(baggage="customer=ada"),
    "the-longest-token": lambda c: c.but(ce_sagatoken="~" * 128),
    "the-highest-run": lambda c: c.but(ce_sagarun=str(2**31 - 1)),
    "the-highest-attempt": lambda c: c.but(ce_sagaattempt=str(2**31 - 1)),
    "a-step-with-an-instance": lambda c: c.but(ce_sagastep=f"{STEP}[3]", ce_subject=f"{c.header('ce_correlationid')}/{STEP}[3]"),
    "a-time-with-an-offset": lambda c: c.but(ce_expirytime="2999-01-01T00:00:00+02:00"),
    "a-time-in-lower-case": lambda c: c.but(ce_expirytime="2999-01-01t00:00:00z"),
    "a-time-with-nine-digits": lambda c: c.but(ce_expirytime="2999-01-01T00:00:00.123456789Z"),
    "a-leap-second": lambda c: c.but(ce_time="2016-12-31T23:59:60Z"),
}


def _unserved(name: str, spoil: Spoil) -> Case:
    @case(f"unsupported.{name}", f"a command with {name.replace('-', ' ')}", _UNSUPPORTED, _READING)
    async def play(stage: Stage) -> None:
        saga = stage.saga(spoiled=True)
        await _refused(saga, spoil(saga.command(act())))
        expect(saga, await saga.ask(act()), "SUCCEEDED")

    return play


async def _refused(saga: TestedSaga, command: Command) -> None:
    await saga.send(command)
    expect(saga, await saga.answer(command), "UNSUPPORTED")


def _unusual(name: str, change: Spoil) -> Case:
    @case(f"read.{name}", f"a command with {name.replace('-', ' ')} is served", _RIGHT, _MESSAGE)
    async def play(stage: Stage) -> None:
        saga = stage.saga(spoiled=True)
        command = change(saga.command(act()))
        await saga.send(command)
        expect(saga, await saga.answer(command), "SUCCEEDED")

    return play


@case(
    "unsupported.the-record-of-another-kind",
    "the compensation's record in an action",
    _UNSUPPORTED,
    _READING,
    Need.COMPENSATION,
)
async def _other_kind(stage: Stage) -> None:
    saga = stage.saga(spoiled=True)
    await _refused(saga, saga.command(act(part=Part.COMPENSATION)))
    expect(saga, await saga.ask(act()), "SUCCEEDED")


@case(
    "bytes.truncated",
    "a value that is cut, at every length",
    "UNSUPPORTED: the value has no framing, ends early, goes on too long, or is no value of its schema.",
    _READING,
)
async def _cut(stage: Stage) -> None:
    first = stage.saga(spoiled=True)
    whole = first.command(act()).value or b""
    lengths = sorted({*range(6), *range(6, len(whole), max(1, len(whole) // _MOST_CUTS))} - {len(whole)})

    async def refused(length: int) -> None:
        saga = stage.saga(spoiled=True)
        command = saga.command(act())
        value = command.value or b""
        try:
            await _refused(saga, command.valued(value[: min(length, len(value) - 1)]))
        except Deviation as deviation:
            raise Deviation(f"cut to {length} of {len(value)} bytes, {deviation.seen}") from None

    await asyncio.gather(*(refused(length) for length in lengths))


@case(
    "bytes.array-blocks",
    "arrays and maps in several blocks, with their sizes",
    "Records of yours may use any legal Avro spelling: blocks of arrays and maps of any size, with or without a byte count.",
    "how-a-record-is-read",
)
async def _array_blocks(stage: Stage) -> None:
    saga = stage.saga()
    command = saga.command(act())
    catalog = stage.composer.catalog
    schema = catalog.latest(command.header("ce_type") or "")
    assert schema is not None
    try:
        spelled = in_blocks(schema, decode(command.value or b"", catalog).value)
    except NoBlocks:
        raise NotHere("the action's body has no array and no map with an item in it") from None
    await saga.send(command.valued(spelled))
    expect(saga, await saga.answer(command), "SUCCEEDED")


@case(
    "bytes.empty",
    "the bytes of saga.v1.Empty",
    f"saga.v1.Empty is the framing and one byte: {EMPTY_BYTES.hex()}.",
    "the-records-of-the-protocol",
)
async def _empty(stage: Stage) -> None:
    saga = stage.saga()
    reply = await saga.ask(act(expires_s=-3600))
    expect(saga, reply, "EXPIRED", value=EMPTY_BYTES)


def reading_cases() -> Iterator[Case]:
    """Bytes, what is right in an unusual way, what is answered UNSUPPORTED."""
    yield from (_empty, _array_blocks, _cut)
    yield from (_unusual(name, change) for name, change in UNUSUAL.items())
    yield from (_unserved(name, spoil) for name, spoil in UNSERVED.items())
    yield _other_kind
