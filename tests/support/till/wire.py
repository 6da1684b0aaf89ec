"""A coordinator of the tests' own: sends commands to a participant over the in-memory broker and
reads its replies."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from saga_messaging.broker import Outgoing, Record
from saga_messaging.memory import MemoryBroker
from saga_schemas.catalog import Catalog
from saga_schemas.codec import encode
from saga_schemas.files import read_schemas
from saga_schemas.headers import CommandHeaders, ReplyHeaders, decode_reply
from saga_schemas.ids import command_id, saga_key, uuid7
from saga_schemas.outcomes import Kind
from saga_schemas.records import EMPTY_BYTES
from support.till.shop import SCHEMAS

COMMANDS, REPLIES, DEAD = "saga.cmd.till", "saga.reply.till", "saga.dlq.till"
TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"
CATALOG = Catalog(read_schemas(SCHEMAS))
PATIENCE_S = 60.0
_versions = itertools.count(1)


def new_saga() -> UUID:
    return uuid7(time.time_ns() // 1000, os.urandom(10))


def command(saga: UUID | None = None, kind: Kind = Kind.ACTION, *, mode: str = "", **changes: Any) -> Outgoing:
    """A command as the coordinator would send it; `changes` are of its headers."""
    saga = saga or new_saga()
    record = {Kind.ACTION: "till.Take", Kind.COMPENSATION: "till.GiveBack"}.get(kind, "saga.v1.Empty")
    version = next(_versions)
    headers = CommandHeaders(
        message_id=command_id(saga, 1, version, 0),
        source="tests",
        record=record,
        time_us=0,
        saga_id=saga,
        step="pay",
        kind=kind,
        run=1,
        attempt=1,
        incarnation=1,
        version=version,
        tenant="default",
        definition_hash="0" * 64,
        expiry_us=time.time_ns() // 1000 + 3_600_000_000,
        token="opaque",
        traceparent=TRACEPARENT,
    )
    headers = replace(headers, **changes)
    schema = CATALOG.latest(record)
    value = EMPTY_BYTES if schema is None else encode(schema, {"amount": 1, "mode": mode})
    return Outgoing(topic=COMMANDS, key=saga_key(saga), value=value, headers=headers.encode())


def with_header(record: Outgoing, name: str, value: bytes) -> Outgoing:
    return replace(record, headers=tuple((each, value if each == name else old) for each, old in record.headers))


async def send(broker: MemoryBroker, *records: Outgoing) -> None:
    producer = broker.producer()
    await broker.ensure_topics([COMMANDS])
    assert await producer.send_all(records, timeout_s=1) == [None] * len(records)


async def replies(broker: MemoryBroker, count: int) -> list[ReplyHeaders]:
    """The headers of all replies once there are so many."""
    await until(lambda: len(broker.records(REPLIES)) >= count)
    return [decode_reply(record.headers) for record in broker.records(REPLIES)]


async def records(broker: MemoryBroker, topic: str, count: int) -> list[Record]:
    await until(lambda: len(broker.records(topic)) >= count)
    return broker.records(topic)


async def until(true: Callable[[], bool]) -> None:
    """Let everybody else run until it is true."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110  # what is waited for is a broker's content, which tells nobody
            await asyncio.sleep(0.001)
