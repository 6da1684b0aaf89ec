# long: client and proofs stand in one file: one look at its imports shows what it knows
"""A Kafka client that knows docs/wire.md and nothing else: it plays a participant, and forges
commands to a real one.

Imports are aiokafka, fastavro and the standard library (a unit test reads them). Processes and
databases come from fixtures; every header, schema id and token below is made as the page says.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import io
import itertools
import json
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fastavro
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

LIMIT_S = 60.0
BOOKING = Path(__file__).parents[1] / "support" / "booking"
Json = dict[str, Any]

# --- schemas and their ids, as "Schema ids" and "The records of the protocol" say -----------------

PRIMITIVES = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}


def canonical(node: Any, namespace: str = "", seen: set[str] | None = None) -> Any:
    """Named types in-lined at first use under their full names; `namespace` and `doc` dropped."""
    seen = set() if seen is None else seen
    if isinstance(node, str):
        return node if node in PRIMITIVES or "." in node or not namespace else f"{namespace}.{node}"
    if isinstance(node, list):
        return [canonical(branch, namespace, seen) for branch in node]
    out = {key: value for key, value in node.items() if key not in ("doc", "namespace")}
    if "name" in node:
        space = node.get("namespace", namespace)
        full = node["name"] if "." in node["name"] or not space else f"{space}.{node['name']}"
        if full in seen:
            return full
        seen.add(full)
        out["name"], namespace = full, full.rpartition(".")[0]
    if node["type"] == "record":
        out["fields"] = [
            {key: value for key, value in entry.items() if key != "doc"} | {"type": canonical(entry["type"], namespace, seen)}
            for entry in node["fields"]
        ]
    for inner in ("items", "values"):
        if inner in node:
            out[inner] = canonical(node[inner], namespace, seen)
    return out


class Schema:
    def __init__(self, document: Json) -> None:
        self.document = document
        form = canonical(document)
        self.name: str = form["name"]
        text = json.dumps(form, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        self.id = int.from_bytes(hashlib.sha256(text).digest()[:4], "big") & 0x3FFF_FFFF | 0x4000_0000
        self.parsed = fastavro.parse_schema(form)

    @property
    def framing(self) -> bytes:
        return b"\0" + self.id.to_bytes(4, "big")

    def bare(self, value: Json) -> bytes:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, self.parsed, value)
        return out.getvalue()

    def encode(self, value: Json) -> bytes:
        return self.framing + self.bare(value)

    def decode(self, framed: bytes) -> Json:
        assert framed[:5] == self.framing, f"{framed[:5].hex()} is not the id of {self.name}"
        source = io.BytesIO(framed[5:])
        value = fastavro.schemaless_reader(source, self.parsed, None)
        assert not source.read(), "bytes behind the value"
        assert isinstance(value, dict)
        return value


def record(name: str, *fields: tuple[str, Any], **attributes: str) -> Schema:
    return Schema({"type": "record", "name": name, "fields": [{"name": n, "type": t} for n, t in fields]} | attributes)


def read(name: str) -> Schema:
    return Schema(json.loads((BOOKING / f"{name}.avsc").read_text()))


EMPTY = Schema({"type": "record", "name": "saga.v1.Empty", "fields": [{"name": "padding", "type": "int", "default": 0}]})
FAILURE = Schema(
    {
        "type": "record",
        "name": "saga.v1.Failure",
        "fields": [
            {"name": "code", "type": "string"},
            {"name": "message", "type": "string", "default": ""},
            {"name": "retry_after_ms", "type": ["null", "long"], "default": None},
        ],
    }
)
PROGRESS = Schema({"type": "record", "name": "saga.v1.Progress", "fields": [{"name": "note", "type": "string", "default": ""}]})
EVENT_KINDS = {"type": "enum", "name": "EventKind", "symbols": ["started", "compensating", "finished", "attention", "scheduled"]}
EVENT = Schema(
    {
        "type": "record",
        "name": "SagaEvent",
        "namespace": "saga.v1",
        "fields": [
            {"name": "event", "type": EVENT_KINDS},
            {"name": "sequence", "type": "long"},
            {"name": "saga_id", "type": {"type": "string", "logicalType": "uuid"}},
            {"name": "definition", "type": "string"},
            {"name": "version", "type": "int"},
            {"name": "phase", "type": "string"},
            *({"name": n, "type": ["null", "string"], "default": None} for n in ("business_key", "step", "reason")),
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        ],
    }
)
BOOK, HOLD, BOOKED, UNBOOK, UNBOOKED = (read(f"booking.{name}") for name in ("Book", "Hold", "Booked", "Unbook", "Unbooked"))
ORDER = record("trip.Order", ("trip_id", "string"), ("room", "string"), ("amount", "long"))
ORDER_1: Json = {"trip_id": "t-1", "room": "12", "amount": 7}
ROOM_BOOKED = record("trip.RoomBooked", ("booking", "string"))
BOOK_ROOM = record("trip.BookRoom", ("room", "string"), sagaReply="trip.RoomBooked")
CANCEL_ROOM = record("trip.CancelRoom", ("booking", "string"))
PAY = record("trip.Pay", ("amount", "long"))
SEND_LETTER = record("trip.SendLetter", ("trip_id", "string"))
RECORDS = {
    schema.name: schema
    for schema in (
        *(EMPTY, FAILURE, PROGRESS, EVENT, BOOK, HOLD, BOOKED, UNBOOK, UNBOOKED),
        *(ORDER, ROOM_BOOKED, BOOK_ROOM, CANCEL_ROOM, PAY, SEND_LETTER),
    )
}
TRIP = """
saga: trip
version: 1
input: trip.Order
key: ${input.trip_id}
steps:
  - name: room
    participant: rooms
    command: trip.BookRoom
    compensation: {command: trip.CancelRoom, with: {booking: "${steps.room.reply.booking}"}, retry: {first: 100ms}}
    retry: {attempts: 4, first: 100ms}
  - {name: pay, pivot: true, participant: bank, command: trip.Pay}
  - {name: letter, participant: bank, command: trip.SendLetter}
"""

# --- messages -------------------------------------------------------------------------------------


def now(offset_s: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=offset_s)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def uuid7() -> str:
    head = int(time.time() * 1000) << 80 | 7 << 76 | 0b10 << 62
    return str(uuid.UUID(int=head | int.from_bytes(os.urandom(9), "big") & ~(0b11 << 62) & ~(0xF << 76)))


def token(keys: Mapping[str, bytes], saga: str, step: str, kind: str, run: int, incarnation: int = 1) -> str:
    """As "The token" says."""
    parts = (b"default", uuid.UUID(saga).bytes, step.encode(), kind.encode(), str(run).encode(), str(incarnation).encode())
    message = b"saga token 1\0" + b"".join(b"%d:%b" % (len(part), part) for part in parts)
    name, key = next(iter(keys.items()))
    return f"{name}.{base64.urlsafe_b64encode(hmac.digest(key, message, 'sha256')).rstrip(b'=').decode()}"


@dataclass(frozen=True, slots=True)
class Message:
    """A Kafka record. Headers are pairs, so that a forger can give one twice."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    def __getitem__(self, name: str) -> str:
        found = [value for given, value in self.headers if given == name]
        assert len(found) == 1, f"{name} is there {len(found)} times in {self.headers}"
        return found[0].decode()

    def get(self, name: str) -> str | None:
        return self[name] if any(given == name for given, _ in self.headers) else None

    @property
    def content(self) -> Json:
        assert self.value is not None
        return RECORDS[self["ce_type"]].decode(self.value)

    def but(self, **headers: str | bytes | None) -> Message:
        """With these headers (`-` written `_`) replaced or, where None, dropped."""
        given = {name.replace("content_type", "content-type"): value for name, value in headers.items()}
        kept = [(name, value) for name, value in self.headers if name not in given]
        new = [(n, v.encode() if isinstance(v, str) else v) for n, v in given.items() if v is not None]
        return replace(self, headers=(*kept, *new))


def message(topic: str, key: str | None, schema: Schema, value: Json, headers: Mapping[str, object]) -> Message:
    common = {
        "ce_specversion": "1.0",
        "ce_type": schema.name,
        "ce_time": now(),
        "content-type": "application/avro",
        "ce_sagaprotocol": "1",
        "ce_sagatenant": "default",
    }
    pairs = tuple((name, str(text).encode()) for name, text in (common | dict(headers)).items())
    return Message(topic, None if key is None else key.encode(), schema.encode(value), pairs)


