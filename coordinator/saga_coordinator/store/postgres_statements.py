"""The statements of a batch on PostgreSQL: many rows and many statements in one round trip.

Rows travel as one array for each column. Statements travel as the data-modifying parts of one WITH;
the row counts of all parts come back in one row. The parts see one snapshot, so only statements
that touch different rows may be joined (`writes.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from saga_coordinator.store.columns import POSTGRES_CLOCK
from saga_coordinator.store.rows import SAGA_COLUMNS
from saga_coordinator.store.statements import INSERT_KEY, INSERT_REQUEST, Statement, Write

CLOCK: Final = f"SELECT {POSTGRES_CLOCK}"

# Sagas in order of their id, so that two batches cannot wait for each other in a circle. The clock
# is read outside the locking query, row by row: the last row's is later than the last lock.
_LOCK: Final = (
    f"SELECT s.*, {POSTGRES_CLOCK} AS clock FROM (SELECT {', '.join(SAGA_COLUMNS)} FROM saga WHERE id = ANY($1::uuid[])"
    " ORDER BY id FOR NO KEY UPDATE{skip}) AS s"
)
LOCK_WAITING: Final = _LOCK.format(skip="")
LOCK_SKIPPING: Final = _LOCK.format(skip=" SKIP LOCKED")

# The same against everybody, those included who only hold a saga in its place.
LOCK_ALONE: Final = LOCK_SKIPPING.replace("FOR NO KEY UPDATE", "FOR UPDATE")

# After an ambiguous commit: wait for whoever holds the saga.
LOCK_ONE: Final = "SELECT id FROM saga WHERE id = $1 FOR NO KEY UPDATE"

# A saga that was being inserted has no row to lock yet. Its journal record's key has: this waits
# until that transaction has ended. It is rolled back at once.
PROBE_JOURNAL: Final = (
    "INSERT INTO journal (saga_id, version, at, kind, engine_rev, format, facts) VALUES ($1, $2, 0, 'probe', 1, 1, '')"
    " ON CONFLICT (saga_id, version) DO NOTHING"
)

# Transactions that may insert sagas and may not see what is committed by now. A statement locks its
# tables before it takes its snapshot, and the locks stay until its transaction ends. So one that
# has no lock yet will see it.
UNDER_WAY: Final = (
    "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND relation = 'saga'::regclass"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND mode = 'RowExclusiveLock' AND granted"
)

READ_FACTS: Final = "SELECT facts FROM journal WHERE saga_id = $1 AND version = $2"

CLOCK_TOLERANCE_US: Final = 1_000_000
"""How far the time that was decided by may lie from the database's when it is written."""
LOCK_WAIT_MS: Final = 300
"""For whoever has not locked first. A saga that somebody holds for longer must not hold up others
(L3): locked first, it is left out.
"""
_SHAPES: Final = 512
"""Combinations of statements kept as text; a few dozen occur."""


@lru_cache(maxsize=_SHAPES)
def folded(statements: tuple[Statement, ...]) -> str:
    """Join statements to one text.

    `arguments` makes its arguments; its result is a row of counts.
    """
    parts: list[str] = []
    number = 0
    for position, statement in enumerate(statements):
        parts.append(f"w{position} AS ({statement.text.format(rows=_rows(statement, number))} RETURNING 1)")
        number += len(statement.columns)
    counts = ", ".join(f"(SELECT count(*) FROM w{position})" for position in range(len(statements)))
    return f"WITH {', '.join(parts)} SELECT {counts}"


@lru_cache(maxsize=_SHAPES)
def at_once(statements: tuple[Statement, ...]) -> str:
    """Join statements to one text that is a whole transaction: all of it happens or nothing.

    Its last argument is the time that was decided by, its result the database's. It divides by zero
    when a statement touches another number of rows than it was given, or the two times are far
    apart. Locks are waited for a short while only. What is checked stands in the order in which it
    is done: a later part runs when it is counted.
    """
    parts, counts, number = [], [], 0
    for position, statement in enumerate(statements):
        parts.append(f"w{position} AS ({statement.text.format(rows=_rows(statement, number))} RETURNING 1)")
        if not statement.apart:
            counts.append(f"(SELECT count(*) FROM w{position}) = cardinality(${number + 1})")
        number += len(statement.columns)
    near = f"abs({POSTGRES_CLOCK} - ${number + 1}::bigint) <= {CLOCK_TOLERANCE_US}"
    waits = f"set_config('lock_timeout', '{LOCK_WAIT_MS}ms', true) <> ''"
    good = " AND ".join([near, waits, *counts])
    return f"WITH {', '.join(parts)} SELECT 1 / CASE WHEN {good} THEN 1 ELSE 0 END, {POSTGRES_CLOCK}"


def _rows(statement: Statement, number: int) -> str:
    """The input of a statement as a table `i`, from the arguments that follow `number`.

    Each `unnest` stands in the select list, where all advance together. In FROM, PostgreSQL would
    first write each of them into a store of its own.
    """
    columns = (f"unnest(${number + n}::{kind}[]) AS {name}" for n, (name, kind) in enumerate(statement.columns, start=1))
    return f"(SELECT {', '.join(columns)}) AS i"


def arguments(writes: Sequence[Write]) -> list[Any]:
    """Rows turned into columns, one array each."""
    columns: list[Any] = []
    for write in writes:
        columns += zip(*write.rows, strict=True) if write.rows else ((),) * len(write.statement.columns)
    return columns


def _claim() -> str:
    requests, keys = INSERT_REQUEST, INSERT_KEY
    number = len(requests.columns)
    allowed = f"(SELECT * FROM {_rows(keys, number)} WHERE (SELECT count(*) FROM r) = cardinality($1)) AS i"
    return (
        f"WITH r AS ({requests.text.format(rows=_rows(requests, 0))} RETURNING 1),"
        f" k AS ({keys.text.format(rows=allowed)} RETURNING 1)"
        " SELECT (SELECT count(*) FROM r), (SELECT count(*) FROM k),"
        f" CASE WHEN (SELECT count(*) FROM k) >= 0 THEN {POSTGRES_CLOCK} END"
    )


# The claims of a batch of starts: its requests, and then its keys if all requests were new. The
# input of the keys counts the new requests, so that the last request is claimed before any key. The
# clock's CASE counts the new keys, so that it is read after both.
CLAIM: Final = _claim()
