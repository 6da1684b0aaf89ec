"""What one command's transaction costs a participant and its PostgreSQL, by each of the kit's ways
to the database.

A command is claim, the INSERT of a handler that asks for asyncpg's connection, saving, COMMIT. The
ways: `joined` statements (ADR 0019, three round trips), the same statements `apart` (five), and
`SQLAlchemy` (five). All run in this process and in turn, round by round.

    .venv/bin/python benchmarks/barrier_transaction.py [--in-flight 1 --in-flight 16] [--rounds 40]
        [--postgres postgresql+asyncpg://…]

Printed are CPU of this process, CPU of PostgreSQL's sessions, and the time from BEGIN to COMMIT's
answer: the least and the median of the rounds, and the median of the ratios to `apart`. Without
`--postgres` a server of its own is started. `--away-ms 0.5` puts it half a millisecond away, there
and back: a process between the two delays each message.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import secrets
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import median

import asyncpg
from measuring import ran_s
from sqlalchemy.engine import make_url

from saga_cli.dev.postgres import PostgresService
from saga_cli.signals import loop_factory, tune_garbage_collection
from saga_demo.ledger import ASYNCPG_INSERT, metadata
from saga_participant.barrier.entry import Entry, Stored
from saga_participant.barrier.table import Row
from saga_participant.database.asyncpg_transaction import AsyncpgTransaction
from saga_participant.database.database import Database
from saga_participant.database.transactions import Transaction
from saga_participant.handling.handlers import Handle
from saga_participant.tables import create_tables
from saga_schemas.ids import uuid7
from saga_schemas.outcomes import RowState

REPLY = Stored(record="shop.StockReserved", payload=secrets.token_bytes(64))
WARM_UP_ROUNDS = 5
SESSIONS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@dataclass
class Way:
    """One way to the database, and what it cost, in microseconds a command."""

    name: str
    begin: Callable[[], AbstractAsyncContextManager[Transaction]]
    here_us: list[float] = field(default_factory=list)
    server_us: list[float] = field(default_factory=list)
    took_us: list[float] = field(default_factory=list)

    async def round(self, server: Server, in_flight: int, commands: int) -> None:
        took_s: list[float] = []
        there, here = await server.cpu_s(), time.process_time()
        await asyncio.gather(*(self._some(commands // in_flight, took_s) for _ in range(in_flight)))
        self.here_us.append((time.process_time() - here) / len(took_s) * 1e6)
        self.server_us.append((await server.cpu_s() - there) / len(took_s) * 1e6)
        self.took_us.append(median(took_s) * 1e6)

    async def _some(self, commands: int, took_s: list[float]) -> None:
        for _ in range(commands):
            began = time.perf_counter()
            async with self.begin() as transaction:
                await _command(transaction)
            took_s.append(time.perf_counter() - began)

    @property
    def costs(self) -> tuple[list[float], ...]:
        return self.here_us, self.server_us, [sum(both) for both in zip(self.here_us, self.server_us, strict=True)], self.took_us

    def forget(self) -> None:
        for cost in (self.here_us, self.server_us, self.took_us):
            cost.clear()

    def line(self, other: Way) -> str:
        shown = []
        for what, costs, of_other in zip(("CPU here", "PostgreSQL", "both", "took"), self.costs, other.costs, strict=True):
            ratio = median(a / b for a, b in zip(costs, of_other, strict=True))
            shown.append(f"{what} {min(costs):.0f} (median {median(costs):.0f}, ratio {ratio:.2f})")
        return f"{self.name:10} us: {', '.join(shown)}"


async def _command(transaction: Transaction) -> None:
    fresh = Entry(
        saga_id=uuid7(time.time_ns() // 1000, secrets.token_bytes(10)),
        step="reserve",
        tenant="default",
        row=Row(state=RowState.DONE, run=1, incarnation=1),
        expires_at_us=4_000_000_000_000_000,
    )
    claimed = await transaction.claim(fresh)
    assert claimed.entry is None
    async with transaction.handle(Handle.ASYNCPG) as db:
        await db.execute(ASYNCPG_INSERT, str(fresh.saga_id), fresh.step, "action", 1)
    await transaction.save(replace(fresh, action=REPLY))
    await transaction.commit()


@asynccontextmanager
async def _apart(database: Database) -> AsyncIterator[Transaction]:
    """As behind a pooler that gives every transaction another session."""
    async with database.begin(bare=True) as transaction:
        assert isinstance(transaction, AsyncpgTransaction)
        transaction._bare.names_are_lost()
        yield transaction


@dataclass(frozen=True)
class Server:
    """What PostgreSQL's sessions cost, but for the one that asks."""

    watcher: asyncpg.Connection[asyncpg.Record]

    async def cpu_s(self) -> float:
        return sum(ran_s(row[0]) for row in await self.watcher.fetch(SESSIONS))


async def run(url: str, in_flight: Iterable[int], rounds: int, commands: int) -> None:
    server = Server(await asyncpg.connect(url.replace("+asyncpg", "")))
    databases = [Database(url) for _ in range(3)]
    await create_tables(databases[0].engine)
    async with databases[0].engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    ways = [
        Way("joined", partial(databases[0].begin, bare=True)),
        Way("apart", partial(_apart, databases[1])),
        Way("SQLAlchemy", partial(databases[2].begin, bare=False)),
    ]
    for number in in_flight:
        for turn in range(WARM_UP_ROUNDS + rounds):
            for place in range(len(ways)):  # another one begins each time
                way = ways[(turn + place) % len(ways)]
                if turn == WARM_UP_ROUNDS:
                    way.forget()
                await way.round(server, number, commands)
        print(f"{number} in flight")
        for way in ways:
            print("  " + way.line(ways[1]), flush=True)
        for way in ways:
            way.forget()
    for database in databases:
        await database.close()
    await server.watcher.close()


def _relay(listening: socket.socket, port: int, away_s: float) -> None:
    """Carries messages to PostgreSQL and back, each half of `away_s` late."""
    while True:
        client, _ = listening.accept()
        server = socket.create_connection(("127.0.0.1", port))
        for source, target in ((client, server), (server, client)):
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_carry, args=(source, target, away_s / 2), daemon=True).start()


def _carry(source: socket.socket, target: socket.socket, late_s: float) -> None:
    while message := source.recv(65536):
        time.sleep(late_s)
        target.sendall(message)
    target.close()


@contextmanager
def _away(url: str, away_ms: float) -> Iterator[str]:
    """The database's URL, through the relay."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = make_url(url).port or 5432
    relay = multiprocessing.get_context("fork").Process(target=_relay, args=(listening, port, away_ms / 1000), daemon=True)
    relay.start()
    try:
        near = make_url(url).set(host="127.0.0.1", port=listening.getsockname()[1])
        yield near.render_as_string(hide_password=False)
    finally:
        relay.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", help="URL of an empty database on this machine")
    parser.add_argument("--in-flight", type=int, action="append")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--commands", type=int, default=160, help="in a round")
    parser.add_argument("--away-ms", type=float, default=0.0, help="a network between the two")
    given = parser.parse_args()
    tune_garbage_collection()
    with ExitStack() as stack:
        url = given.postgres or stack.enter_context(PostgresService()).create_database("barrier")
        if given.away_ms:
            url = stack.enter_context(_away(url, given.away_ms))
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(run(url, given.in_flight or [1, 16], given.rounds, given.commands))


if __name__ == "__main__":
    main()
