"""What a page of a list costs by each kind of query, on PostgreSQL and SQLite.

    python benchmarks/queries.py [--finished 100000] [--open 10000] [--turns 5]
        [--only postgresql] [--plans]

The listing, keys and labels of so many sagas are made by SQL: two labels each, `customer` of 5,000
values and `region` of 4, and `total`, a number; one in a thousand ends FORCED or needs a person.
Each query's first page of 50, and its count, are asked for as the API does. Times are of this
process, in milliseconds: the median and the most of the turns.  `--plans` shows PostgreSQL's plans.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median

from sqlalchemy import Dialect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import create_async_engine

from saga_cli.dev.postgres import PostgresService
from saga_coordinator.query import parse
from saga_coordinator.store import listing
from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import ListFilter, Store
from saga_coordinator.store.reads import SqlStore
from saga_schemas.ids import uuid7

COUNTED_MOST = 10_000
MOST_MS = 200.0
MINUTE_US = 60_000_000
QUERIES = (
    "key = k-77",
    "key in (k-5, k-50000, nobody)",
    'key starts with "k-9999"',
    "key starts with nobody",
    "definition = refund",
    "definition = nobody",
    "version = 2",
    "version = 77",
    "open",
    "phase = RUNNING",
    "phase in (SETTLING, COMPENSATING)",
    "phase = COMPLETED",
    "phase = FORCED",
    "attention",
    "reason = silent",
    "reason is null",
    "started > -1h",
    "started < 2020-01-01",
    "closed between -2h and -1h",
    "duration > 30d",
    "trace = nobody",
    "imported",
    'id = "019b0000-0000-7000-8000-000000000002"',
    'label.customer = "c-77"',
    'label.customer = "nobody"',
    'label.customer starts with "c-77"',
    'label.customer in ("c-1", "c-2", "c-3")',
    'label.customer != "c-77"',
    "label.region = eu",
    "label.region = nowhere",
    "label.region is null",
    "label.total > 99990",
    "label.total between 10 and 20",
    "label.total < 0",
    "label.region = eu and phase = FORCED",
    'label.region = eu and label.customer = "c-77" and open',
    'label.customer = "c-77" or key = k-5',
    'not (label.region = eu or label.region = us) and label.customer = "c-78"',
    "open and label.total > 99000 and started > -90d",
)
_SAGAS = (
    "INSERT INTO saga_listing (tenant, saga_id, definition_name, definition_version, business_key, trace_id, started_at, phase,"
    " closed_at, attention, shelf) SELECT 'default', id, CASE WHEN i % 10 = 0 THEN 'refund' ELSE 'order' END, 1 + i % 2, 'k-' || i,"
    " '00000000000000000000000000000000', at, CASE WHEN i > {finished} THEN CASE WHEN i % 50 = 0 THEN 'COMPENSATING' ELSE 'RUNNING' END"
    " WHEN i % 1000 = 0 THEN 'FORCED' WHEN i % 20 = 0 THEN 'COMPENSATED' ELSE 'COMPLETED' END,"
    " CASE WHEN i > {finished} THEN NULL ELSE at + 1000000 * (i % 60) END, CASE WHEN i % 1000 = 1 THEN 1 ELSE 0 END, 0 FROM n",
    "INSERT INTO saga_key (tenant, business_key, definition_name, saga_id)"
    " SELECT 'default', 'k-' || i, CASE WHEN i % 10 = 0 THEN 'refund' ELSE 'order' END, id FROM n",
    "INSERT INTO attention (saga_id, step, reason, since, note) SELECT id, 'charge', 'silent', at, '' FROM n WHERE i % 1000 = 1",
    "INSERT INTO saga_label (tenant, name, saga_id, text_value) SELECT 'default', 'customer', id, 'c-' || (i * 7919 % 5000) FROM n",
    "INSERT INTO saga_label (tenant, name, saga_id, text_value)"
    " SELECT 'default', 'region', id, CASE i % 4 WHEN 0 THEN 'us' WHEN 1 THEN 'asia' WHEN 2 THEN 'africa' ELSE 'eu' END FROM n",
    "INSERT INTO saga_label (tenant, name, saga_id, number_value) SELECT 'default', 'total', id, i * 7907 % 100000 FROM n",
)
_POSTGRES_SERIES = (
    "CREATE TEMPORARY TABLE n AS SELECT i, uuidv7(make_interval(secs => -({count} - i) * 60)) AS id,"
    " CAST(extract(epoch FROM now() - make_interval(secs => ({count} - i) * 60)) * 1000000 AS bigint) AS at"
    " FROM generate_series(1, {count}) AS i"
)


def series(count: int) -> list[tuple[int, bytes, int]]:
    """Sagas of one a minute, up to now: number, id, start."""
    now_us = time.time_ns() // 1000
    starts = ((i, now_us - (count - i) * MINUTE_US) for i in range(1, count + 1))
    return [(i, uuid7(at_us, i.to_bytes(10)).bytes, at_us) for i, at_us in starts]


async def fill(url: str, finished: int, still_open: int) -> None:
    count = finished + still_open
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        postgres = connection.dialect.name == "postgresql"
        if postgres:
            await connection.exec_driver_sql(_POSTGRES_SERIES.format(count=count))
        else:
            await connection.exec_driver_sql("CREATE TEMPORARY TABLE n (i INTEGER, id BLOB, at INTEGER)")
            await connection.exec_driver_sql("INSERT INTO n VALUES (?, ?, ?)", series(count))
        for statement in _SAGAS:
            await connection.exec_driver_sql(statement.format(finished=finished))
        await connection.exec_driver_sql("VACUUM ANALYZE" if postgres else "SELECT 1")
    await engine.dispose()


async def timed(store: Store, query: str, turns: int) -> tuple[list[float], list[float], int]:
    pages, counts, found = [], [], 0
    asked = parse(query)
    for _ in range(turns):
        begun = time.perf_counter()
        await store.list_sagas(ListFilter(tenant="default", query=asked))
        pages.append((time.perf_counter() - begun) * 1000)
        begun = time.perf_counter()
        found = await store.count_sagas("default", asked, COUNTED_MOST)
        counts.append((time.perf_counter() - begun) * 1000)
    return pages, counts, found


async def plan(store: Store, query: str, *, run: bool = False) -> str:
    """How the database answers a query's page, in its own words."""
    dialect: Dialect = postgresql.dialect() if store.dialect == "postgresql" else sqlite.dialect()  # type: ignore[no-untyped-call]
    page = listing.page(ListFilter(tenant="default", query=parse(query)), store.dialect)
    shown = page.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    explain = "EXPLAIN QUERY PLAN" if store.dialect == "sqlite" else "EXPLAIN (ANALYZE, BUFFERS)" if run else "EXPLAIN"
    assert isinstance(store, SqlStore)
    async with store._bounded() as connection:
        return "\n".join(str(row[-1]) for row in await connection.exec_driver_sql(f"{explain} {shown}"))