ECHOED = (
    *("ce_sagakind", "ce_sagastep", "ce_correlationid", "ce_subject", "ce_sagarun", "ce_sagaattempt", "ce_sagaincarnation"),
    *("ce_sagaversion", "ce_sagatenant", "ce_sagatoken"),
)
CARRIED = {"REJECTED": FAILURE, "FAILED": FAILURE, "IN_PROGRESS": PROGRESS}
CARRIED |= dict.fromkeys(("FENCED", "NOTHING_TO_UNDO", "EXPIRED", "UNSUPPORTED"), EMPTY)


def reply_to(command: Message, outcome: str, schema: Schema = EMPTY, value: Json | None = None, **more: object) -> Message:
    """What a participant says: everything but its own words is echoed."""
    own = {"ce_id": uuid.uuid4(), "ce_source": "/raw", "ce_causationid": command["ce_id"], "ce_sagaoutcome": outcome}
    topic = command.topic.replace("saga.cmd.", "saga.reply.")
    echoed = {name: command[name] for name in ECHOED}
    return message(topic, command["ce_correlationid"], schema, value or {}, echoed | own | more)


def check_answer(command: Message, reply: Message, outcome: str, row_run: int | None = None) -> None:
    """Everything the page promises of a reply."""
    assert reply["ce_sagaoutcome"] == outcome
    assert {name: reply[name] for name in ECHOED} == {name: command[name] for name in ECHOED}
    assert reply["ce_causationid"] == command["ce_id"]
    assert uuid.UUID(reply["ce_id"]).version == 4
    assert reply.key == command["ce_correlationid"].encode()
    assert (reply["ce_specversion"], reply["ce_sagaprotocol"]) == ("1.0", "1")
    assert reply["ce_time"] == datetime.fromisoformat(reply["ce_time"]).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert reply.get("ce_sagarowrun") == (None if row_run is None else str(row_run))
    assert (reply.get("ce_sagaseq") is not None) == (outcome == "IN_PROGRESS")
    assert reply["ce_type"] == CARRIED[outcome].name if outcome in CARRIED else reply.content is not None
    assert reply.content is not None  # its schema id is the one computed here


def check_command(command: Message, kind: str, step: str, run: int = 1) -> None:
    """Everything the page promises of a command."""
    saga = command["ce_correlationid"]
    assert uuid.UUID(saga).version == 7
    assert command.key == saga.encode()
    assert (command["ce_sagakind"], command["ce_sagastep"], command["ce_sagarun"]) == (kind, step, str(run))
    assert command["ce_subject"] == f"{saga}/{step}"
    incarnation, version, place = command["ce_id"].removeprefix(f"{saga}.").split(".")
    assert (incarnation, version) == (command["ce_sagaincarnation"], command["ce_sagaversion"])
    assert place.isdecimal()
    assert (command["ce_specversion"], command["content-type"], command["ce_sagaprotocol"]) == ("1.0", "application/avro", "1")
    assert command["ce_source"].startswith("/saga-coordinator/")
    assert len(command["ce_sagatoken"]) <= 128 and command["ce_sagatoken"].isascii()
    assert datetime.fromisoformat(command["ce_expirytime"]) > datetime.now(UTC)
    assert len(command["ce_sagadef"]) > 0
    assert command["ce_sagatenant"] == "default"


# --- the client -----------------------------------------------------------------------------------


@dataclass
class Raw:
    """A producer, and everything heard on some topics since we listen."""

    prefix: str
    producer: AIOKafkaProducer
    consumer: AIOKafkaConsumer
    heard: list[Message] = field(default_factory=list)
    said: set[str] = field(default_factory=set)
    """The `ce_id` of every message sent with a good one."""

    async def send(self, *messages: Message, partition: int | None = None) -> None:
        """All at once, in order within a partition."""
        self.said |= {value.decode() for m in messages for name, value in m.headers if name == "ce_id" and value.isascii()}
        sent = [
            await self.producer.send(m.topic, m.value, key=m.key, headers=list(m.headers), partition=partition) for m in messages
        ]
        await asyncio.gather(*sent)

    async def hear(self, wanted: Callable[[Message], bool], count: int = 1, limit_s: float = LIMIT_S) -> list[Message]:
        """The first `count` messages that are wanted, waited for."""
        async with asyncio.timeout(limit_s):
            while len(found := [m for m in self.heard if wanted(m)]) < count:
                got = await self.consumer.getone()
                self.heard.append(Message(got.topic, got.key, got.value, tuple(got.headers)))
        return found[:count]

    async def ask(self, command: Message) -> Message:
        """Send a command; its reply."""
        await self.send(command)
        return (await self.hear(lambda m: m.get("ce_causationid") == command["ce_id"]))[0]

    async def command(self, saga: str, kind: str, step: str, attempt: int = 1, run: int = 1) -> Message:
        """The command of that attempt, as the coordinator sends it."""
        wanted = (saga, kind, step, str(attempt), str(run))
        names = ("ce_correlationid", "ce_sagakind", "ce_sagastep", "ce_sagaattempt", "ce_sagarun")
        found = (await self.hear(lambda m: "saga.cmd." in m.topic and tuple(m[name] for name in names) == wanted))[0]
        check_command(found, kind, step, run)
        assert found.get("ce_causationid") in {None, *self.said}
        return found

    async def event(self, wanted: Callable[[Json], bool]) -> Json:
        found = await self.hear(lambda m: m.topic.endswith("saga.events") and wanted(m.content))
        return found[0].content


