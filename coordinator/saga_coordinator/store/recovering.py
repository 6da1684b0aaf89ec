"""The statements of a recovery that goes on: which sagas are recovering, whom they wait for, and
what the control table says of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Executable, bindparam, delete, exists, func, select

from saga_coordinator.store import schema
from saga_coordinator.store.dialect import AnySelect, Insert, insert_or
from saga_schemas.record_class import record

SCOPE: Final = "recovery"
INCARNATION: Final = "incarnation"
"""The incarnation that open sagas are recovered to."""
ANSWERED: Final = "answered"
"""The latest incarnation in which all have answered."""
SWEPT: Final = "swept"
"""The latest incarnation in which all participants' rows were read."""
SAGAS: Final = "sagas"
"""How many sagas were open when it began."""
WHO: Final = "coordinator"


@record
class Recovering:
    """How many sagas are recovering, and whom they wait for."""

    sagas: int
    to_ask: int
    """Those that have not been asked yet."""
    unanswered: Mapping[str, int]
    """Sagas by participant that has not answered them. One saga may wait for several."""

    @classmethod
    def of(cls, waits: Mapping[str, int]) -> Recovering:
        """`waits`: sagas by the participants they wait for, by comma."""
        unanswered: Counter[str] = Counter()
        for waits_for, count in waits.items():
            unanswered.update({name: count for name in waits_for.split(",") if name})
        return cls(sagas=sum(waits.values()), to_ask=waits.get("", 0), unanswered=dict(sorted(unanswered.items())))


def is_going_on(control: Mapping[str, str]) -> bool:
    """What the rows of the scope say: sagas of an older incarnation may still be there."""
    return INCARNATION in control and control[INCARNATION] != control.get(ANSWERED)


def is_sweeping(control: Mapping[str, str]) -> bool:
    """Participants may have rows that were not read since the restore."""
    return INCARNATION in control and control[INCARNATION] != control.get(SWEPT)


def is_open(control: Mapping[str, str]) -> bool:
    """The recovery is: nothing new may be announced, and no saga removed."""
    return is_going_on(control) or is_sweeping(control)


def counts() -> AnySelect:
    """Only open sagas count: each has a wake-up."""
    t = schema.recovering
    is_open = exists().where(schema.wakeup.c.saga_id == t.c.saga_id)
    return select(t.c.waits_for, func.count()).where(is_open).group_by(t.c.waits_for)


def ending(dialect: str, tenant: str, incarnation: int) -> Insert:
    """Of several instances one touches a row."""
    return _noting(dialect, tenant, ANSWERED, incarnation, "all have answered")


def swept(dialect: str, tenant: str, incarnation: int) -> Insert:
    """The same, of the sweep. 0: it goes on."""
    return _noting(dialect, tenant, SWEPT, incarnation, "which participants have told all their rows")


def _noting(dialect: str, tenant: str, name: str, incarnation: int, why: str) -> Insert:
    t = schema.control
    row = {"scope": SCOPE, "tenant": tenant, "name": name, "value": str(incarnation), "who": WHO, "why": why}
    new = insert_or(dialect, t, row)
    changed = {column: new.excluded[column] for column in ("value", "who", "why")}
    return new.on_conflict_do_update(
        index_elements=["scope", "tenant", "name"], set_=changed, where=t.c.value != new.excluded.value
    )


def notes(dialect: str, waits: Mapping[UUID, str | None]) -> Iterator[tuple[Executable, list[dict[str, Any]]]]:
    """Statements with their rows."""
    t = schema.recovering
    put = [{"saga_id": id, "waits_for": waits_for} for id, waits_for in sorted(waits.items()) if waits_for is not None]
    gone = [{"gone": id} for id, waits_for in sorted(waits.items()) if waits_for is None]
    if put:
        new = insert_or(dialect, t, {"saga_id": bindparam("saga_id"), "waits_for": bindparam("waits_for")})
        yield new.on_conflict_do_update(index_elements=["saga_id"], set_={"waits_for": new.excluded.waits_for}), put
    if gone:
        yield delete(t).where(t.c.saga_id == bindparam("gone", type_=t.c.saga_id.type)), gone