async def measure(url: str, options: argparse.Namespace) -> None:
    store = open_store(url)
    await store.upgrade()
    await fill(url, options.finished, options.open)
    await store.start()
    worst = 0.0
    print(f"{store.dialect}: {options.finished} finished and {options.open} open sagas")
    print(f"{'page':>8}{'most':>8}{'count':>8}{'most':>8}{'found':>8}  query")
    for query in QUERIES:
        pages, counts, found = await timed(store, query, options.turns)
        worst = max(worst, median(pages))
        numbers = "".join(f"{number:8.1f}" for number in (median(pages), max(pages), median(counts), max(counts)))
        print(f"{numbers}{found:8}  {query}")
        if options.plans:
            print(await plan(store, query, run=True))
    print(f"slowest page {worst:.1f} ms: {'within' if worst <= MOST_MS else 'BEYOND'} {MOST_MS:.0f} ms")
    await store.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--finished", type=int, default=100_000)
    parser.add_argument("--open", type=int, default=10_000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    parser.add_argument("--plans", action="store_true")
    options = parser.parse_args()
    if options.only != "postgresql":
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(measure(f"sqlite+aiosqlite:///{Path(folder) / 'store.sqlite'}", options))
    if options.only != "sqlite":
        with PostgresService() as postgres:
            asyncio.run(measure(postgres.create_database("queries"), options))


if __name__ == "__main__":
    main()