@asynccontextmanager
async def client(kafka: str, prefix: str, *topics: str) -> AsyncIterator[Raw]:
    """Listens to the topics from now on."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True, max_request_size=2_000_000)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False, fetch_max_wait_ms=100)
    await producer.start()
    await consumer.start()
    try:
        async with asyncio.timeout(LIMIT_S):
            while not {prefix + topic for topic in topics} <= await consumer.topics():  # noqa: ASYNC110 - somebody is about to
                await asyncio.sleep(0.1)
        places = [TopicPartition(prefix + topic, p) for topic in topics for p in await producer.partitions_for(prefix + topic)]
        consumer.assign(places)
        await consumer.seek_to_end()
        await asyncio.gather(*(consumer.position(place) for place in places))
        yield Raw(prefix, producer, consumer)
    finally:
        await consumer.stop()
        await producer.stop()


# --- forging commands to a real participant: one test for each cell of the barrier's table --------


@dataclass(frozen=True, slots=True)
class Ask:
    """One command of the one step of a saga."""

    kind: str
    run: int = 1
    how: str = "DONE"
    resumed: str = "DONE"
    lease_ms: int = 600_000
    incarnation: int = 1
    expires_s: float = 3600
    fenceable: bool = False

    def to(self, prefix: str, saga: str, attempt: int = 1) -> Message:
        schema: Schema = EMPTY
        value: Json = {}
        if self.kind == "action" and self.fenceable:
            schema, value = HOLD, {"room": "12"}
        elif self.kind == "action":
            schema, value = BOOK, {"room": "12", "how": self.how, "resumed": self.resumed, "lease_ms": self.lease_ms}
        elif self.kind == "compensation":
            schema, value = UNBOOK, {"how": self.how}
        headers = {
            "ce_id": f"{saga}.{self.incarnation}.{next(VERSIONS)}.0",
            "ce_source": "/raw-coordinator",
            "ce_subject": f"{saga}/room",
            "ce_correlationid": saga,
            "ce_causationid": uuid.uuid4(),
            "ce_expirytime": now(self.expires_s),
            "ce_sagakind": self.kind,
            "ce_sagastep": "room",
            "ce_sagarun": self.run,
            "ce_sagaattempt": attempt,
            "ce_sagaincarnation": self.incarnation,
            "ce_sagaversion": next(VERSIONS),
            "ce_sagatoken": f"opaque.{uuid.uuid4().hex}",
            "ce_sagadef": "0" * 64,
        }
        return message(f"{prefix}saga.cmd.booking", saga, schema, value, headers)


VERSIONS = itertools.count(1)


def act(run: int = 1, how: str = "DONE", **more: Any) -> Ask:
    return Ask("action", run, how, **more)


def undo(run: int = 1, how: str = "DONE", **more: Any) -> Ask:
    return Ask("compensation", run, how, **more)


def resolve(run: int = 1, **more: Any) -> Ask:
    return Ask("resolve", run, **more)


@dataclass(frozen=True, slots=True)
class Cell:
    """`given` makes the row, `asked` meets it."""

    name: str
    given: Sequence[Ask]
    asked: Ask
    outcome: str | None
    """None: no reply."""
    row: tuple[str, int] | None
    """State and run afterwards; None: no row."""
    effects: str = ""
    """All effects of the saga afterwards, in order: A1 an action of run 1, C2 a compensation of run
    2."""
    remembered: int | None = None
    """The value is the one that `given[remembered]` was answered with."""
    row_run: int | None = None
    incarnation: int = 1
    undo_requested: int | None = None


DONE, REJECTED, LATER = (act(),), (act(how="REJECT"),), (act(how="LATER"),)
DONE_2, REJECTED_2, LATER_2 = (act(2),), (act(2, "REJECT"),), (act(2, "LATER"),)
FENCED, UNDONE = (resolve(),), (act(), undo())
FENCED_2, UNDONE_2 = (resolve(2),), (act(2), undo(2))
HELD = (act(fenceable=True),)
OVER, OVER_NO = (act(how="LATER", lease_ms=0),), (act(how="LATER", lease_ms=0, resumed="REJECT"),)
OVER_FAIL, OVER_LATER = (
    (act(how="LATER", lease_ms=0, resumed="FAIL"),),
    (act(how="LATER", lease_ms=0, resumed="LATER"),),
)
NEWER = (act(incarnation=2),)

CELLS = (
    # its incarnation is newer
    Cell("newer incarnation, action", NEWER, act(), None, ("DONE", 1), "A1", incarnation=2),
    Cell("newer incarnation, compensation", NEWER, undo(), None, ("DONE", 1), "A1", incarnation=2),
    Cell("newer incarnation, RESOLVE", NEWER, resolve(), None, ("DONE", 1), "A1", incarnation=2),
    Cell("newer incarnation, even of a newer run", NEWER, undo(2), None, ("DONE", 1), "A1", incarnation=2),
    # absent, and the command has expired
    Cell("absent and expired, action", (), act(expires_s=-1), "EXPIRED", None),
    Cell("absent and expired, compensation", (), undo(expires_s=-1), "EXPIRED", None),
    Cell("absent and expired, RESOLVE", (), resolve(expires_s=-1), "EXPIRED", None),
    Cell("expired but not absent, action", DONE, act(expires_s=-1), "SUCCEEDED", ("DONE", 1), "A1", remembered=0),
    Cell("expired but not absent, compensation", DONE, undo(expires_s=-1), "UNDONE", ("UNDONE", 1), "A1 C1"),
    Cell("expired but not absent, RESOLVE", DONE, resolve(expires_s=-1), "SUCCEEDED", ("DONE", 1), "A1", remembered=0),
    # absent
    Cell("absent, action is done", (), act(), "SUCCEEDED", ("DONE", 1), "A1"),
    Cell("absent, action is rejected and its work rolled back", (), act(how="REJECT"), "REJECTED", ("REJECTED", 1)),
    Cell("absent, action is accepted", (), act(how="LATER"), "IN_PROGRESS", ("ACCEPTED", 1)),
    Cell("absent, a technical failure leaves no row", (), act(how="FAIL"), "FAILED", None),
    Cell("absent, after a technical failure it runs", (act(how="FAIL"),), act(), "SUCCEEDED", ("DONE", 1), "A1"),
    Cell("absent, compensation", (), undo(), "NOTHING_TO_UNDO", ("FENCED", 1)),
    Cell("absent, RESOLVE", (), resolve(), "FENCED", ("FENCED", 1)),
    # ACCEPTED, r >= row's run
    Cell("ACCEPTED, action", LATER, act(how="LATER"), "IN_PROGRESS", ("ACCEPTED", 1), remembered=0),
    Cell("ACCEPTED, action of a newer run", LATER, act(2, "LATER"), "IN_PROGRESS", ("ACCEPTED", 1), remembered=0),
    Cell("ACCEPTED, compensation", LATER, undo(), "IN_PROGRESS", ("ACCEPTED", 1), undo_requested=1),
    Cell("ACCEPTED, compensation of a newer run", LATER, undo(2), "IN_PROGRESS", ("ACCEPTED", 1), undo_requested=2),
    Cell("ACCEPTED, RESOLVE", LATER, resolve(), "IN_PROGRESS", ("ACCEPTED", 1), remembered=0),
    Cell("ACCEPTED, RESOLVE when the handler allows a fence", HELD, resolve(), "FENCED", ("FENCED", 1)),
    Cell("ACCEPTED and its lease is over, action: done", OVER, act(how="REJECT"), "SUCCEEDED", ("DONE", 1), "A1"),
    Cell("ACCEPTED and its lease is over, action: rejected", OVER_NO, act(), "REJECTED", ("REJECTED", 1)),
    Cell("ACCEPTED and its lease is over, action: accepted again", OVER_LATER, act(), "IN_PROGRESS", ("ACCEPTED", 1)),
    Cell("ACCEPTED and its lease is over, action: a failure", OVER_FAIL, act(), "FAILED", ("ACCEPTED", 1)),
    Cell("ACCEPTED and its lease is over, compensation: undone at once", OVER, undo(), "UNDONE", ("UNDONE", 1), "A1 C1"),
    Cell("ACCEPTED and its lease is over, compensation: it ends rejected", OVER_NO, undo(), "NOTHING_TO_UNDO", ("FENCED", 1)),
    Cell("ACCEPTED and its lease is over, RESOLVE: done", OVER, resolve(), "SUCCEEDED", ("DONE", 1), "A1"),
    Cell("ACCEPTED and its lease is over, RESOLVE: rejected", OVER_NO, resolve(), "REJECTED", ("REJECTED", 1)),
    # ACCEPTED, r < row's run
    Cell("ACCEPTED of a newer run, action", LATER_2, act(), "IN_PROGRESS", ("ACCEPTED", 2), remembered=0),
    Cell("ACCEPTED of a newer run, compensation notes no wish", LATER_2, undo(), "IN_PROGRESS", ("ACCEPTED", 2)),
    Cell("ACCEPTED of a newer run, RESOLVE", LATER_2, resolve(), "IN_PROGRESS", ("ACCEPTED", 2), remembered=0),
    # DONE, r >= row's run
    Cell("DONE, action", DONE, act(), "SUCCEEDED", ("DONE", 1), "A1", remembered=0),
    Cell("DONE, action of a newer run", DONE, act(2), "SUCCEEDED", ("DONE", 2), "A1", remembered=0),
    Cell("DONE, compensation", DONE, undo(), "UNDONE", ("UNDONE", 1), "A1 C1"),
    Cell("DONE, compensation of a newer run", DONE, undo(2), "UNDONE", ("UNDONE", 2), "A1 C2"),
    Cell("DONE, a compensation that fails leaves it done", DONE, undo(how="FAIL"), "FAILED", ("DONE", 1), "A1"),
    Cell("DONE, a compensation that is rejected leaves it done", DONE, undo(how="REJECT"), "REJECTED", ("DONE", 1), "A1"),
    Cell("DONE, RESOLVE", DONE, resolve(), "SUCCEEDED", ("DONE", 1), "A1", remembered=0),
    Cell("DONE, RESOLVE of a newer run", DONE, resolve(2), "SUCCEEDED", ("DONE", 2), "A1", remembered=0),
    # DONE, r < row's run
    Cell("DONE in a newer run, action", DONE_2, act(), "SUCCEEDED", ("DONE", 2), "A2", remembered=0, row_run=2),
    Cell("DONE in a newer run, compensation does not undo", DONE_2, undo(), "SUCCEEDED", ("DONE", 2), "A2", row_run=2),
    Cell("DONE in a newer run, RESOLVE", DONE_2, resolve(), "SUCCEEDED", ("DONE", 2), "A2", remembered=0, row_run=2),
    # REJECTED, r <= row's run
    Cell("REJECTED, action", REJECTED, act(), "REJECTED", ("REJECTED", 1), remembered=0),
    Cell("REJECTED, compensation", REJECTED, undo(), "NOTHING_TO_UNDO", ("FENCED", 1)),
    Cell("REJECTED, RESOLVE", REJECTED, resolve(), "REJECTED", ("REJECTED", 1), remembered=0),
    Cell("REJECTED in a newer run, action", REJECTED_2, act(), "REJECTED", ("REJECTED", 2), remembered=0),
    Cell("REJECTED in a newer run, compensation", REJECTED_2, undo(), "NOTHING_TO_UNDO", ("REJECTED", 2)),
    Cell("REJECTED in a newer run, RESOLVE", REJECTED_2, resolve(), "REJECTED", ("REJECTED", 2), remembered=0),
    # REJECTED, r > row's run
    Cell("REJECTED, action of a newer run is run", REJECTED, act(2), "SUCCEEDED", ("DONE", 2), "A2"),
    Cell("REJECTED, compensation of a newer run", REJECTED, undo(2), "NOTHING_TO_UNDO", ("FENCED", 2)),
    Cell("REJECTED, RESOLVE of a newer run", REJECTED, resolve(2), "FENCED", ("FENCED", 2)),
    # FENCED or UNDONE, r <= row's run
    Cell("FENCED, action", FENCED, act(), "FENCED", ("FENCED", 1)),
    Cell("FENCED, compensation", FENCED, undo(), "NOTHING_TO_UNDO", ("FENCED", 1)),
    Cell("FENCED, RESOLVE", FENCED, resolve(), "FENCED", ("FENCED", 1)),
    Cell("UNDONE, action", UNDONE, act(), "FENCED", ("UNDONE", 1), "A1 C1"),
    Cell("UNDONE, compensation", UNDONE, undo(), "UNDONE", ("UNDONE", 1), "A1 C1", remembered=1),
    Cell("UNDONE, RESOLVE", UNDONE, resolve(), "FENCED", ("UNDONE", 1), "A1 C1"),
    Cell("FENCED up to a newer run, action", FENCED_2, act(), "FENCED", ("FENCED", 2)),
    Cell("FENCED up to a newer run, compensation", FENCED_2, undo(), "NOTHING_TO_UNDO", ("FENCED", 2)),
    Cell("FENCED up to a newer run, RESOLVE", FENCED_2, resolve(), "FENCED", ("FENCED", 2)),
    Cell("UNDONE up to a newer run, action", UNDONE_2, act(), "FENCED", ("UNDONE", 2), "A2 C2"),
    Cell("UNDONE up to a newer run, compensation", UNDONE_2, undo(), "UNDONE", ("UNDONE", 2), "A2 C2", remembered=1),
    Cell("UNDONE up to a newer run, RESOLVE", UNDONE_2, resolve(), "FENCED", ("UNDONE", 2), "A2 C2"),
    # FENCED or UNDONE, r > row's run
    Cell("FENCED, action of a newer run is run", FENCED, act(2), "SUCCEEDED", ("DONE", 2), "A2"),
    Cell("FENCED, action of a newer run fails: the fence stays", FENCED, act(2, "FAIL"), "FAILED", ("FENCED", 1)),
    Cell("FENCED, compensation of a newer run", FENCED, undo(2), "NOTHING_TO_UNDO", ("FENCED", 2)),
    Cell("FENCED, RESOLVE of a newer run", FENCED, resolve(2), "FENCED", ("FENCED", 2)),
    Cell("UNDONE, action of a newer run is run", UNDONE, act(2), "SUCCEEDED", ("DONE", 2), "A1 C1 A2"),
    Cell("UNDONE, compensation of a newer run", UNDONE, undo(2), "UNDONE", ("UNDONE", 2), "A1 C1", remembered=1),
    Cell("UNDONE, RESOLVE of a newer run", UNDONE, resolve(2), "FENCED", ("UNDONE", 2), "A1 C1"),
    # every command that gets past the first line raises the row's incarnation
    Cell("a newer incarnation is kept", DONE, act(incarnation=3), "SUCCEEDED", ("DONE", 1), "A1", remembered=0, incarnation=3),
)


@pytest.fixture
async def forger(participants: Any) -> AsyncIterator[Raw]:
    async with client(participants.kafka, participants.prefix, "saga.reply.booking", "saga.dlq.booking") as raw:
        yield raw


async def row_of(participants: Any, saga: str) -> Json | None:
    sql = "SELECT state, run, incarnation, tenant, undo_requested, xmin::text AS tx FROM saga_barrier WHERE saga_id = $1 AND step = $2"
    rows = await participants.database.rows(sql, uuid.UUID(saga), "room")
    return rows[0] if rows else None


async def effects_of(participants: Any, saga: str) -> list[Json]:
    sql = "SELECT kind, run, tx FROM effect_ledger WHERE saga_id = $1 ORDER BY at"
    rows: list[Json] = await participants.database.rows(sql, uuid.UUID(saga))
    return rows


def shown(effects: Sequence[Json]) -> str:
    return " ".join(f"{effect['kind'][0].upper()}{effect['run']}" for effect in effects)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
async def test_the_barrier_does_what_its_table_says(cell: Cell, participants: Any, forger: Raw) -> None:
    saga = uuid7()
    first = [await forger.ask(ask.to(forger.prefix, saga)) for ask in cell.given]
    before = await effects_of(participants, saga)
    command = cell.asked.to(forger.prefix, saga, attempt=3)
    if cell.outcome is None:
        # Behind it on the same key, so answered after it: what is refused has no reply.
        marker = resolve(incarnation=cell.incarnation).to(forger.prefix, saga)
        await forger.send(command, marker)
        await forger.hear(lambda m: m.get("ce_causationid") == marker["ce_id"])
        assert not [m for m in forger.heard if m.get("ce_causationid") == command["ce_id"]]
    else:
        reply = await forger.ask(command)
        check_answer(command, reply, cell.outcome, cell.row_run)
        if cell.remembered is not None:
            assert reply.value == first[cell.remembered].value
        if cell.outcome == "SUCCEEDED":
            assert reply["ce_type"] == ("saga.v1.Empty" if cell.asked.kind == "compensation" else "booking.Booked")
    row, effects = await row_of(participants, saga), await effects_of(participants, saga)
    assert shown(effects) == cell.effects
    if cell.row is None:
        assert row is None
        return
    assert row is not None
    assert (row["state"], row["run"], row["undo_requested"]) == (*cell.row, cell.undo_requested)
    assert (row["incarnation"], row["tenant"]) == (cell.incarnation, "default")
    for effect in effects[len(before) :]:
        assert effect["tx"] == row["tx"], "effect and row are of one transaction"


async def test_a_failure_says_its_code_and_when_to_come_back(participants: Any, forger: Raw) -> None:
    reply = await forger.ask(act(how="FAIL").to(forger.prefix, uuid7()))
    assert reply.content == {"code": "hotel_down", "message": "the hotel does not answer", "retry_after_ms": 1500}


async def test_a_no_says_its_code(participants: Any, forger: Raw) -> None:
    reply = await forger.ask(act(how="REJECT").to(forger.prefix, uuid7()))
    assert (reply.content["code"], reply.content["retry_after_ms"]) == ("no_room", None)


async def test_progress_is_numbered_anew_only_when_there_is_news(participants: Any, forger: Raw) -> None:
    saga = uuid7()
    replies = [await forger.ask(ask.to(forger.prefix, saga)) for ask in (*OVER_LATER, act(), act())]
    first, again, third = (int(reply["ce_sagaseq"]) for reply in replies)
    assert first < again < third, "each call of the handler is news: its lease was over every time"
    saga = uuid7()
    replies = [await forger.ask(ask.to(forger.prefix, saga)) for ask in (*LATER, act(), resolve())]
    assert len({reply["ce_sagaseq"] for reply in replies}) == 1
    assert replies[0].content == {"note": "the hotel is closed"}


async def decide(participants: Any, saga: str, how: str, run: int = 1) -> str:
    """Let accepted work end; whether its answer was taken."""
    ref = f"{saga}/room/{run}"
    await participants.database.rows("INSERT INTO decision (ref, how) VALUES ($1, $2)", ref, how)
    async with asyncio.timeout(LIMIT_S):
        sql = "SELECT taken FROM decision WHERE ref = $1"
        while not (found := await participants.database.rows(sql, ref))[0]["taken"]:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.05)
    return str(found[0]["taken"])


@pytest.mark.parametrize(
    ("how", "outcome", "row", "effects"),
    [("DONE", "SUCCEEDED", "DONE", "A1"), ("REJECT", "REJECTED", "REJECTED", "")],
    ids=["done", "rejected"],
)
async def test_accepted_work_is_answered_when_it_ends(
    how: str, outcome: str, row: str, effects: str, participants: Any, forger: Raw
) -> None:
    saga = uuid7()
    command = act(how="LATER").to(forger.prefix, saga)
    await forger.ask(command)
    assert await decide(participants, saga, how) == "given"
    reply = (await forger.hear(lambda m: m.get("ce_causationid") == command["ce_id"], count=2))[1]
    check_answer(command, reply, outcome)
    assert (await row_of(participants, saga) or {})["state"] == row
    assert shown(await effects_of(participants, saga)) == effects
    again = act().to(forger.prefix, saga, attempt=2)
    check_answer(again, answer := await forger.ask(again), outcome)
    assert answer.value == reply.value, "the row is the memory"


@pytest.mark.parametrize(
    ("how", "outcome", "row", "effects"),
    [("DONE", "UNDONE", "UNDONE", "A1 C1"), ("REJECT", "NOTHING_TO_UNDO", "FENCED", "")],
    ids=["done", "rejected"],
)
async def test_the_end_of_accepted_work_undoes_in_the_same_transaction_when_that_was_wished(
    how: str, outcome: str, row: str, effects: str, participants: Any, forger: Raw
) -> None:
    saga = uuid7()
    await forger.ask(act(how="LATER").to(forger.prefix, saga))
    command = undo().to(forger.prefix, saga)
    check_answer(command, await forger.ask(command), "IN_PROGRESS")
    assert await decide(participants, saga, how) == "given"
    reply = (await forger.hear(lambda m: m.get("ce_causationid") == command["ce_id"], count=2))[1]
    check_answer(command, reply, outcome)
    found, ledger = await row_of(participants, saga), await effects_of(participants, saga)
    assert found is not None
    assert (found["state"], found["undo_requested"]) == (row, None)
    assert shown(ledger) == effects
    assert {effect["tx"] for effect in ledger} <= {found["tx"]}, "one transaction"


@pytest.mark.parametrize(
    ("between", "run", "state"),
    [((act(fenceable=True), resolve()), 1, "FENCED"), ((act(fenceable=True), resolve(), act(2, fenceable=True)), 1, "ACCEPTED")],
    ids=["a fence", "a newer run"],
)
async def test_an_answer_given_later_loses(between: Sequence[Ask], run: int, state: str, participants: Any, forger: Raw) -> None:
    saga = uuid7()
    for ask in between:
        await forger.ask(ask.to(forger.prefix, saga))
    assert await decide(participants, saga, "DONE", run) == "refused"
    assert (await row_of(participants, saga) or {})["state"] == state
    assert not await effects_of(participants, saga)


async def test_one_command_on_two_partitions_at_once_has_one_effect_200_times(participants: Any, forger: Raw) -> None:
    one, other = await partitions_of_two_processes(forger)
    for ask, name, effects in ((act(), "SUCCEEDED", "A1"), (undo(), "UNDONE", "A1 C1")):
        if ask.kind == "action":
            sagas = [uuid7() for _ in range(200)]
        commands = [ask.to(forger.prefix, saga) for saga in sagas]
        await asyncio.gather(*(forger.send(*commands, partition=partition) for partition in (one, other)))
        ids = {command["ce_id"] for command in commands}
        by_saga: dict[str, list[Message]] = {}
        for reply in await forger.hear(answers_one_of(ids), count=400):
            by_saga.setdefault(reply["ce_correlationid"], []).append(reply)
        for command in commands:
            replies = by_saga[command["ce_correlationid"]]
            assert len(replies) == 2
            assert {reply["ce_sagaoutcome"] for reply in replies} == {name}
            assert len({reply.value for reply in replies}) == 1, "both tell of the same effect"
            assert len({reply["ce_source"] for reply in replies}) == 2, "each of the two processes answered"
        ledger = await participants.database.rows(
            "SELECT saga_id::text AS saga, string_agg(upper(left(kind, 1)) || run, ' ' ORDER BY at) AS effects "
            "FROM effect_ledger WHERE saga_id = ANY($1::uuid[]) GROUP BY saga_id",
            [uuid.UUID(saga) for saga in sagas],
        )
        assert {row["saga"]: row["effects"] for row in ledger} == dict.fromkeys(sagas, effects)


async def partitions_of_two_processes(forger: Raw) -> tuple[int, int]:
    """Two partitions that different processes read now: each says who it is in `ce_source`."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            probes = [resolve().to(forger.prefix, uuid7()) for _ in range(6)]
            for partition, probe in enumerate(probes):
                await forger.send(probe, partition=partition)
            ids = [probe["ce_id"] for probe in probes]
            replies = await forger.hear(answers_one_of(ids), count=6)
            readers = {ids.index(reply["ce_causationid"]): reply["ce_source"] for reply in replies}
            other = [partition for partition, reader in readers.items() if reader != readers[0]]
            if other:
                return 0, other[0]
            await asyncio.sleep(0.3)


