"""Which of a participant's rows belong to no saga (rule 12 of the model in tests/model). Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from uuid import UUID

from saga_coordinator.store.sweep_records import LostEffect, ParticipantSweep
from saga_coordinator.store.sweep_tables import OPEN
from saga_schemas.errors import BadMessage
from saga_schemas.outcomes import RowState
from saga_schemas.records import SweptRow, SweptRows

Owned = Mapping[UUID, frozenset[tuple[str, str]] | None]
"""Of each saga that is here: its steps with their participants. None: they cannot be read."""
_EFFECTS = frozenset({RowState.DONE, RowState.ACCEPTED})


def check_page(page: SweptRows, asked: ParticipantSweep) -> None:
    """That the page lies behind what was told, in order. Raises BadMessage.

    The order of steps is the participant's database's, so only the order of sagas is judged.
    """
    first = [] if asked.after is None else [asked.after[0]]
    last = [] if page.next is None else [page.next.saga_id]
    sagas = [*first, *(row.saga_id for row in page.rows), *last]
    if sagas != sorted(sagas):
        raise BadMessage("invalid_value", f"{SweptRows.avro_name}.rows: not in the order of saga ids")
    if page.next is not None and not page.rows:
        raise BadMessage("invalid_value", f"{SweptRows.avro_name}.next: nothing was told, and there is to be more")
    if page.next is not None and (page.next.saga_id, page.next.step) == asked.after:
        raise BadMessage("invalid_value", f"{SweptRows.avro_name}.next: where the page began")


def lost_effects(
    rows: Iterable[SweptRow], *, participant: str, owned: Owned, finished: Callable[[UUID], bool], now_us: int
) -> Sequence[LostEffect]:
    """The effects of these rows that no saga owns.

    Args:
        rows: What the participant told.
        participant: Which one.
        owned: The sagas of these rows that are here.
        finished: Whether a saga that is not here was finished and removed.
        now_us: The time, in microseconds.
    """
    return [
        LostEffect(
            saga_id=row.saga_id,
            step=row.step,
            participant=participant,
            run=row.run,
            state=row.state.value,
            beside=row.saga_id in owned,
            found_at_us=now_us,
            status=OPEN,
            definition_hash=row.definition_hash,
            command=row.command,
            reply_record=row.action_record,
            reply=row.action_reply,
        )
        for row in rows
        if row.state in _EFFECTS and not _is_owned(row, participant, owned) and not _is_finished(row, owned, finished)
    ]


def _is_owned(row: SweptRow, participant: str, owned: Owned) -> bool:
    if row.saga_id not in owned:
        return False
    steps = owned[row.saga_id]
    return steps is None or (row.step, participant) in steps


def _is_finished(row: SweptRow, owned: Owned, finished: Callable[[UUID], bool]) -> bool:
    return row.saga_id not in owned and finished(row.saga_id)
