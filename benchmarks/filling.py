"""Many sagas in no time: the rows of one that the system has carried out, copied with other ids and
keys.

A copy differs from what the system writes only in what payloads quote: they name the template's id
and key, which are as long. Ids are of this moment, as those of new sagas are, or older by an age;
keys are random, as long as the template's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

import asyncpg

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
AT_ONCE: Final = 20_000
DAY_US: Final = 86_400_000_000
_COPIES: Final = """
    CREATE TEMPORARY TABLE copies AS
    SELECT uuidv7(make_interval(days => -$3)) AS id,
        lpad(to_hex(nextval('copied_keys') * 668265263 % (16::numeric ^ least($1, 12))::bigint), $1, '0') AS key
    FROM generate_series(1, $2::integer)"""
"""Keys lie as if by chance, and never come twice: multiplying by an odd number permutes them."""
_KEYS: Final = "CREATE SEQUENCE IF NOT EXISTS copied_keys"
_KEPT_BYTES: Final = """
    SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
        AND (EXISTS (SELECT 1 FROM pg_class AS journal WHERE journal.relname = 'journal') OR relname LIKE 'saga\\_%')"""
_COLUMNS: Final = """
    SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1
    ORDER BY ordinal_position"""


@dataclass(frozen=True)
class Kept:
    """What a table keeps of a saga: the columns that hold its id, and its key."""

    table: str
    id: str = "saga_id"
    keys: tuple[str, ...] = ()
    text_id: bool = False
    """The id is kept as text."""
    times: tuple[str, ...] = ()
    """Columns that are as old as the saga, in microseconds."""


COORDINATOR: Final = (
    Kept("saga", id="id", keys=("business_key",), times=("started_at", "closed_at", "max_expiry")),
    Kept("saga_key", keys=("business_key",)),
    Kept("start_request", keys=("request_id",)),
    Kept("journal"),
    Kept("saga_listing", keys=("business_key",), times=("started_at", "closed_at")),
    Kept("saga_label"),
    Kept("wakeup"),
)
PARTICIPANT: Final = (Kept("saga_barrier"), Kept("effect_ledger", text_id=True))


def statement(kept: Kept, columns: Sequence[str], age_days: int = 0) -> str:
    """Copies the template's rows ($1: its id) once for each of `copies`."""
    cast = "::text" if kept.text_id else ""
    new = {kept.id: f"copies.id{cast}"} | dict.fromkeys(kept.keys, "copies.key")
    new |= {name: f't."{name}" - {age_days * DAY_US}' for name in kept.times if age_days}
    values = ", ".join(new.get(name, f't."{name}"') for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    return f"INSERT INTO {kept.table} ({names}) SELECT {values} FROM {kept.table} AS t, copies WHERE t.{kept.id} = $1::uuid{cast}"


async def fill(urls: Mapping[str, tuple[Kept, ...]], template: UUID, key_chars: int, count: int, age_days: int = 0) -> None:
    """So many copies in each of these databases, under the same ids, and clean ones afterwards."""
    connections = {url: await asyncpg.connect(url) for url in urls}
    try:
        for start in range(0, count, AT_ONCE):
            await _fill(connections, urls, template, key_chars, min(AT_ONCE, count - start), age_days)
        await vacuum(list(connections))
        await next(iter(connections.values())).execute("CHECKPOINT")
    finally:
        for connection in connections.values():
            await connection.close()


async def _fill(
    connections: Mapping[str, Connection],
    urls: Mapping[str, tuple[Kept, ...]],
    template: UUID,
    key_chars: int,
    count: int,
    age_days: int,
) -> None:
    first, *others = connections.values()
    await first.execute("DROP TABLE IF EXISTS copies")
    await first.execute(_KEYS)
    await first.execute(_COPIES.replace("$1", str(key_chars)).replace("$2", str(count)).replace("$3", str(age_days)))
    copies = await first.fetch("SELECT id, key FROM copies")
    for other in others:
        await other.execute("DROP TABLE IF EXISTS copies")
        await other.execute("CREATE TEMPORARY TABLE copies (id uuid, key text)")
        await other.copy_records_to_table("copies", records=[tuple(row) for row in copies])
    for url, connection in connections.items():
        for kept in urls[url]:
            columns = [row[0] for row in await connection.fetch(_COLUMNS, kept.table)]
            if columns:
                await connection.execute(statement(kept, columns, age_days), template)


async def bytes_of(urls: Sequence[str]) -> int:
    """What these databases take on disk."""
    found = 0
    for url in urls:
        connection = await asyncpg.connect(url)
        found += await connection.fetchval("SELECT pg_database_size(current_database())")
        await connection.close()
    return found


async def kept_bytes_of(urls: Sequence[str]) -> int:
    """What the tables of coordinator and kit take in these databases: all but a service's own."""
    found = 0
    for url in urls:
        connection = await asyncpg.connect(url)
        found += await connection.fetchval(_KEPT_BYTES)
        await connection.close()
    return found


async def vacuum(urls: Sequence[str]) -> None:
    """At once what autovacuum does within minutes."""
    for url in urls:
        connection = await asyncpg.connect(url)
        await connection.execute("VACUUM (ANALYZE)")
        await connection.close()