# --- commands that are not right, to a real participant -------------------------------------------

Spoil = Callable[[Message], Message]


def twice(name: str) -> Spoil:
    return lambda m: replace(m, headers=(*m.headers, (name, m[name].encode())))


def valued(change: Callable[[bytes], bytes | None]) -> Spoil:
    return lambda m: replace(m, value=change(m.value or b""))


def keyed(key: bytes | None) -> Spoil:
    return lambda m: replace(m, key=key)


def said(**headers: str | bytes | None) -> Spoil:
    return lambda m: m.but(**headers)


def of_another_schema(framed: bytes) -> bytes:
    return b"\0\x80\0\0\1" + framed[5:]


UNREADABLE: dict[str, tuple[Spoil, str]] = {
    "no saga id": (said(ce_correlationid=None), "header_missing"),
    "no kind": (said(ce_sagakind=None), "header_missing"),
    "a saga id that is no UUIDv7": (said(ce_correlationid=str(uuid.UUID(int=4, version=4))), "header_invalid"),
    "a saga id in capitals": (said(ce_correlationid=uuid7().upper()), "header_invalid"),
    "a run with a sign": (said(ce_sagarun="+1"), "header_invalid"),
    "a run beyond 32 bits": (said(ce_sagarun=str(2**31)), "header_invalid"),
    "a step that is no name": (said(ce_sagastep="../room"), "header_invalid"),
    "a header that is not UTF-8": (said(ce_sagatenant=b"\xff\xfe"), "header_invalid"),
    "a header with bidirectional marks": (said(ce_source="raw\u202e"), "header_invalid"),
    "a time that is none": (said(ce_expirytime="tomorrow"), "header_invalid"),
    "another CloudEvents version": (said(ce_specversion="0.3"), "header_invalid"),
    "another content type": (said(content_type="application/json"), "header_invalid"),
    "a subject of another step": (said(ce_subject=f"{uuid7()}/room"), "header_invalid"),
    "a token that is too long": (said(ce_sagatoken="t" * 129), "header_invalid"),
    "a header twice": (twice("ce_sagarun"), "header_duplicate"),
    "a header that is too long": (said(ce_source="s" * 5000), "too_large"),
    "too many headers": (lambda m: replace(m, headers=m.headers + (("x", b""),) * 60), "too_large"),
    "a value that is too large": (valued(lambda v: v + b"x" * 300_000), "too_large"),
}
UNSERVED: dict[str, Spoil] = {
    "another protocol": said(ce_sagaprotocol="2"),
    "another protocol, and what we cannot know of it": said(ce_sagaprotocol="9", ce_expirytime=None, ce_sagadef=None),
    "an unknown kind": said(ce_sagakind="audit"),
    "another saga's key": keyed(uuid7().encode()),
    "no key": keyed(None),
    "a key that is not text": keyed(b"\xff"),
    "null": valued(lambda v: None),
    "nothing": valued(lambda v: b""),
    "wrong magic": valued(lambda v: b"\1" + v[1:]),
    "bytes behind": valued(lambda v: v + b"\0"),
    "an over-long varint": valued(lambda v: v[:5] + b"\x84" + b"\x80" * 9 + b"\0" + v[6:]),
    "a negative length": valued(lambda v: v[:5] + b"\1" + v[6:]),
    "an enum index beyond its symbols": valued(lambda v: v[:8] + b"\x20" + v[9:]),
    "a negative enum index": valued(lambda v: v[:8] + b"\1" + v[9:]),
    "text that is not UTF-8": valued(lambda v: v[:6] + b"\xff\xff" + v[8:]),
    "a record that nobody handles": lambda m: replace(m, value=ORDER.encode(dict(ORDER_1))).but(ce_type="trip.Order"),
    "a record other than it says": said(ce_type="booking.Hold"),
    "a compensation as an action": lambda m: replace(m, value=UNBOOK.encode({"how": "DONE"})).but(ce_type="booking.Unbook"),
    "a RESOLVE with a payload": said(ce_sagakind="resolve"),
}


