"""What producers may do to a batch: compress it, or abort it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from saga_cli.conformance.case import Case, case
from saga_cli.conformance.findings import Deviation, Need
from saga_cli.conformance.messages import act
from saga_cli.conformance.saga import expect
from saga_cli.conformance.stage import Stage

CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
_BATCH: Final = 5


def _codec(codec: str) -> Case:
    @case(
        f"codec.{codec}",
        f"commands in a batch of codec {codec}",
        "Every codec is read: gzip, snappy, lz4, zstd.",
        "dead-letters",
        Need.PARTITIONS,
    )
    async def play(stage: Stage) -> None:
        saga = stage.saga()
        commands = [saga.command(act()) for _ in range(_BATCH)]
        await saga.send(*commands, codec=codec)
        for command in commands:
            expect(saga, await saga.answer(command), "SUCCEEDED")

    return play


@case(
    "isolation.aborted",
    "a command in a transaction that was aborted",
    "Producers may be transactional. Only what is committed is read (read_committed).",
    "transactions-of-kafka",
    Need.PARTITIONS,
)
async def _aborted(stage: Stage) -> None:
    saga = stage.saga()
    aborted = saga.command(act())
    saga.note(aborted)
    await stage.sideways.send_and_abort([aborted.outgoing(stage.line.command_topic)])
    behind = saga.command(act())
    await saga.send(behind)
    expect(saga, await saga.answer(behind), "SUCCEEDED")
    if answers := [reply for reply in saga.replies if reply.causation == aborted.id]:
        raise Deviation(f"the aborted command was answered {answers[0]}")


def codec_cases() -> Iterator[Case]:
    yield from map(_codec, CODECS)
    yield _aborted
