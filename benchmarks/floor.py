"""The floor: the least I/O of the same order saga, on bare aiokafka and asyncpg.

No retries, timers, validation, barrier, tracing: what a coordinator adds to this is what its users
pay for.

    python benchmarks/floor.py coordinator --kafka HOST:PORT --database URL --prefix floor. [--lean]
    python benchmarks/floor.py participants --kafka HOST:PORT --database URL --prefix floor.

`--lean` keeps no outbox rows and writes a batch by one statement, which is quickest at one in
flight. States are in memory in both ways: nothing here survives a crash.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
from floor_messages import STEPS, UNDONE_BY, Message, Outbound, Wire, messages_of

ASK_S: Final = 1.0
SESSIONS: Final = 16
PLANS: Final = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off", "jit": "off"}
"""A plan that is made on an empty table and kept would read the whole table for ever."""
COORDINATOR_TABLES: Final = """
CREATE TABLE floor_saga (
    id uuid PRIMARY KEY, status text NOT NULL, step smallint NOT NULL, version integer NOT NULL, payload jsonb,
    updated_at timestamptz DEFAULT now()
) WITH (fillfactor = 50);
CREATE TABLE floor_journal (
    saga_id uuid NOT NULL, version integer NOT NULL, status text, step smallint, at timestamptz DEFAULT now(),
    PRIMARY KEY (saga_id, version)
);
CREATE TABLE floor_outbox (id uuid PRIMARY KEY, topic text, key text, value bytea, created_at timestamptz DEFAULT now());
"""
PARTICIPANT_TABLES: Final = (
    "CREATE TABLE floor_effect (saga_id uuid, step integer, operation text, PRIMARY KEY (saga_id, operation))"
)
_NEW: Final = """
    INSERT INTO floor_saga (id, status, step, version, payload)
    SELECT id, status, step, 0, '{"amount": "12.50", "currency": "EUR", "order": "o-123456"}'
    FROM unnest($1::uuid[], $2::text[], $3::smallint[]) AS given (id, status, step) ON CONFLICT DO NOTHING"""
_MOVED: Final = """
    UPDATE floor_saga AS saga SET status = given.status, step = given.step, version = given.version, updated_at = now()
    FROM unnest(${}::uuid[], ${}::text[], ${}::smallint[], ${}::integer[]) AS given (id, status, step, version)
    WHERE saga.id = given.id AND saga.version = given.version - 1"""
_JOURNAL: Final = """
    INSERT INTO floor_journal (saga_id, version, status, step)
    SELECT * FROM unnest(${}::uuid[], ${}::integer[], ${}::text[], ${}::smallint[])"""
_OUTBOX: Final = """
    INSERT INTO floor_outbox (id, topic, key, value) SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[])"""
_LEAN: Final = f"WITH new AS ({_NEW}), moved AS ({_MOVED.format(4, 5, 6, 7)}) {_JOURNAL.format(8, 9, 10, 11)}"
_EFFECT: Final = "INSERT INTO floor_effect VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"


@dataclass(frozen=True, slots=True)
class State:
    status: str
    step: int
    version: int


def decide(state: State | None, message: Message) -> tuple[State, Outbound]:
    """The saga: pure."""
    if state is None:
        return State("RUNNING", 0, 0), _command(message, 0, STEPS[0])
    version, step = state.version + 1, state.step
    if state.status == "RUNNING" and message.status == "OK":
        if step == len(STEPS) - 1:
            return State("COMPLETED", step, version), _event(message, "COMPLETED")
        return State("RUNNING", step + 1, version), _command(message, step + 1, STEPS[step + 1])
    step = step - 1
    if step < 0:
        return State("COMPENSATED", 0, version), _event(message, "COMPENSATED")
    return State("COMPENSATING", step, version), _command(message, step, UNDONE_BY[step])


def _command(message: Message, step: int, operation: str) -> Outbound:
    return "commands", replace(message, step=step, operation=operation, status="COMMAND")


def _event(message: Message, status: str) -> Outbound:
    return "events", replace(message, operation="", status=status)


@dataclass(slots=True)
class Batch:
    """What the transitions of one poll write and send."""

    new: list[tuple[UUID, State]] = field(default_factory=list)
    moved: list[tuple[UUID, State]] = field(default_factory=list)
    sent: list[Outbound] = field(default_factory=list)

    def add(self, sagas: dict[str, State], message: Message) -> None:
        known = sagas.get(message.saga_id)
        if (known is None) != (message.status == "START"):
            return
        state, out = decide(known, message)
        (self.new if known is None else self.moved).append((UUID(message.saga_id), state))
        self.sent.append(out)
        sagas[message.saga_id] = state
        if out[0] == "events":
            del sagas[message.saga_id]

    def columns(self) -> Iterator[list[Any]]:
        """For `_LEAN`."""
        yield from _columns(self.new, "status", "step")
        yield from _columns(self.moved, "status", "step", "version")
        yield from _columns([*self.new, *self.moved], "version", "status", "step")


def _columns(rows: list[tuple[UUID, State]], *names: str) -> Iterator[list[Any]]:
    yield [saga_id for saga_id, _ in rows]
    for name in names:
        yield [getattr(state, name) for _, state in rows]


async def coordinate(wire: Wire, database: str, lean: bool) -> None:
    connection = await asyncpg.connect(database, server_settings=PLANS)
    await wire.start()
    consumer = await wire.consumer("starts", "replies")
    sagas: dict[str, State] = {}
    done: list[UUID] = []
    while True:
        batch = Batch()
        for message in messages_of(await consumer.getmany(timeout_ms=int(ASK_S * 1000))):
            batch.add(sagas, message)
        if not batch.sent:
            continue
        if lean:
            await connection.execute(_LEAN, *batch.columns())
        else:
            done = await _written(connection, batch, done)
        await wire.send(batch.sent)


async def _written(connection: Any, batch: Batch, done: list[UUID]) -> list[UUID]:
    """Write with outbox rows; those of the batch before go. Returns the new ones."""
    ids = [uuid4() for _ in batch.sent]
    async with connection.transaction():
        if batch.new:
            await connection.execute(_NEW, *_columns(batch.new, "status", "step"))
        if batch.moved:
            await connection.execute(_MOVED.format(1, 2, 3, 4), *_columns(batch.moved, "status", "step", "version"))
        await connection.execute(_JOURNAL.format(1, 2, 3, 4), *_columns([*batch.new, *batch.moved], "version", "status", "step"))
        topics, messages = zip(*batch.sent, strict=True)
        keys, values = [one.saga_id for one in messages], [one.encoded() for one in messages]
        await connection.execute(_OUTBOX, ids, list(topics), keys, values)
        if done:
            await connection.execute("DELETE FROM floor_outbox WHERE id = ANY($1::uuid[])", done)
    return ids


async def take_part(wire: Wire, database: str) -> None:
    """Every command is one row, committed on its own."""
    pool = await asyncpg.create_pool(database, min_size=SESSIONS, max_size=SESSIONS, reset=_nothing)
    await wire.start()
    consumer = await wire.consumer("commands")
    while True:
        commands = messages_of(await consumer.getmany(timeout_ms=int(ASK_S * 1000)))
        waiting = iter(commands)
        await asyncio.gather(*(_work(pool, waiting) for _ in range(min(SESSIONS, len(commands)))))
        await wire.send([("replies", _reply(command)) for command in commands])


async def _nothing(_: Any) -> None:
    """No round trip when a session is given back."""


async def _work(pool: Any, waiting: Iterator[Message]) -> None:
    async with pool.acquire() as connection:
        for command in waiting:
            await connection.execute(_EFFECT, UUID(command.saga_id), command.step, command.operation)


def _reply(command: Message) -> Message:
    refused = command.rejects and command.operation == STEPS[-1]
    return replace(command, status="REJECTED" if refused else "OK")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("role", choices=["coordinator", "participants"])
    arguments.add_argument("--kafka", required=True)
    arguments.add_argument("--database", required=True)
    arguments.add_argument("--prefix", required=True)
    arguments.add_argument("--lean", action="store_true")
    given = arguments.parse_args()
    wire = Wire(given.kafka, given.prefix)
    asyncio.run(coordinate(wire, given.database, given.lean) if given.role == "coordinator" else take_part(wire, given.database))


if __name__ == "__main__":
    main()
