"""Dead letters: one form on the topic, whoever could not read the record."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest

from saga_coordinator.inbound.dead_letters import dead_letter, relayed
from saga_messaging.broker import Outgoing, Record
from saga_messaging.dead_letters import HEADERS_BYTES, KEY_BYTES, VALUE_BYTES
from saga_messaging.memory import MemoryBroker
from saga_participant.consuming.dead_letters import DeadLetters
from saga_schemas.errors import BadMessage
from saga_schemas.topics import Topics

BAD = BadMessage("bad_framing", "a value starts with 0x00 and four bytes of schema id")


def record(key: bytes | None = b"k", value: bytes | None = b"v", headers: Any = (("a", b"1"), ("a", None))) -> Record:
    return Record(topic="saga.cmd.till", partition=3, offset=17, timestamp_ms=0, key=key, value=value, headers=headers)


async def of_the_kit(bad: Record) -> Outgoing:
    broker = MemoryBroker()
    await broker.ensure_topics(["saga.dlq.till"])
    metrics = cast(Any, SimpleNamespace(dead_letters=Counter[str]()))
    await DeadLetters(broker, "saga.dlq.till", metrics).send(bad, BAD)
    (sent,) = broker.records("saga.dlq.till")
    return Outgoing(topic=sent.topic, key=sent.key, value=sent.value, headers=sent.headers)


def of_the_coordinator(bad: Record) -> Outgoing:
    return relayed(Topics(), dead_letter("till", bad, BAD, 0))


RECORDS = {
    "small": record(),
    "nothing": record(None, None, ()),
    "large": record(b"k" * 2000, b"v" * 100_000, tuple((f"h{n}", b"x" * 1000) for n in range(30))),
}


@pytest.mark.parametrize("bad", RECORDS.values(), ids=RECORDS)
async def test_coordinator_and_participant_write_the_same_letter(bad: Record) -> None:
    assert await of_the_kit(bad) == of_the_coordinator(bad)


def test_a_letter_is_the_record_with_why_and_where_from() -> None:
    letter = of_the_coordinator(record())

    assert (letter.topic, letter.key, letter.value) == ("saga.dlq.till", b"k", b"v")
    assert letter.headers == (
        ("a", b"1"),
        ("a", b""),
        ("saga_dlq_reason", b"bad_framing"),
        ("saga_dlq_topic", b"saga.cmd.till"),
        ("saga_dlq_partition", b"3"),
        ("saga_dlq_offset", b"17"),
    )


def test_a_letter_is_cut_to_bounds() -> None:
    letter = of_the_coordinator(RECORDS["large"])

    assert (len(letter.key or b""), len(letter.value or b"")) == (KEY_BYTES, VALUE_BYTES)
    kept = letter.headers[:-4]
    assert HEADERS_BYTES - 1100 < sum(len(name) + len(value) for name, value in kept) <= HEADERS_BYTES
