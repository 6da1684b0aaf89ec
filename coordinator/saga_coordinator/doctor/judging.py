"""Whether rows of the coordinator's tables fit together. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

from saga_coordinator.doctor.damage import Damage, DamageKind
from saga_coordinator.store.auditing import key_of
from saga_coordinator.store.auditing_port import Pointer, SagaLook, Table

_DANGLING: Final = {
    Table.WAKEUP: (DamageKind.WAKE_UP_OF_NO_SAGA, "a wake-up"),
    Table.LISTING: (DamageKind.LINE_OF_NO_SAGA, "a line of the lists"),
    Table.ATTENTION: (DamageKind.ATTENTION_OF_NO_SAGA, "a reason for attention"),
    Table.INBOX: (DamageKind.EVENT_OF_NO_SAGA, "an event"),
    Table.RECOVERING: (DamageKind.RECOVERING_OF_NO_SAGA, "a row of a recovery"),
    Table.REQUESTS: (DamageKind.REQUEST_OF_NO_SAGA, "a request id"),
    Table.KEYS: (DamageKind.KEY_OF_NO_SAGA, "a business key"),
    Table.FORMER_KEYS: (DamageKind.KEY_OF_NO_SAGA, "a former business key"),
    Table.LABELS: (DamageKind.LABEL_OF_NO_SAGA, "a label"),
}
_UNRECORDED: Final = {
    Table.OUTBOX: (DamageKind.MESSAGE_WITHOUT_RECORD, "a message of the outbox"),
    Table.SPANS: (DamageKind.SPAN_WITHOUT_RECORD, "a span that is owed"),
}
_ONLY_SAGA: Final = "the saga was deleted by hand, or restored without it; nothing needs the row"
_WAYS_OUT: Final = {
    DamageKind.REQUEST_OF_NO_SAGA: "a start that repeats the request gets a saga that is not there: delete the row, then it may start",
    DamageKind.KEY_OF_NO_SAGA: "no saga can start with this key: delete the row, then it may",
    DamageKind.MESSAGE_WITHOUT_RECORD: "the message cannot be made any more: delete the row; an open saga asks again by itself",
    DamageKind.SPAN_WITHOUT_RECORD: "the span cannot be made any more: delete the row",
}


def of_saga(look: SagaLook, dialect: str) -> Iterator[Damage]:
    """What does not fit beside one saga."""
    yield from _wake_up(look, dialect)
    yield from _line(look, dialect)
    id, is_open = literal(dialect, look.id), look.closed_at_us is None
    if not is_open and look.waits_for is not None:
        yield _damage(
            look,
            DamageKind.RECOVERING_LEFT,
            f"it is {look.phase}, and it is counted as recovering",
            "delete the row: a finished saga waits for nobody",
            f"DELETE FROM recovering WHERE saga_id = {id}",
        )
    if look.definition is None:
        yield _damage(
            look,
            DamageKind.DEFINITION_GONE,
            "its definition is not in the database",
            "restore the row of the table definition from a backup, with its id",
        )
    elif not look.holds_key:
        yield _damage(
            look,
            DamageKind.KEY_LOST,
            "its business key is held by no row that names it, so another saga may start with the key",
            "write the row, unless another saga has the key by now",
            "INSERT INTO saga_key (tenant, business_key, definition_name, saga_id) SELECT s.tenant, s.business_key, d.name, s.id"
            f" FROM saga AS s JOIN definition AS d ON d.id = s.definition_id WHERE s.id = {id}",
        )
    if not _journal_is_whole(look):
        has = f"{look.records} records, from {look.first} to {look.last}" if look.records else "no record"
        yield _damage(
            look,
            DamageKind.JOURNAL_GAP,
            f"it has made {look.version} transitions, and its journal has {has}",
            "restore the missing journal records from a backup; the saga goes on only if its state does not need them",
        )


def _wake_up(look: SagaLook, dialect: str) -> Iterator[Damage]:
    id = literal(dialect, look.id)
    if look.closed_at_us is not None:
        if look.due_at_us is not None:
            yield _damage(
                look,
                DamageKind.WAKE_UP_LEFT,
                f"it is {look.phase}, and it has a wake-up",
                "delete the row: a finished saga is never woken",
                f"DELETE FROM wakeup WHERE saga_id = {id}",
            )
    elif look.due_at_us is None:
        yield _damage(
            look,
            DamageKind.WAKE_UP_MISSING,
            f"it is {look.phase}, and it has no wake-up: only a reply or a person moves it",
            "write the row; it is looked at within a second then",
            f"INSERT INTO wakeup (saga_id, due_at) SELECT id, wake_at FROM saga WHERE id = {id}",
        )
    elif look.due_at_us != look.wake_at_us:
        yield _damage(
            look,
            DamageKind.WAKE_UP_DIFFERS,
            "its wake-up has another time than the saga",
            "write the saga's time",
            f"UPDATE wakeup SET due_at = (SELECT wake_at FROM saga WHERE id = {id}) WHERE saga_id = {id}",
        )


def _line(look: SagaLook, dialect: str) -> Iterator[Damage]:
    id = literal(dialect, look.id)
    if look.listed_phase is None:
        yield _damage(
            look,
            DamageKind.LINE_MISSING,
            "it is on no list",
            "write its line",
            "INSERT INTO saga_listing (tenant, saga_id, definition_name, definition_version, business_key, trace_id, started_at,"
            " phase, closed_at, attention, shelf) SELECT s.tenant, s.id, d.name, d.version, s.business_key, s.trace_id,"
            " s.started_at, s.phase, s.closed_at, (SELECT count(*) FROM attention AS a WHERE a.saga_id = s.id), 1"
            f" FROM saga AS s JOIN definition AS d ON d.id = s.definition_id WHERE s.id = {id}",
        )
        return
    if (look.listed_phase, look.listed_closed_at_us) != (look.phase, look.closed_at_us):
        yield _damage(
            look,
            DamageKind.LINE_DIFFERS,
            f"it is {look.phase}, and lists show it as {look.listed_phase}",
            "write the saga's phase into its line",
            f"UPDATE saga_listing SET phase = (SELECT phase FROM saga WHERE id = {id}), closed_at = (SELECT closed_at FROM saga"
            f" WHERE id = {id}) WHERE saga_id = {id}",
        )
    if look.listed_attention != look.attention:
        yield _damage(
            look,
            DamageKind.LINE_COUNT,
            f"it has {look.attention} reasons for attention, and lists count {look.listed_attention}",
            "count them anew",
            f"UPDATE saga_listing SET attention = (SELECT count(*) FROM attention WHERE saga_id = {id}) WHERE saga_id = {id}",
        )


def _journal_is_whole(look: SagaLook) -> bool:
    """Of a finished saga the whole journal may have gone (`SAGA_RETENTION_JOURNALS`): its state is
    stored then."""
    if look.records == 0:
        return look.closed_at_us is not None and look.state_version == look.version
    return (look.records, look.first, look.last) == (look.version, 1, look.version)


def of_pointer(pointer: Pointer, dialect: str) -> Damage | None:
    """None: the row points to what is there."""
    table = pointer.table
    if table in _UNRECORDED:
        kind, what = _UNRECORDED[table]
        fits = pointer.record
        evidence = f"{what} names a journal record that is not there"
    else:
        kind, what = _DANGLING[table]
        fits = pointer.saga or pointer.kept
        evidence = f"{what} names a saga that is not there"
    if fits:
        return None
    return Damage(
        kind=kind,
        saga_id=pointer.saga_id,
        key=None,
        evidence=evidence,
        way_out=_WAYS_OUT.get(kind, _ONLY_SAGA),
        sql=f"DELETE FROM {table} WHERE {_where(pointer, dialect)}",
        part=f"{table} {pointer.key}",
    )


def _where(pointer: Pointer, dialect: str) -> str:
    pairs = zip(key_of(pointer.table), pointer.key, strict=True)
    return " AND ".join(f"{column.name} = {literal(dialect, value)}" for column, value in pairs)


def literal(dialect: str, value: Any) -> str:
    """The value as SQL text."""
    if value is None:
        return "NULL"
    if isinstance(value, UUID):
        return f"x'{value.hex}'" if dialect == "sqlite" else f"'{value}'"
    if isinstance(value, int | float):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


def _damage(look: SagaLook, kind: DamageKind, evidence: str, way_out: str, sql: str | None = None) -> Damage:
    return Damage(kind=kind, saga_id=look.id, key=look.business_key, evidence=evidence, way_out=way_out, sql=sql)
