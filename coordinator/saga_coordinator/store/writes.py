"""From what a batch changes (`SagaWrite`) to the hot statements that write it.

Nothing here talks to a database. Statements of one group touch different rows and may run as one; groups run in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from saga_coordinator.store import statements as sql
from saga_coordinator.store.port import CountMismatch, SagaRow, SagaWrite
from saga_coordinator.store.statements import Statement, Write

Group = list[Write]


def groups_of(writes: Sequence[SagaWrite], locked: Mapping[UUID, SagaRow]) -> list[Group]:
    """The statements of a save. `locked`: the rows as this transaction locked them."""
    ordered = sorted(writes, key=lambda write: write.row.id)
    _check(ordered, locked)
    touched = [write for write in ordered if _touches_attention(write)]
    relist = [write for write in ordered if _touches_attention(write) or (write.relist and write.expected_version is not None)]
    main = [*_sagas(ordered), *_journal(ordered), *_wakeups(ordered, locked)]
    listing = _write(sql.UPDATE_LISTING, [(w.row.tenant, w.row.id, w.row.phase, w.row.closed_at_us) for w in relist])
    if not touched:
        return [[*main, *listing]]
    return [main, *_attention(touched), listing]


def _touches_attention(write: SagaWrite) -> bool:
    return bool(write.attention_added or write.attention_cleared)


def _check(writes: Sequence[SagaWrite], locked: Mapping[UUID, SagaRow]) -> None:
    """What no statement's count would show."""
    if len({write.row.id for write in writes}) != len(writes):
        raise CountMismatch("one saga was written twice in one save: its events were not folded")
    for write in writes:
        saga = write.row
        first = (write.expected_version or 0) + 1
        if [(row.saga_id, row.version) for row in write.journal] != [(saga.id, n) for n in range(first, saga.version + 1)]:
            raise CountMismatch(f"saga {saga.id}: the journal rows are not exactly versions {first} to {saga.version}")
        if write.expected_version is None:
            continue
        before = locked.get(saga.id)
        if before is None:
            raise CountMismatch(f"saga {saga.id} was written without having been locked in this transaction")
        if not write.rewake and saga.wake_at_us != before.wake_at_us:
            raise CountMismatch(f"saga {saga.id}: wake_at changed without rewake")


def _write(statement: Statement, rows: Sequence[tuple[Any, ...]]) -> Group:
    return [Write(statement, rows)] if rows else []


def _sagas(writes: Sequence[SagaWrite]) -> Iterator[Write]:
    new = [write.row for write in writes if write.expected_version is None]
    yield from _write(sql.INSERT_SAGA, [_inserted(row) for row in new])
    yield from _write(
        sql.INSERT_LISTING,
        [(r.tenant, r.id, r.definition_id, r.business_key, r.trace_id, r.started_at_us, r.phase, r.closed_at_us) for r in new],
    )
    yield from _write(sql.UPDATE_SAGA, [_updated(write) for write in writes if write.expected_version is not None])


_FIELDS: Final = {name: f"{name}_us" for name in ("started_at", "max_expiry", "wake_at", "closed_at")}
"""A row's times bear their unit, the columns of the tables do not."""
_inserted: Final[Callable[[SagaRow], tuple[Any, ...]]] = attrgetter(*(_FIELDS.get(n, n) for n, _ in sql.INSERT_SAGA.columns))


def _updated(write: SagaWrite) -> tuple[Any, ...]:
    row = write.row
    return (
        row.id,
        write.expected_version,
        row.version,
        row.phase,
        row.incarnation,
        row.engine_rev,
        row.state_format,
        row.state,
        row.wake_at_us,
        row.max_expiry_us,
        row.closed_at_us,
    )


def _journal(writes: Sequence[SagaWrite]) -> Iterator[Write]:
    yield from _write(
        sql.INSERT_JOURNAL,
        [
            (r.saga_id, r.version, r.at_us, r.kind, r.engine_rev, r.format, r.facts, r.actor)
            for write in writes
            for r in write.journal
        ],
    )
    yield from _write(sql.INSERT_OUTBOX, [(r.shard, r.id, r.saga_id, r.version, r.ord) for write in writes for r in write.outbox])
    yield from _write(sql.INSERT_SPAN_DUE, [(write.row.id, version) for write in writes for version in write.spans_due])
    yield from _write(sql.DELETE_INBOX, [(id,) for write in writes for id in write.inbox_done])


def _wakeups(writes: Sequence[SagaWrite], locked: Mapping[UUID, SagaRow]) -> Iterator[Write]:
    put: list[tuple[Any, ...]] = []
    gone: list[tuple[Any, ...]] = []
    for write in writes:
        before = None if write.expected_version is None else locked[write.row.id].wake_at_us
        after = write.row.wake_at_us
        if after == before:
            continue
        if after is None:
            gone.append((write.row.id,))
        else:
            put.append((write.row.id, after))
    yield from _write(sql.PUT_WAKEUP, put)
    yield from _write(sql.DELETE_WAKEUP, gone)


def _attention(writes: Sequence[SagaWrite]) -> list[Group]:
    cleared = [(write.row.id, step, reason) for write in writes for step, reason in write.attention_cleared]
    added = [(r.saga_id, r.step, r.reason, r.since_us, r.note) for write in writes for r in write.attention_added]
    return [_write(sql.CLEAR_ATTENTION, cleared), _write(sql.ADD_ATTENTION, added)]
