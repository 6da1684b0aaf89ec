"""From what a batch changes (`SagaWrite`) to the hot statements that write it.

Nothing here talks to a database. Statements of one group touch different rows and may run as one;
groups run in order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from saga_coordinator.store import statements as sql
from saga_coordinator.store.labels import label_row
from saga_coordinator.store.port import Advance, CountMismatch, JournalRow, SagaRow, SagaWrite
from saga_coordinator.store.rows import JOURNAL_FIELDS, SAGA_COLUMNS, SAGA_FIELDS
from saga_coordinator.store.statements import Statement, Write

Group = list[Write]


def groups_of(writes: Sequence[SagaWrite], locked: Mapping[UUID, SagaRow], adopted: Collection[UUID] = ()) -> list[Group]:
    """The statements of a save.

    Args:
        writes: What is saved.
        locked: The rows as this transaction locked them.
        adopted: New sagas that may begin although no other starts there.
    """
    ordered = sorted(writes, key=lambda write: write.row.id)
    _check(ordered, locked)
    touched = [write for write in ordered if _touches_attention(write)]
    relist = [write for write in ordered if _touches_attention(write) or (write.relist and write.expected_version is not None)]
    main = [*_sagas(ordered, locked, adopted), *_journal(ordered), *_wakeups(ordered, locked)]
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


def _sagas(writes: Sequence[SagaWrite], locked: Mapping[UUID, SagaRow], adopted: Collection[UUID]) -> Iterator[Write]:
    new = [write.row for write in writes if write.expected_version is None]
    yield from _write(sql.INSERT_SAGA, [_inserted(row) for row in new if row.id not in adopted])
    yield from _write(sql.INSERT_ADOPTED_SAGA, [_inserted(row) for row in new if row.id in adopted])
    yield from _write(
        sql.INSERT_LISTING,
        [(r.tenant, r.id, r.business_key, r.trace_id, r.started_at_us, r.phase, r.closed_at_us, r.definition_id) for r in new],
    )
    labels = [label_row(w.row.tenant, w.row.id, name, value) for w in writes for name, value in w.labels]
    yield from _write(sql.INSERT_LABEL, labels)
    moved: list[tuple[Any, ...]] = []
    stated: list[tuple[Any, ...]] = []
    for write in writes:
        if write.expected_version is None:
            continue
        before = locked[write.row.id]
        known = (write.expected_version, before.facts_print, before.wake_at_us)
        if write.row.state_version == before.state_version:
            moved.append((*_changed(write.row), *known))
        else:
            stated.append((*_stated(write.row), *known))
    yield from _write(sql.UPDATE_SAGA, moved)
    yield from _write(sql.UPDATE_STATE, stated)


_SAGA_FIELD: Final = dict(zip(SAGA_COLUMNS, SAGA_FIELDS, strict=True))
_inserted: Final[Callable[[SagaRow], tuple[Any, ...]]] = attrgetter(*SAGA_FIELDS)


def _values_of(columns: str) -> Callable[[SagaRow], tuple[Any, ...]]:
    return attrgetter("id", *(_SAGA_FIELD[column] for column in columns.split(", ")))


_changed: Final = _values_of(sql.SAGA_CHANGES)
_stated: Final = _values_of(sql.STATE_CHANGES)
_journaled: Final[Callable[[JournalRow], tuple[Any, ...]]] = attrgetter(*JOURNAL_FIELDS)


def _journal(writes: Sequence[SagaWrite]) -> Iterator[Write]:
    yield from _write(
        sql.INSERT_JOURNAL,
        [_journaled(record) for write in writes for record in write.journal],
    )
    yield from _write(sql.INSERT_OUTBOX, [(r.shard, r.id, r.saga_id, r.version, r.ord) for write in writes for r in write.outbox])
    yield from _write(sql.INSERT_SPAN_DUE, [(write.row.id, version) for write in writes for version in write.spans_due])
    yield from _write(sql.DELETE_INBOX, [(id,) for write in writes for id in write.inbox_done])


def _wakeups(writes: Sequence[SagaWrite], locked: Mapping[UUID, SagaRow]) -> Iterator[Write]:
    new: list[tuple[Any, ...]] = []
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
            (new if write.expected_version is None else put).append((write.row.id, after))
    yield from _write(sql.NEW_WAKEUP, new)
    yield from _write(sql.PUT_WAKEUP, put)
    yield from _write(sql.DELETE_WAKEUP, gone)


def _attention(writes: Sequence[SagaWrite]) -> list[Group]:
    cleared = [(write.row.id, step, reason) for write in writes for step, reason in write.attention_cleared]
    added = [(r.saga_id, r.step, r.reason, r.since_us, r.note) for write in writes for r in write.attention_added]
    return [_write(sql.CLEAR_ATTENTION, cleared), _write(sql.ADD_ATTENTION, added)]


def outbox_deletions(rows: Collection[tuple[int, UUID]]) -> Group:
    """Outbox rows to delete, by shard and id."""
    return _write(sql.DELETE_OUTBOX, sorted(rows))


def restarts(advances: Iterable[Advance]) -> Group:
    """Positions in topics that replaced others."""
    return _write(sql.RESTART, [_position(one) for one in _ordered(advances) if one.restart])


def moves(advances: Iterable[Advance]) -> Group:
    """Positions that move on."""
    return _write(sql.ADVANCE, [(*_position(one), one.from_offset) for one in _ordered(advances) if not one.restart])


def first_positions(advances: Iterable[Advance]) -> Group:
    """The same positions, where nothing was stored."""
    return _write(sql.INSERT_POSITION, [_position(one) for one in _ordered(advances) if not one.restart])


def _ordered(advances: Iterable[Advance]) -> list[Advance]:
    return sorted(advances, key=lambda one: (one.topic, one.partition))


def _position(one: Advance) -> tuple[Any, ...]:
    return (one.topic, one.partition, one.next_offset, one.last_print, one.anchor_offset, one.anchor_print)
