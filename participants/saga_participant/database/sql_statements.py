"""The statements of a barrier's transaction through SQLAlchemy Core, for both databases.

`now` and `xid` are SQL: the database's clock, and the id of the transaction as text.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Delete, Select, Update, bindparam, delete, literal_column, select, update

from saga_participant.barrier.entry import Entry
from saga_participant.database.joined_statements import BELOW, FLOOR
from saga_participant.database.row_mapping import COLUMNS, REMEMBERED_COLUMNS
from saga_participant.tables import saga_barrier, saga_horizon

_GIVEN: Final = ("saga_id", "step", "tenant", "incarnation", "run", "state", "expires_at")
CHANGING: Final = tuple(name for name in COLUMNS if name not in ("saga_id", "step"))


def claim(insert: Any, now: str, xid: str) -> Any:
    """Makes the row, provisionally; no row comes back when it exists.

    Waits for whoever is making the same one.
    """
    values = {name: bindparam(name, type_=saga_barrier.c[name].type) for name in _GIVEN}
    statement = insert(saga_barrier).values(**values, at=literal_column(now)).on_conflict_do_nothing()
    key = (saga_barrier.c.saga_id, saga_barrier.c.step)
    known: tuple[Any, ...] = (literal_column(BELOW).label("below"), literal_column(FLOOR).label("floor"))
    return statement.returning(*key, saga_barrier.c.at, literal_column(xid).label("xid"), *known)


def given(fresh: Entry) -> dict[str, Any]:
    """What the claim is given."""
    row = fresh.row
    return {
        "saga_id": fresh.saga_id,
        "step": fresh.step,
        "tenant": fresh.tenant,
        "incarnation": row.incarnation,
        "run": row.run,
        "state": row.state.value,
        "expires_at": fresh.expires_at_us,
    }


def lock(now: str, xid: str) -> Select[Any]:
    """Reads the row and keeps it from everybody else until the end of the transaction (on SQLite
    there is nobody else).
    """
    columns = [saga_barrier.c[name] for name in COLUMNS]
    read = {"now": now, "xid": xid, "floor": FLOOR}
    found = select(*columns, *(literal_column(sql).label(name) for name, sql in read.items()))
    key = bindparam("key_saga", type_=saga_barrier.c.saga_id.type)
    return found.where(saga_barrier.c.saga_id == key, saga_barrier.c.step == bindparam("key_step")).with_for_update()


def save(now: str, xid: str) -> Update:
    """Writes the row, in the transaction that claimed it and in no other."""
    values = {name: bindparam(name, type_=saga_barrier.c[name].type) for name in CHANGING}
    key = bindparam("key_saga", type_=saga_barrier.c.saga_id.type)
    where = (
        saga_barrier.c.saga_id == key,
        saga_barrier.c.step == bindparam("key_step"),
        literal_column(xid) == bindparam("key_xid"),
    )
    return update(saga_barrier).where(*where).values(**values, at=literal_column(now))


def forget() -> Delete:
    key = bindparam("key_saga", type_=saga_barrier.c.saga_id.type)
    return delete(saga_barrier).where(saga_barrier.c.saga_id == key, saga_barrier.c.step == bindparam("key_step"))


def remembered() -> Select[Any]:
    columns = [saga_horizon.c[name] for name in REMEMBERED_COLUMNS]
    return select(*columns).where(saga_horizon.c.tenant == bindparam("key_tenant"))