async def test_commands_with_unreadable_headers_become_dead_letters_and_the_process_goes_on(
    participants: Any, forger: Raw
) -> None:
    sagas = {name: uuid7() for name in UNREADABLE}
    for name, (spoil, _) in UNREADABLE.items():
        bad = spoil(act().to(forger.prefix, sagas[name]).but(x_mark=name))
        await forger.send(bad, partition=1)
    good = act().to(forger.prefix, uuid7())
    await forger.send(good, partition=1)
    letters = await forger.hear(lambda m: m.topic.endswith("saga.dlq.booking"), count=len(UNREADABLE))
    check_answer(good, (await forger.hear(lambda m: m.get("ce_causationid") == good["ce_id"]))[0], "SUCCEEDED")
    assert {m["x_mark"]: m["saga_dlq_reason"] for m in letters} == {name: reason for name, (_, reason) in UNREADABLE.items()}
    assert {(m["saga_dlq_topic"], m["saga_dlq_partition"]) for m in letters} == {(f"{forger.prefix}saga.cmd.booking", "1")}
    offsets = sorted(int(m["saga_dlq_offset"]) for m in letters)
    assert offsets == list(range(offsets[0], offsets[0] + len(UNREADABLE)))
    for name, saga in sagas.items():
        assert await row_of(participants, saga) is None, name


