"""Whether a saga's journal says what is stored of it: its state, its phase, its attention, and the
labels that are computed from its input.

Row, journal and attention are read one after the other while sagas move. So what does not fit is
looked at again, and counts if the saga stood still between two looks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final
from uuid import UUID

from saga_coordinator.doctor.damage import Damage, DamageKind
from saga_coordinator.doctor.judging import literal
from saga_coordinator.doctor.labelling import Labelling
from saga_coordinator.doctor.pace import Pace
from saga_coordinator.engine.encoding import UnreadableState, decode_saga, read_facts
from saga_coordinator.engine.facts import evolve
from saga_coordinator.engine.state import Saga
from saga_coordinator.sagas.stored_saga import facts_print
from saga_coordinator.sagas.work import attention_of
from saga_coordinator.store.port import AttentionRow, JournalRow, SagaRow, Store

LOOKS: Final = 5
_RECORDS: Final = 50
_BUGS: Final = (AssertionError, LookupError, TypeError, ValueError)
_FROM_BACKUP: Final = "compare saga and journal with a backup; no row may be written by hand that the journal does not say"


class Folding:
    """Folds journals and compares."""

    def __init__(self, store: Store, pace: Pace) -> None:
        self._store = store
        self._pace = pace
        self._labelling = Labelling(store)
        self.moving = 0
        """Sagas that did not fit, and moved with every look."""

    @property
    def unread(self) -> Collection[str]:
        """Definitions that cannot be read: labels of their sagas are not compared."""
        return self._labelling.unread

    async def damages(self, ids: Collection[UUID]) -> list[Damage]:
        """What does not fit, of these sagas. Raises StoreError."""
        told: list[Damage] = []
        left, before = list(ids), dict[UUID, int]()
        for look in range(LOOKS):
            if look:
                await self._pace.look_again()
            found = await self._look(left)
            told += [damage for version, damages in found.values() for damage in damages if before.get(_id(damage)) == version]
            before, left = (
                {id: version for id, (version, _) in found.items()},
                [id for id, (version, _) in found.items() if before.get(id) != version],
            )
            if not left:
                return told
        self.moving += len(left)
        return told

    async def _look(self, ids: Collection[UUID]) -> dict[UUID, tuple[int, list[Damage]]]:
        """By saga that does not fit: its version, and how."""
        rows = await self._store.sagas(ids)
        attention = await self._store.attentions(list(rows))
        found: dict[UUID, list[Damage]] = {}
        inputs: dict[UUID, bytes] = {}
        for id, row in rows.items():
            folded = await self._whole(row)
            if isinstance(folded, Damage):
                found[id] = [folded]
            elif folded is not None:
                state = list(_of_state(row, folded))
                found[id] = [*state, *_of_attention(row, folded.saga, attention.get(id, []), self._store.dialect)]
                if not state:
                    inputs[id] = folded.saga.input
        for damage in await self._labelling.damages([rows[id] for id in inputs], inputs):
            found[_id(damage)].append(damage)
        return {id: (rows[id].version, damages) for id, damages in found.items() if damages}

    async def _whole(self, row: SagaRow) -> _Folded | Damage | None:
        """None: the journal is not whole, which is told elsewhere."""
        try:
            return await self._folded(row)
        except (UnreadableState, *_BUGS) as error:
            said = str(error) if isinstance(error, UnreadableState) else f"its journal does not fold: {type(error).__name__}"
            return _damage(row, DamageKind.STATE_UNREADABLE, said, "upgrade this release, or restore the rows from a backup")

    async def _folded(self, row: SagaRow) -> _Folded | None:
        stored = decode_saga(str(row.id), row.state, row.state_format) if row.state_version else None
        fold, after = _Fold(row, stored), 0
        while after < row.version:
            page = await self._store.journal(row.id, after=after, limit=min(_RECORDS, row.version - after))
            for record in page:
                fold.add(record)
            if not page:
                break
            after = page[-1].version
        if fold.version == 0 and stored is not None and row.state_version == row.version:
            return _Folded(stored, row.facts_print, True)  # its journal is not kept
        return fold.end() if fold.version == row.version and not fold.gap else None


class _Folded:
    """What a whole journal says."""

    def __init__(self, saga: Saga, print: int, state_fits: bool) -> None:
        self.saga, self.print, self.state_fits = saga, print, state_fits


class _Fold:
    """A journal while it is read."""

    def __init__(self, row: SagaRow, stored: Saga | None) -> None:
        self._row, self._stored = row, stored
        self._saga: Saga | None = None
        self._print = 0
        self._state_fits = True
        self.version = 0
        self.gap = False

    def add(self, record: JournalRow) -> None:
        if self.gap or record.version != self.version + 1:
            self.gap = True
            return
        self._saga = evolve(self._saga, read_facts(record))
        self._print = facts_print(self._print, record.facts)
        self.version = record.version
        if self.version == self._row.state_version:
            self._state_fits = self._saga == self._stored

    def end(self) -> _Folded:
        assert self._saga is not None, "a whole journal has a record"
        return _Folded(self._saga, self._print, self._state_fits)


def _of_state(row: SagaRow, folded: _Folded) -> Iterator[Damage]:
    saga = folded.saga
    differing = {
        "the stored state": not folded.state_fits,
        f"the phase {row.phase}": saga.phase.value != row.phase,
        "the time of its end": saga.closed_at_us != row.closed_at_us,
        "the business key": saga.key != row.business_key,
        "the fingerprint of its journal": folded.print != row.facts_print,
    }
    for what in (what for what, differs in differing.items() if differs):
        yield _damage(row, DamageKind.STATE_DIFFERS, f"{what} is not what its journal says", _FROM_BACKUP, part=what)


def _of_attention(row: SagaRow, saga: Saga, rows: Iterable[AttentionRow], dialect: str) -> Iterator[Damage]:
    there, due = {(one.step, one.reason) for one in rows}, attention_of(saga)
    id = literal(dialect, row.id)
    for step, reason in sorted(there - due):
        at = f"saga_id = {id} AND step = {literal(dialect, step)} AND reason = {literal(dialect, reason)}"
        evidence = f"{step or 'the saga'} asks for a person ({reason}) in the table, and not in its state"
        way_out = "delete the row, and count the line's attention anew"
        sql = f"DELETE FROM attention WHERE {at}"
        yield _damage(row, DamageKind.ATTENTION_LEFT, evidence, way_out, sql, part=f"{step} {reason}")
    for step, reason in sorted(due - there):
        values = f"{id}, {literal(dialect, step)}, {literal(dialect, reason)}, {row.started_at_us}, ''"
        evidence = f"{step or 'the saga'} asks for a person ({reason}) in its state, and on no list"
        sql = f"INSERT INTO attention (saga_id, step, reason, since, note) VALUES ({values})"
        yield _damage(row, DamageKind.ATTENTION_MISSING, evidence, "write the row, and count anew", sql, part=f"{step} {reason}")


def _damage(row: SagaRow, kind: DamageKind, evidence: str, way_out: str, sql: str | None = None, *, part: str = "") -> Damage:
    return Damage(kind=kind, saga_id=row.id, key=row.business_key, evidence=evidence, way_out=way_out, sql=sql, part=part)


def _id(damage: Damage) -> UUID:
    assert damage.saga_id is not None, "each is of a saga"
    return damage.saga_id
