"""A participant in memory, as small as docs/wire.md allows, and mutants of it: each is wrong in one
thing. It shows what `saga participant check` finds.

Its table is the kit's; everything else is its own. A command says what its handler does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

from saga_messaging.broker import Outgoing, Record
from saga_messaging.dead_letters import cut, letter_record
from saga_messaging.memory import MemoryBroker
from saga_participant.barrier import table
from saga_participant.barrier.table import CommandFacts, Ending, Memory, Row, Task
from saga_schemas.catalog import Catalog
from saga_schemas.codec import encode
from saga_schemas.errors import BadMessage, SchemaRefused, UnknownSchema
from saga_schemas.headers import CommandHeaders, ReplyHeaders, UnsupportedProtocol, answer
from saga_schemas.ids import saga_key
from saga_schemas.inbound import UnreadableCommand, read_command_envelope, read_command_payload
from saga_schemas.outcomes import Kind, Outcome, RowState
from saga_schemas.published import read_published
from saga_schemas.records import EMPTY_BYTES, OWN, Empty, Failure, Progress, encode_own
from saga_schemas.schema import Schema
from saga_schemas.topics import Topics

NAME: Final = "tiny"
WORK_STEPS: Final = 25
"""Accepted work ends when nobody has asked for so many looks: on a slow machine later."""
_LOOK_S: Final = 0.01
_POLL_S: Final = 0.05
_SCHEMA_WAIT_S: Final = 0.1


def _record(name: str, *fields: tuple[str, Any], **more: str) -> Schema:
    return Schema.parse({"type": "record", "name": name, "fields": [{"name": n, "type": t} for n, t in fields], **more})


DO: Final = _record("tiny.Do", ("how", "string"), ("tags", {"type": "array", "items": "string"}), sagaReply="tiny.Did")
DID: Final = _record("tiny.Did", ("id", "string"))
UNDO: Final = _record("tiny.Undo", ("id", "string"), ("how", "string"))
UNDID: Final = _record("tiny.Undid", ("id", "string"))
SCHEMAS: Final = (DO, DID, UNDO, UNDID)


class Mutant(StrEnum):
    """What is wrong with it."""

    NONE = "nothing"
    NO_LOCK = "decides before it has locked the row"
    FENCE_FORGOTTEN = "keeps no row for a fence"
    RUN_NOT_RAISED = "does not raise the row's run"
    RUN_NOT_RAISED_BY_UNDO = "undoes a newer run's command in the old run"
    LATE_IN_THE_OLD_RUN = "answers the end of fenced work"
    LATE_TO_ANY_ASKER = "answers the end of work to an older run's command"
    LATE_TO_THE_LAST = "takes the last action to come for the newest"
    LATE_TO_THE_LAST_WISH = "takes the last compensation to come for the newest"
    LATE_BY_VERSION = "takes the highest version for the newest, whatever its incarnation"
    OLD_TOKEN = "echoes the token of the command that made the row"
    OLD_CAUSATION = "names the command that made the row"
    WRONG_CAUSATION = "names the saga as the cause"
    WRONG_ATTEMPT = "says attempt 1 always"
    REPLY_AFTER_UNDO = "answers an undone action from memory"
    FAILED_UNDO_COUNTS = "takes a compensation that failed for done"
    UNDO_TWICE = "runs a compensation again"
    OLD_RUN_UNDOES = "lets an older run's compensation undo"
    REPLY_SHOWN_TO_AN_UNDO = "answers the compensation of an older run by the action's reply"
    NO_ROW_RUN = "never says ce_sagarowrun"
    NO_SEQ = "says no ce_sagaseq"
    WISH_FORGOTTEN = "forgets the wish to undo"
    WISH_FALLS = "answers the last compensation, whatever its run"
    WISH_LOST_TO_THE_NEXT = "answers the action that came behind the wish"
    ROW_AFTER_FAILURE = "keeps a row after a failure"
    REJECTION_FORGOTTEN = "does not remember a no"
    INCARNATION_IGNORED = "serves an older incarnation"
    INCARNATION_NOT_RAISED_BY_FAILURE = "keeps the old incarnation when it fails"
    TENANT_IGNORED = "serves another tenant's command"
    EXPIRY_IGNORED = "never looks at the expiry"
    EXPIRY_WITH_A_ROW = "refuses what is expired even where there is a row"
    NO_DEAD_LETTER = "drops what it cannot read"
    CUT_IS_SILENCE = "does not answer what it cannot decode"
    UNKNOWN_SCHEMA_UNSUPPORTED = "answers UNSUPPORTED to an unknown schema"
    TOPIC_TRUSTED = "takes any schema of the topic"
    LONG_FAILURE = "says more in a Failure than it may"
    OTHER_EMPTY = "writes an Empty without its byte"
    COPIES_ANSWERED_ONCE = "answers one copy of a command"
    FRESH_VALUE = "makes a new value each time"
    LOCAL_TIME = "writes ce_time without six digits"
    KEYED_BY_STEP = "uses the step as the record key"


@dataclass
class Entry:
    row: Row
    tenant: str
    made_by: CommandHeaders
    action: tuple[str, bytes] = (Empty.avro_name, EMPTY_BYTES)
    undo: tuple[str, bytes] = (Empty.avro_name, EMPTY_BYTES)
    asker: CommandHeaders | None = None
    wisher: CommandHeaders | None = None


@dataclass
class TinyParticipant:
    """Serve it with `served`."""

    broker: MemoryBroker
    mutant: Mutant = Mutant.NONE
    entries: dict[tuple[UUID, str], Entry] = field(default_factory=dict)
    effects: dict[str, list[int]] = field(default_factory=dict)
    """By saga id: how often the action and the compensation took effect."""

    def __post_init__(self) -> None:
        self.topics = Topics()
        self.catalog = Catalog([*OWN, DO, UNDO])
        self.locks: dict[tuple[UUID, str], asyncio.Lock] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.answered: set[str] = set()
        self.asked: dict[tuple[UUID, str], int] = {}
        self.producer = self.broker.producer()

    @contextlib.asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        serving = asyncio.create_task(self._serve_all())
        try:
            yield
        finally:
            for task in (serving, *self.tasks):
                task.cancel()
            await asyncio.gather(serving, *self.tasks, return_exceptions=True)

    def is_(self, *mutants: Mutant) -> bool:
        return self.mutant in mutants

    # --- reading ----------------------------------------------------------------------------------

    async def _serve_all(self) -> None:
        await self.broker.ensure_topics([self.topics.command(NAME), self.topics.reply(NAME), self.topics.dlq(NAME)])
        await self.broker.ensure_topics([self.topics.schemas], compacted=True)
        consumer = self.broker.consumer(group=self.topics.command_group(NAME))
        await consumer.start()
        await consumer.subscribe([self.topics.command(NAME)])
        while True:
            waiting = consumer.awaiting_seek()
            for position, offset in (await consumer.earliest(waiting)).items():
                consumer.seek(position, offset)
            for record in await consumer.poll(timeout_s=_POLL_S, max_records=500):
                self._spawn(self._serve(record))

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _serve(self, record: Record) -> None:
        try:
            envelope = read_command_envelope(record)
        except UnsupportedProtocol as unsupported:
            headers = unsupported.echo.encode(message_id=str(uuid4()), source="/tiny", record=Empty.avro_name, time_us=_now_us())
            await self._send(Outgoing(topic=self.topics.reply(NAME), key=record.key, value=EMPTY_BYTES, headers=headers))
            return
        except UnreadableCommand as bad:
            await self._say(bad.headers, Outcome.UNSUPPORTED)
            return
        except BadMessage as bad:
            await self._letter(record, bad)
            return
        command = envelope.headers
        reader = {(DO.full_name, Kind.ACTION): DO, (UNDO.full_name, Kind.COMPENSATION): UNDO}.get((command.record, command.kind))
        try:
            if reader is None and command.kind is not Kind.RESOLVE:
                raise BadMessage("record_mismatch", "nobody handles it")
            value = (await self._payload(envelope, reader)).value
        except BadMessage as bad:
            await self._unreadable(command, bad)
            return
        await self._decided(command, value)

    async def _payload(self, envelope: Any, reader: Schema | None) -> Any:
        try:
            return read_command_payload(envelope, self.catalog, reader)
        except UnreadableCommand as bad:
            if not isinstance(bad.cause, UnknownSchema):
                raise bad.cause from None
        await asyncio.sleep(_SCHEMA_WAIT_S)
        for record in self.broker.records(self.topics.schemas):
            self._learn(record)
        try:
            return read_command_payload(envelope, self.catalog, reader)
        except UnreadableCommand as bad:
            raise bad.cause from None

    def _learn(self, record: Record) -> None:
        with contextlib.suppress(SchemaRefused):
            if self.is_(Mutant.TOPIC_TRUSTED):
                schema = Schema.parse_json(record.value or b"")
                claimed = int(record.key or b"0", 16)
                self.catalog.add(replace(schema, id=claimed, canonical=schema.canonical + b" " * (claimed != schema.id)))
            elif found := read_published(record.key, record.value or b"", frozenset({DO.full_name, UNDO.full_name})):
                self.catalog.add(found)

    async def _unreadable(self, command: CommandHeaders, bad: BadMessage) -> None:
        later = bad.reason in ("unknown_schema", "schema_mismatch") and not self.is_(Mutant.UNKNOWN_SCHEMA_UNSUPPORTED)
        if later:
            await self._say(command, Outcome.FAILED, _failure(bad.reason))
        elif not self.is_(Mutant.CUT_IS_SILENCE):
            await self._say(command, Outcome.UNSUPPORTED)

    async def _letter(self, record: Record, bad: BadMessage) -> None:
        if self.is_(Mutant.NO_DEAD_LETTER):
            return
        origin = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        await self._send(letter_record(self.topics.dlq(NAME), cut(record), reason=bad.reason, **origin))  # type: ignore[arg-type]

    # --- deciding ---------------------------------------------------------------------------------

    async def _decided(self, command: CommandHeaders, value: dict[str, Any]) -> None:
        place = (command.saga_id, command.step)
        if self.is_(Mutant.COPIES_ANSWERED_ONCE) and command.message_id in self.answered:
            return
        self.answered.add(command.message_id)
        self.asked[place] = self.asked.get(place, 0) + 1
        lock = self.locks.setdefault(place, asyncio.Lock())
        async with contextlib.nullcontext() if self.is_(Mutant.NO_LOCK) else lock:
            entry = self.entries.get(place)
            await asyncio.sleep(0)
            if entry is not None and entry.tenant != command.tenant and not self.is_(Mutant.TENANT_IGNORED):
                return
            await self._by_table(command, value, entry)

    async def _by_table(self, command: CommandHeaders, value: dict[str, Any], entry: Entry | None) -> None:
        expired = command.expiry_us < _now_us() and not self.is_(Mutant.EXPIRY_IGNORED)
        if expired and self.is_(Mutant.EXPIRY_WITH_A_ROW):
            await self._say(command, Outcome.EXPIRED)
            return
        before = None if entry is None else self._seen(entry.row)
        facts = CommandFacts(kind=command.kind, run=command.run, incarnation=command.incarnation, expired=expired, fenceable=True)
        verdict = table.decide(before, facts)
        if self.is_(Mutant.REPLY_AFTER_UNDO) and before and before.state is RowState.UNDONE and command.kind is Kind.ACTION:
            assert entry is not None
            await self._say(command, Outcome.SUCCEEDED, entry.action, entry=entry)
            return
        match verdict.task:
            case Task.REFUSE:
                return
            case Task.ANSWER:
                assert verdict.outcome is not None
                await self._from_row(command, entry, verdict.row, verdict.outcome, verdict.memory)
            case Task.ACT:
                await self._act(command, value, entry, facts)
            case Task.UNDO:
                assert entry is not None
                await self._undo(command, entry, facts, value["how"])
            case _:
                raise AssertionError(verdict)

    def _seen(self, row: Row) -> Row:
        """The row as a mutant takes it to be."""
        return replace(row, incarnation=0) if self.is_(Mutant.INCARNATION_IGNORED) else row

    async def _from_row(
        self, command: CommandHeaders, entry: Entry | None, row: Row | None, outcome: Outcome, memory: Memory
    ) -> None:
        if row is not None:
            entry = self._kept(command, entry, row)
        assert entry is not None or memory is Memory.NOTHING
        if memory is Memory.PROGRESS or outcome is Outcome.IN_PROGRESS:
            await self._say(command, outcome, _progress(), entry=entry)
        elif memory is Memory.ACTION and entry is not None:
            content = _did() if self.is_(Mutant.FRESH_VALUE) and outcome is Outcome.SUCCEEDED else entry.action
            await self._say(command, outcome, content, entry=entry)
        elif memory is Memory.UNDO and entry is not None:
            if self.is_(Mutant.UNDO_TWICE):
                self._count(command, 1)
            await self._say(command, outcome, entry.undo, entry=entry)
        elif self.is_(Mutant.OLD_RUN_UNDOES) and outcome is Outcome.SUCCEEDED and entry is not None:
            facts = CommandFacts(kind=command.kind, run=command.run, incarnation=command.incarnation)
            await self._undo(command, entry, facts)
        elif self.is_(Mutant.REPLY_SHOWN_TO_AN_UNDO) and outcome is Outcome.SUCCEEDED and entry is not None:
            await self._say(command, outcome, entry.action, entry=entry)
        else:
            await self._say(command, outcome, entry=entry)

    def _kept(self, command: CommandHeaders, entry: Entry | None, row: Row) -> Entry:
        before = entry.row if entry else None
        if before is not None and self.is_(Mutant.RUN_NOT_RAISED):
            row = replace(row, run=before.run)
        kept = replace(entry, row=row) if entry else Entry(row=row, tenant=command.tenant, made_by=command)
        if row.state is RowState.ACCEPTED and (command.run >= row.run or self.is_(Mutant.LATE_TO_ANY_ASKER)):
            if command.kind is not Kind.COMPENSATION:
                newer = self._newer(command, kept.asker) or self.is_(Mutant.LATE_TO_THE_LAST, Mutant.LATE_TO_ANY_ASKER)
                kept = replace(kept, asker=command if newer else kept.asker)
            elif command.run == row.wish or self.is_(Mutant.WISH_FALLS):
                newer = self._newer(command, kept.wisher) or self.is_(Mutant.LATE_TO_THE_LAST_WISH, Mutant.WISH_FALLS)
                kept = replace(kept, asker=None, wisher=command if newer else kept.wisher)
        if self.is_(Mutant.WISH_FORGOTTEN):
            kept = replace(kept, row=replace(kept.row, wish=None))
        if not (self.is_(Mutant.FENCE_FORGOTTEN) and row.state is RowState.FENCED):
            self.entries[command.saga_id, command.step] = kept
        return kept

    def _newer(self, command: CommandHeaders, than: CommandHeaders | None) -> bool:
        """Whether it was decided after the other, in whatever order they come."""
        if than is None or command.run > than.run:
            return True
        if self.is_(Mutant.LATE_BY_VERSION):
            return command.version > than.version
        found, other = ((each.incarnation, each.version, each.attempt) for each in (command, than))
        return found > other

    async def _act(self, command: CommandHeaders, value: dict[str, Any], entry: Entry | None, facts: CommandFacts) -> None:
        before = entry.row if entry else None
        ending = {"done": Ending.DONE, "no": Ending.REJECTED, "fail": Ending.FAILED, "later": Ending.ACCEPTED}[value["how"]]
        await asyncio.sleep(0)
        row, outcome = table.acted(before, facts, ending)
        content = {
            Ending.DONE: _did,
            Ending.REJECTED: lambda: _failure("no"),
            Ending.FAILED: lambda: _failure("down", "x" * 1500 if self.is_(Mutant.LONG_FAILURE) else ""),
            Ending.ACCEPTED: _progress,
        }[ending]()
        if ending is Ending.DONE:
            self._count(command, 0)
        if ending is Ending.FAILED:
            row = self._after_failure(row, before, facts)
        forgotten = self.is_(Mutant.REJECTION_FORGOTTEN) and ending is Ending.REJECTED
        if row is not None and not forgotten:
            self.entries[command.saga_id, command.step] = Entry(
                row=row,
                tenant=command.tenant,
                made_by=command,
                action=content if ending is not Ending.FAILED or entry is None else entry.action,
                undo=entry.undo if entry else (Empty.avro_name, EMPTY_BYTES),
                asker=command,
            )
        if ending is Ending.ACCEPTED:
            self._spawn(self._finish(command))
        await self._say(command, outcome, content)

    def _after_failure(self, row: Row | None, before: Row | None, facts: CommandFacts) -> Row | None:
        if self.is_(Mutant.ROW_AFTER_FAILURE):
            return row or Row(state=RowState.REJECTED, run=facts.run, incarnation=facts.incarnation)
        if self.is_(Mutant.INCARNATION_NOT_RAISED_BY_FAILURE):
            return before
        return row

    async def _undo(self, command: CommandHeaders, entry: Entry, facts: CommandFacts, how: str = "done") -> None:
        row, outcome = table.undid(entry.row, facts, {"no": Ending.REJECTED, "fail": Ending.FAILED}.get(how, Ending.DONE))
        if how != "done":
            kept = replace(row, state=RowState.UNDONE) if self.is_(Mutant.FAILED_UNDO_COUNTS) else row
            self.entries[command.saga_id, command.step] = replace(entry, row=kept)
            await self._say(command, outcome, _failure(how), entry=entry)
            return
        if self.is_(Mutant.RUN_NOT_RAISED_BY_UNDO):
            row = replace(row, run=entry.row.run)
        self._count(command, 1)
        undone = replace(entry, row=row, undo=(UNDID.full_name, encode(UNDID, {"id": str(uuid4())})))
        self.entries[command.saga_id, command.step] = undone
        await self._say(command, outcome, undone.undo, entry=undone)

    async def _finish(self, command: CommandHeaders) -> None:
        """The end of accepted work."""
        await self._quiet(command)
        async with self.locks[command.saga_id, command.step]:
            entry = self.entries.get((command.saga_id, command.step))
            late = not table.may_answer(entry.row if entry else None, command.run)
            if entry is None or (late and not self.is_(Mutant.LATE_IN_THE_OLD_RUN)):
                return
            asker = command if late else entry.asker or command
            self._count(command, 0)
            done = replace(entry, row=table.ended(entry.row, Ending.DONE), action=_did())
            self.entries[command.saga_id, command.step] = done
            wish, wisher = entry.row.wish, entry.wisher
            lost = self.is_(Mutant.WISH_LOST_TO_THE_NEXT) and entry.asker is not None
            if wish is not None and wisher is not None and not lost:
                facts = CommandFacts(kind=Kind.COMPENSATION, run=wish, incarnation=wisher.incarnation)
                await self._undo(wisher, replace(done, row=replace(done.row, wish=None)), facts)
            else:
                await self._say(asker, Outcome.SUCCEEDED, done.action, entry=done)

    async def _quiet(self, command: CommandHeaders) -> None:
        place, quiet = (command.saga_id, command.step), 0
        seen = self.asked.get(place, 0)
        while quiet < WORK_STEPS:
            await asyncio.sleep(_LOOK_S)
            now = self.asked.get(place, 0)
            quiet = quiet + 1 if now == seen or self.is_(Mutant.LATE_IN_THE_OLD_RUN) else 0
            seen = now

    def _count(self, command: CommandHeaders, which: int) -> None:
        self.effects.setdefault(str(command.saga_id), [0, 0])[which] += 1

    # --- answering --------------------------------------------------------------------------------

    async def _say(
        self,
        command: CommandHeaders,
        outcome: Outcome,
        content: tuple[str, bytes] = (Empty.avro_name, EMPTY_BYTES),
        *,
        entry: Entry | None = None,
    ) -> None:
        row_run = entry.row.run if entry and outcome is Outcome.SUCCEEDED and entry.row.run > command.run else None
        said = answer(
            command,
            message_id=str(uuid4()),
            source="/tiny",
            record=content[0],
            time_us=_now_us(),
            outcome=outcome,
            seq=1 if outcome is Outcome.IN_PROGRESS and not self.is_(Mutant.NO_SEQ) else None,
            row_run=None if self.is_(Mutant.NO_ROW_RUN) else row_run,
        )
        said = self._misquoted(said, entry)
        headers = said.encode()
        if self.is_(Mutant.LOCAL_TIME):
            headers = tuple((name, b"2026-11-03T14:05:06+01:00" if name == "ce_time" else value) for name, value in headers)
        key = command.step.encode() if self.is_(Mutant.KEYED_BY_STEP) else saga_key(command.saga_id)
        value = content[1][:5] if self.is_(Mutant.OTHER_EMPTY) and content[0] == Empty.avro_name else content[1]
        await self._send(Outgoing(topic=self.topics.reply(NAME), key=key, value=value, headers=headers))

    def _misquoted(self, said: ReplyHeaders, entry: Entry | None) -> ReplyHeaders:
        """What a mutant echoes."""
        match self.mutant:
            case Mutant.WRONG_CAUSATION:
                return replace(said, causation_id=str(said.saga_id))
            case Mutant.WRONG_ATTEMPT:
                return replace(said, attempt=1)
            case Mutant.OLD_TOKEN if entry:
                return replace(said, token=entry.made_by.token)
            case Mutant.OLD_CAUSATION if entry:
                return replace(said, causation_id=entry.made_by.message_id)
            case _:
                return said

    async def _send(self, record: Outgoing) -> None:
        await self.producer.send_all([record], timeout_s=5)


def _did() -> tuple[str, bytes]:
    return DID.full_name, encode(DID, {"id": str(uuid4())})


def _failure(code: str, message: str = "") -> tuple[str, bytes]:
    framed = encode_own(Failure(code=code))
    if message:  # longer than our own model lets us write
        schema = OWN.latest(Failure.avro_name)
        assert schema is not None
        framed = encode(schema, {"code": code, "message": message, "retry_after_ms": None})
    return Failure.avro_name, framed


def _progress() -> tuple[str, bytes]:
    return Progress.avro_name, encode_own(Progress(note="at work"))


def _now_us() -> int:
    import time

    return time.time_ns() // 1000