async def test_commands_that_can_be_answered_but_not_served_are_answered_unsupported(participants: Any, forger: Raw) -> None:
    for name, spoil in UNSERVED.items():
        saga = uuid7()
        bad = spoil(act().to(forger.prefix, saga))
        await forger.send(bad, partition=2)
        reply = (await forger.hear(answers_one_of([bad["ce_id"]])))[0]
        assert reply["ce_sagaoutcome"] == "UNSUPPORTED", name
        check_answer(bad, reply, "UNSUPPORTED")
        assert await row_of(participants, saga) is None, name
    good = act().to(forger.prefix, uuid7())
    check_answer(good, await forger.ask(good), "SUCCEEDED")


async def test_a_command_in_an_unknown_schema_is_asked_again_and_leaves_no_row(participants: Any, forger: Raw) -> None:
    saga = uuid7()
    bad = valued(of_another_schema)(act().to(forger.prefix, saga))
    await forger.send(bad)
    reply = (await forger.hear(lambda m: m.get("ce_causationid") == bad["ce_id"]))[0]
    check_answer(bad, reply, "FAILED")
    assert reply.value is not None
    assert FAILURE.decode(reply.value)["code"] == "unknown_schema"
    assert await row_of(participants, saga) is None


async def test_a_command_cut_or_flipped_anywhere_is_answered_and_never_kills(participants: Any, forger: Raw) -> None:
    value = act().to(forger.prefix, uuid7()).value or b""
    cut = [value[:length] for length in range(len(value))]
    flipped = [value[: n // 8] + bytes([value[n // 8] ^ 1 << n % 8]) + value[n // 8 + 1 :] for n in range(len(value) * 8)]
    commands = [replace(act().to(forger.prefix, uuid7()), value=spoiled) for spoiled in (*cut, *flipped)]
    await forger.send(*commands)
    ids = {command["ce_id"]: command for command in commands}
    replies = await forger.hear(lambda m: m.get("ce_causationid") in ids, count=len(commands))
    outcomes = {reply["ce_causationid"]: reply["ce_sagaoutcome"] for reply in replies}
    assert len(outcomes) == len(commands)
    framing = [outcomes[command["ce_id"]] for command in commands[: len(cut) + 8]]
    assert set(framing) == {"UNSUPPORTED"}, "what is cut, or not framed, is never run"
    schema_ids = [outcomes[command["ce_id"]] for command in commands[len(cut) + 8 : len(cut) + 40]]
    assert set(schema_ids) == {"FAILED"}, "what is of another schema id is never run, and asked again"


async def test_a_schema_id_may_stand_in_a_header(participants: Any, forger: Raw) -> None:
    command = act().to(forger.prefix, uuid7())
    value = command.value or b""
    command = replace(command, value=value[5:], headers=(*command.headers, ("__value_schema_id", value[:5])))
    check_answer(command, await forger.ask(command), "SUCCEEDED")


async def test_an_unknown_header_is_ignored_and_a_malformed_trace_context_refuses_nothing(participants: Any, forger: Raw) -> None:
    command = act().to(forger.prefix, uuid7()).but(x_unknown=b"\xff", traceparent="00-nonsense", ce_traceparent=b"\xff")
    check_answer(command, await forger.ask(twice("x_unknown_too")(command.but(x_unknown_too="1"))), "SUCCEEDED")


# --- playing the participants of a real coordinator -----------------------------------------------


@pytest.fixture(scope="module")
def trips(coordinator: Any) -> Any:
    """The coordinator with the definition `trip` active."""
    schemas = (ORDER, ROOM_BOOKED, BOOK_ROOM, CANCEL_ROOM, PAY, SEND_LETTER)
    coordinator.register(TRIP, [schema.document for schema in schemas])
    return coordinator


@pytest.fixture
async def desk(trips: Any) -> AsyncIterator[Raw]:
    """Where the commands for all participants of `trip` arrive."""
    topics = ("saga.cmd.rooms", "saga.cmd.bank", "saga.events", "saga.dlq.replies", "saga.dlq.starts")
    async with client(trips.kafka, trips.prefix, *topics) as raw:
        yield raw


def answers_one_of(ids: Collection[str]) -> Callable[[Message], bool]:
    """Whether a message is an answer to one of these commands."""
    return lambda message: message.get("ce_causationid") in ids


def start_of(desk: Raw, trip: str, **more: object) -> Message:
    headers = {"ce_id": str(uuid.uuid4()), "ce_source": "/raw", "ce_sagadefinition": "trip"}
    return message(f"{desk.prefix}saga.start", trip, ORDER, ORDER_1 | {"trip_id": trip}, headers | more)


async def begin(desk: Raw) -> str:
    """Start a saga; its id, as `saga.events` tells it."""
    start = start_of(desk, f"t-{uuid.uuid4().hex[:12]}")
    await desk.send(start)
    assert start.key is not None
    return await started(desk, start.key.decode())


async def started(desk: Raw, trip: str) -> str:
    event = await desk.event(lambda e: (e["event"], e["business_key"]) == ("started", trip))
    return str(event["saga_id"])


async def booked(desk: Raw, saga: str) -> Message:
    """Answer the first step; its command."""
    command = await desk.command(saga, "action", "room")
    await desk.send(reply_to(command, "SUCCEEDED", ROOM_BOOKED, {"booking": "b-1"}))
    return command


async def ended(desk: Raw, saga: str) -> tuple[str, list[str]]:
    """The final phase, and all events in their order."""
    last = await desk.event(lambda e: (e["event"], str(e["saga_id"])) == ("finished", saga))
    mine = [m for m in desk.heard if m.topic.endswith("saga.events") and m["ce_correlationid"] == saga]
    numbers = [int(m["ce_sequence"]) for m in mine]
    assert numbers == sorted(set(numbers)) == [m.content["sequence"] for m in mine]
    assert {m.key for m in mine} == {saga.encode()}
    return last["phase"], [m.content["event"] for m in mine]


async def test_a_saga_started_on_kafka_is_played_to_its_end(desk: Raw) -> None:
    start = start_of(desk, f"t-{uuid.uuid4().hex[:12]}")
    await desk.send(start, start)
    saga = await started(desk, (start.key or b"").decode())
    room = await desk.command(saga, "action", "room")
    assert (room.content, room["ce_causationid"]) == ({"room": "12"}, start["ce_id"])
    done = reply_to(room, "SUCCEEDED", ROOM_BOOKED, {"booking": "b-1"})
    await desk.send(done)
    pay = await desk.command(saga, "action", "pay")
    assert pay["ce_causationid"] == done["ce_id"]
    assert pay.content == {"amount": 7}
    assert pay["ce_sagatoken"] != room["ce_sagatoken"]
    await desk.send(reply_to(pay, "SUCCEEDED"))
    letter = await desk.command(saga, "action", "letter")
    assert int(room["ce_sagaversion"]) < int(pay["ce_sagaversion"]) < int(letter["ce_sagaversion"])
    await desk.send(reply_to(letter, "SUCCEEDED"))
    assert await ended(desk, saga) == ("COMPLETED", ["started", "finished"])
    key = (start.key or b"").decode()
    events = [m for m in desk.heard if m.topic.endswith("saga.events") and m.content["business_key"] == key]
    assert {m["ce_correlationid"] for m in events} == {saga}, "the same start twice is one saga"


async def test_the_token_is_made_as_the_page_says(trips: Any, desk: Raw) -> None:
    saga = await begin(desk)
    command = await desk.command(saga, "action", "room")
    assert command["ce_sagatoken"] == token(trips.token_keys, saga, "room", "action", 1)


async def test_a_start_without_a_key_and_with_its_schema_id_in_a_header_is_a_start(desk: Raw) -> None:
    trip = f"t-{uuid.uuid4().hex[:12]}"
    start = replace(start_of(desk, trip, ce_sagadefinition="trip@1"), key=None, value=ORDER.bare(ORDER_1 | {"trip_id": trip}))
    await desk.send(replace(start, headers=(*start.headers, ("__value_schema_id", ORDER.framing))))
    await desk.command(await started(desk, trip), "action", "room")


async def test_failed_is_asked_again_not_before_it_wishes(desk: Raw) -> None:
    saga = await begin(desk)
    first = await desk.command(saga, "action", "room")
    failure = {"code": "busy", "message": "", "retry_after_ms": 700}
    began = time.monotonic()
    await desk.send(reply_to(first, "FAILED", FAILURE, failure))
    second = await desk.command(saga, "action", "room", attempt=2)
    assert time.monotonic() - began >= 0.7
    same = ("ce_sagarun", "ce_sagatoken", "ce_subject", "ce_type")
    assert [second[name] for name in same] == [first[name] for name in same]
    assert second.value == first.value
    assert second["ce_id"] != first["ce_id"]
    assert second.get("ce_causationid") is None, "a timer caused it"
    # A failure of the attempt before is no news.
    await desk.send(reply_to(first, "FAILED", FAILURE, failure), reply_to(second, "SUCCEEDED", ROOM_BOOKED, {"booking": "b"}))
    await desk.command(saga, "action", "pay")
    assert not [m for m in desk.heard if m.get("ce_sagaattempt") == "3"]


async def test_work_in_progress_is_answered_later(desk: Raw) -> None:
    saga = await begin(desk)
    room = await desk.command(saga, "action", "room")
    await desk.send(*(reply_to(room, "IN_PROGRESS", PROGRESS, {"note": "asking"}, ce_sagaseq=n) for n in (1, 2, 1)))
    await desk.send(reply_to(room, "SUCCEEDED", ROOM_BOOKED, {"booking": "b-1"}))
    await desk.command(saga, "action", "pay")


async def test_a_no_is_undone_step_by_step(desk: Raw) -> None:
    saga = await begin(desk)
    await booked(desk, saga)
    pay = await desk.command(saga, "action", "pay")
    await desk.send(reply_to(pay, "REJECTED", FAILURE, {"code": "poor", "message": "no money", "retry_after_ms": None}))
    cancel = await desk.command(saga, "compensation", "room")
    assert cancel.content == {"booking": "b-1"}, "the stored reply of the action"
    await desk.send(reply_to(cancel, "FAILED", FAILURE, {"code": "busy", "message": "", "retry_after_ms": None}))
    cancel = await desk.command(saga, "compensation", "room", attempt=2)
    await desk.send(reply_to(cancel, "UNDONE"))
    assert await ended(desk, saga) == ("COMPENSATED", ["started", "compensating", "finished"])


@pytest.mark.parametrize("outcome", ["NOTHING_TO_UNDO", "UNDONE"])
async def test_the_compensation_of_a_newer_run_is_asked_for_that_run(outcome: str, desk: Raw) -> None:
    saga = await begin(desk)
    await booked(desk, saga)
    pay = await desk.command(saga, "action", "pay")
    await desk.send(reply_to(pay, "REJECTED", FAILURE, {"code": "poor", "message": "", "retry_after_ms": None}))
    cancel = await desk.command(saga, "compensation", "room")
    if outcome == "UNDONE":
        await desk.send(reply_to(cancel, "SUCCEEDED", ce_sagarowrun=2))
        cancel = await desk.command(saga, "compensation", "room", run=2)
        await desk.send(reply_to(cancel, "UNDONE"))
        assert (await ended(desk, saga))[0] == "COMPENSATED"
    else:  # a row that says SUCCEEDED and NOTHING_TO_UNDO of one run has been tampered with
        await desk.send(reply_to(cancel, "NOTHING_TO_UNDO"))
        event = await desk.event(lambda e: (e["event"], str(e["saga_id"])) == ("attention", saga))
        assert (event["step"], event["reason"]) == ("room", "conflict")


@pytest.mark.parametrize(("outcome", "phase"), [("FENCED", "COMPENSATED"), ("SUCCEEDED", "COMPLETED")])
async def test_a_cancel_while_the_pivot_is_open_asks_what_became_of_it(outcome: str, phase: str, trips: Any, desk: Raw) -> None:
    saga = await begin(desk)
    await booked(desk, saga)
    await desk.command(saga, "action", "pay")
    status, said = trips.request("POST", f"/v1/sagas/{saga}/cancel", {"reason": "the guest stays at home"})
    assert status == 202, said
    asked = await desk.command(saga, "resolve", "pay")
    assert (asked["ce_type"], asked.content) == ("saga.v1.Empty", {"padding": 0})
    await desk.send(reply_to(asked, outcome))
    if outcome == "FENCED":
        await desk.send(reply_to(await desk.command(saga, "compensation", "room"), "UNDONE"))
    else:
        await desk.send(reply_to(await desk.command(saga, "action", "letter"), "SUCCEEDED"))
    assert (await ended(desk, saga))[0] == phase


async def test_a_compensation_that_needs_an_unknown_reply_asks_for_it_first(trips: Any, desk: Raw) -> None:
    saga = await begin(desk)
    await desk.command(saga, "action", "room")
    trips.request("POST", f"/v1/sagas/{saga}/cancel", {"reason": "too late"})
    asked = await desk.command(saga, "resolve", "room")
    await desk.send(reply_to(asked, "SUCCEEDED", ROOM_BOOKED, {"booking": "b-9"}))
    cancel = await desk.command(saga, "compensation", "room")
    assert cancel.content == {"booking": "b-9"}
    await desk.send(reply_to(cancel, "UNDONE"))
    assert (await ended(desk, saga))[0] == "COMPENSATED"


async def test_expired_is_asked_again_with_a_new_expiry(desk: Raw) -> None:
    saga = await begin(desk)
    first = await desk.command(saga, "action", "room")
    await desk.send(reply_to(first, "EXPIRED"))
    second = await desk.command(saga, "action", "room", attempt=2)
    assert second["ce_expirytime"] > first["ce_expirytime"]


async def test_unsupported_turns_the_saga_back(desk: Raw) -> None:
    saga = await begin(desk)
    await desk.send(reply_to(await desk.command(saga, "action", "room"), "UNSUPPORTED"))
    back = (await desk.hear(lambda m: m.get("ce_correlationid") == saga and m.get("ce_sagakind") in ("compensation", "resolve")))[
        0
    ]
    outcome = "FENCED" if back["ce_sagakind"] == "resolve" else "NOTHING_TO_UNDO"
    await desk.send(reply_to(back, outcome))
    assert (await ended(desk, saga))[0] == "COMPENSATED"


# --- replies and starts that are not right, to a real coordinator ---------------------------------

BAD_REPLIES: dict[str, tuple[Spoil, str]] = {
    "another token": (said(ce_sagatoken="wire.c29tZXRoaW5nIGVsc2U"), "token_invalid"),
    "a token of an unknown key": (said(ce_sagatoken="stolen.AAAA"), "token_invalid"),
    "the token of another run": (said(ce_sagarun="2"), "token_invalid"),
    "the token of another kind": (said(ce_sagakind="compensation"), "token_invalid"),
    "another tenant": (said(ce_sagatenant="another"), "tenant_mismatch"),
    "another saga's key": (keyed(uuid7().encode()), "key_mismatch"),
    "no key": (keyed(None), "null_key"),
    "null": (valued(lambda v: None), "null_value"),
    "nothing": (valued(lambda v: b""), "bad_framing"),
    "wrong magic": (valued(lambda v: b"\1" + v[1:]), "bad_framing"),
    "an unknown schema": (valued(of_another_schema), "unknown_schema"),
    "cut": (valued(lambda v: v[:-1]), "truncated"),
    "bytes behind": (valued(lambda v: v + b"\0"), "trailing_bytes"),
    "a negative length": (valued(lambda v: v[:5] + b"\1" + v[6:]), "truncated"),
    "another record": (lambda m: replace(m, value=PAY.encode({"amount": 1})).but(ce_type="trip.Pay"), "record_mismatch"),
    "too large": (valued(lambda v: v + b"x" * 300_000), "too_large"),
    "a header twice": (twice("ce_sagaoutcome"), "header_duplicate"),
    "a header that is not UTF-8": (said(ce_source=b"\xff"), "header_invalid"),
    "no outcome": (said(ce_sagaoutcome=None), "header_missing"),
    "an unknown outcome": (said(ce_sagaoutcome="MAYBE"), "header_invalid"),
    "another protocol": (said(ce_sagaprotocol="2"), "protocol_unsupported"),
    "another participant's topic": (lambda m: replace(m, topic=m.topic.replace("rooms", "bank")), "wrong_topic"),
    "a no without a Failure": (said(ce_sagaoutcome="REJECTED"), "record_mismatch"),
    "a no whose Failure is another record": (said(ce_sagaoutcome="REJECTED", ce_type="saga.v1.Failure"), "unknown_schema"),
    "a fence with a payload": (said(ce_sagaoutcome="FENCED"), "record_mismatch"),
    "progress that is none": (said(ce_sagaoutcome="IN_PROGRESS", ce_type="saga.v1.Progress"), "unknown_schema"),
}


async def letters_of(desk: Raw, bad: Mapping[str, Message], consumer: str) -> dict[str, str]:
    """What the dead-letter topic says of each, by its mark; each is as it was."""
    topic = f"{desk.prefix}saga.dlq.{consumer}"
    heard = await desk.hear(lambda m: m.topic == topic and m.get("x_mark") in bad, count=len(bad))
    for letter in heard:
        sent = bad[letter["x_mark"]]
        assert (letter.key, letter["saga_dlq_topic"]) == (sent.key, sent.topic)
        assert letter.value == (None if sent.value is None else sent.value[: 64 * 1024])
        assert letter.headers[: len(sent.headers)] == sent.headers
    return {letter["x_mark"]: letter["saga_dlq_reason"] for letter in heard}


async def test_replies_that_are_not_right_become_dead_letters_and_the_good_one_behind_them_counts(trips: Any, desk: Raw) -> None:
    saga = await begin(desk)
    room = await desk.command(saga, "action", "room")
    good = reply_to(room, "SUCCEEDED", ROOM_BOOKED, {"booking": "b-1"})
    bad = {name: spoil(good.but(x_mark=name)) for name, (spoil, _) in BAD_REPLIES.items()}
    await desk.send(*bad.values(), good, partition=3)
    await desk.command(saga, "action", "pay")
    found = await letters_of(desk, bad, "replies")
    assert found == {name: reason for name, (_, reason) in BAD_REPLIES.items()}
    listed = json.loads(trips.saga("dlq", "list", "-o", "json", "--limit", "1000"))
    heard = {
        (m["saga_dlq_topic"], int(m["saga_dlq_partition"]), int(m["saga_dlq_offset"]), m["saga_dlq_reason"])
        for m in desk.heard
        if "saga.dlq." in m.topic
    }
    assert heard <= {(line["topic"], line["partition"], line["offset"], line["reason"]) for line in listed}
    assert len(heard) >= len(bad)


async def test_a_flipped_or_cut_reply_is_never_applied_as_something_else(trips: Any, desk: Raw) -> None:
    saga = await begin(desk)
    room = await desk.command(saga, "action", "room")
    good = reply_to(room, "SUCCEEDED", ROOM_BOOKED, {"booking": "b-1"})
    value = good.value or b""
    cut = [value[:length] for length in range(len(value))]
    flipped = [value[: n // 8] + bytes([value[n // 8] ^ 1 << n % 8]) + value[n // 8 + 1 :] for n in range(48)]
    bad = {f"spoiled {n}": replace(good, value=v).but(x_mark=f"spoiled {n}") for n, v in enumerate((*cut, *flipped))}
    await desk.send(*bad.values(), good, partition=4)
    await desk.command(saga, "action", "pay")
    assert set((await letters_of(desk, bad, "replies")).values()) <= {
        *("bad_framing", "unknown_schema", "truncated", "trailing_bytes", "invalid_value", "too_large")
    }


async def test_forged_replies_with_a_good_token_change_nothing(trips: Any, desk: Raw) -> None:
    saga = await begin(desk)
    room = await desk.command(saga, "action", "room")

    def forged(kind: str, run: int, outcome: str) -> Message:
        signed = token(trips.token_keys, saga, "room", kind, run)
        return reply_to(room, outcome).but(ce_sagakind=kind, ce_sagarun=str(run), ce_sagatoken=signed)

    await desk.send(
        forged("action", 2, "FENCED"), forged("compensation", 1, "NOTHING_TO_UNDO"), forged("resolve", 1, "FENCED"), partition=0
    )
    other = uuid7()
    await desk.send(
        reply_to(room, "SUCCEEDED", ROOM_BOOKED, {"booking": "b-2"}).but(
            ce_sagaincarnation="2", ce_sagatoken=token(trips.token_keys, saga, "room", "action", 1, incarnation=2)
        ),
        reply_to(room, "SUCCEEDED", ROOM_BOOKED, {"booking": "b-1"}),
        partition=0,
    )
    await desk.command(saga, "action", "pay")
    unknown = replace(reply_to(room, "SUCCEEDED", ROOM_BOOKED, {"booking": "b-3"}), key=other.encode()).but(
        ce_correlationid=other, ce_subject=f"{other}/room", ce_sagatoken=token(trips.token_keys, other, "room", "action", 1)
    )
    await desk.send(unknown, partition=0)
    marker = await desk.command(saga, "action", "pay")
    await desk.send(reply_to(marker, "SUCCEEDED"))
    await desk.send(reply_to(await desk.command(saga, "action", "letter"), "SUCCEEDED"))
    assert await ended(desk, saga) == ("COMPLETED", ["started", "finished"])
    sql = "SELECT value FROM orphan_reply WHERE saga_id = $1"
    async with asyncio.timeout(LIMIT_S):
        while not (orphans := await trips.database.rows(sql, uuid.UUID(other))):  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.05)
    assert [row["value"] for row in orphans] == [unknown.value], "kept: after a restore it is the only proof"


async def test_definite_answers_that_contradict_each_other_ask_for_a_person(trips: Any, desk: Raw) -> None:
    saga = await begin(desk)
    room = await booked(desk, saga)
    await desk.command(saga, "action", "pay")
    await desk.send(reply_to(room, "REJECTED", FAILURE, {"code": "no_room", "message": "", "retry_after_ms": None}))
    event = await desk.event(lambda e: (e["event"], str(e["saga_id"])) == ("attention", saga))
    assert (event["step"], event["reason"]) == ("room", "conflict")
    rows = await trips.database.rows("SELECT step, reason FROM attention WHERE saga_id = $1", uuid.UUID(saga))
    assert rows == [{"step": "room", "reason": "conflict"}]


BAD_STARTS: dict[str, tuple[Spoil, str]] = {
    "an unknown definition": (said(ce_sagadefinition="journey"), "definition_unknown"),
    "an unknown version": (said(ce_sagadefinition="trip@7"), "definition_unknown"),
    "a definition that is no name": (said(ce_sagadefinition="../trip"), "header_invalid"),
    "no definition": (said(ce_sagadefinition=None), "header_missing"),
    "no request id": (said(ce_id=None), "header_missing"),
    "a header twice": (twice("ce_id"), "header_duplicate"),
    "another tenant": (said(ce_sagatenant="another"), "tenant_mismatch"),
    "another protocol": (said(ce_sagaprotocol="2"), "protocol_unsupported"),
    "another key than its own": (keyed(b"t-another"), "key_mismatch"),
    "a key that is not text": (keyed(b"\xff"), "key_invalid"),
    "null": (valued(lambda v: None), "null_value"),
    "an unknown schema": (valued(of_another_schema), "unknown_schema"),
    "cut": (valued(lambda v: v[:-1]), "truncated"),
    "bytes behind": (valued(lambda v: v + b"\0"), "trailing_bytes"),
    "another record": (lambda m: replace(m, value=PAY.encode({"amount": 1})).but(ce_type="trip.Pay"), "record_mismatch"),
    "too large": (valued(lambda v: v + b"x" * 300_000), "too_large"),
}


async def test_starts_that_are_not_right_become_dead_letters_and_the_good_one_behind_them_starts(trips: Any, desk: Raw) -> None:
    bad = {name: spoil(start_of(desk, f"t-{uuid.uuid4().hex[:12]}").but(x_mark=name)) for name, (spoil, _) in BAD_STARTS.items()}
    good = start_of(desk, f"t-{uuid.uuid4().hex[:12]}")
    reused = start_of(desk, f"t-{uuid.uuid4().hex[:12]}").but(ce_id=good["ce_id"], x_mark="reused")
    await desk.send(*bad.values(), good, reused, partition=5)
    await desk.command(await started(desk, (good.key or b"").decode()), "action", "room")
    expected = {name: reason for name, (_, reason) in BAD_STARTS.items()} | {"reused": "request_reused"}
    assert await letters_of(desk, bad | {"reused": reused}, "starts") == expected
    begun = {m.content["business_key"] for m in desk.heard if m.topic.endswith("saga.events")}
    assert not begun & {(m.key or b"").decode(errors="replace") for m in (*bad.values(), reused)}


async def test_every_record_was_consumed(trips: Any, desk: Raw) -> None:
    """The stored positions are the ends of the topics: nothing stalled, nothing was skipped."""
    topics = [trips.prefix + name for name in ("saga.start", "saga.reply.rooms", "saga.reply.bank")]
    places = [TopicPartition(topic, p) for topic in topics for p in await desk.producer.partitions_for(topic)]
    ends = {(at.topic, at.partition): end for at, end in (await desk.consumer.end_offsets(places)).items() if end}
    sql = "SELECT topic, part, next_offset FROM consumed WHERE next_offset > 0"
    async with asyncio.timeout(LIMIT_S):
        while (stored := {(r["topic"], r["part"]): r["next_offset"] for r in await trips.database.rows(sql)}) != ends:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert stored == ends
