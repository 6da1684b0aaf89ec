"""Goes through the sagas in which a participant takes part, and compares its rows.

Sagas and rows stand in two databases, and move meanwhile. So what does not fit is looked at again,
rows between two looks at its saga: it counts if the saga stood still between these.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, Protocol
from uuid import UUID

from saga_coordinator.definitions.compile import CompiledDefinition
from saga_coordinator.doctor.comparison import BarrierRow, compare, recorded, way_out
from saga_coordinator.engine.encoding import UnreadableState
from saga_coordinator.engine.state import Saga, StepState
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.sagas.stored_saga import read_saga
from saga_coordinator.store.port import SagaRow, Store
from saga_schemas.horizon import Horizon
from saga_schemas.record_class import record

PAGE: Final = 100
"""Sagas that are held at once."""
LOOKS: Final = 5
"""At a saga that moves between any two of them."""

Rows = Mapping[tuple[UUID, str], BarrierRow]
"""By saga and step."""


class ParticipantRows(Protocol):
    """A participant's database."""

    async def of(self, ids: Sequence[UUID]) -> Rows:
        """Return the rows of these sagas."""
        ...

    async def remembered(self) -> Horizon:
        """Return the horizon by which it removes rows."""
        ...


class NoSuchParticipant(Exception):
    """No definition has a step of it; the text says which participants there are."""


@record
class Finding:
    """A row that does not fit its step, or a saga that cannot be compared."""

    saga_id: UUID
    key: str | None
    step: str
    trouble: str
    coordinator: str
    """What the coordinator says."""
    participant: str
    """What the participant says."""
    way_out: str


@record
class _Moment:
    """What holds while a page is compared."""

    horizons: tuple[Horizon, ...]
    incarnation: int
    now_us: int


class Examination:
    """One comparison. Counts what it went through."""

    def __init__(self, store: Store, rows: ParticipantRows, *, tenant: str, participant: str) -> None:
        self._store = store
        self._rows = rows
        self._tenant = tenant
        self._participant = participant
        self._steps: dict[int, frozenset[str]] = {}
        """The participant's steps, by definition."""
        self.sagas = 0
        self.moving = 0
        """Sagas that did not fit, and moved with every look."""
        self.unread: tuple[str, ...] = ()
        """Definitions that cannot be read, and why: their sagas are not compared."""

    async def findings(self) -> AsyncIterator[Finding]:
        """What does not fit, in order of saga ids.

        Raises:
            NoSuchParticipant: Nothing can be compared.
            StoreError: The coordinator's database cannot be read.
        """
        await self._learn()
        after: UUID | None = None
        while ids := await self._store.saga_ids(self._tenant, self._steps, after=after, limit=PAGE):
            after = ids[-1]
            async for finding in self._page(ids):
                yield finding

    async def _learn(self) -> None:
        definitions = DefinitionCache(self._store, self._tenant)
        loaded = await definitions.load([row.id for row in await self._store.definitions(self._tenant)])
        self.unread = tuple(sorted(str(one) for one in loaded.values() if not isinstance(one, CompiledDefinition)))
        named: set[str] = set()
        for definition_id, compiled in loaded.items():
            if isinstance(compiled, CompiledDefinition):
                named.update(step.participant for step in compiled.definition.steps)
                steps = frozenset(s.name for s in compiled.definition.steps if s.participant == self._participant)
                if steps:
                    self._steps[definition_id] = steps
        if not self._steps:
            there = ", ".join(sorted(named)) or "none"
            raise NoSuchParticipant(f"no definition has a step of {self._participant}; participants: {there}")

    async def _page(self, ids: Sequence[UUID]) -> AsyncIterator[Finding]:
        left: Sequence[UUID] = ids
        versions: dict[UUID, int] = {}
        for look in range(LOOKS):
            rows = await self._rows.of(left)
            moment = await self._moment()
            sagas = await self._store.sagas([id for id in left if not any(h.covers(id) for h in moment.horizons)])
            if look == 0:
                self.sagas += len(sagas)
            found = {id: await self._of_saga(sagas[id], rows, moment) for id in sorted(sagas)}
            for saga_id, findings in found.items():
                if versions.get(saga_id) == sagas[saga_id].version:
                    for finding in findings:
                        yield finding
            versions, before = {id: sagas[id].version for id, findings in found.items() if findings}, versions
            left = [id for id, version in versions.items() if before.get(id) != version]
            if not left:
                return
        self.moving += len(left)

    async def _moment(self) -> _Moment:
        """Read after the rows: a horizon that covers a saga by now may have cost it its row."""
        return _Moment(
            horizons=((await self._store.horizon(self._tenant)).horizon, await self._rows.remembered()),
            incarnation=(await self._store.meta()).incarnation,
            now_us=await self._store.now_us(),
        )

    async def _of_saga(self, row: SagaRow, rows: Rows, moment: _Moment) -> list[Finding]:
        try:
            saga = await read_saga(self._store, row)
        except UnreadableState as unreadable:
            return [_unreadable(row, unreadable)]
        steps = [(name, saga.steps[name]) for name in sorted(self._steps[row.definition_id]) if name in saga.steps]
        found = [_of_step(row, saga, name, step, rows.get((row.id, name)), moment) for name, step in steps]
        return [finding for finding in found if finding is not None]


def _of_step(stored: SagaRow, saga: Saga, name: str, step: StepState, row: BarrierRow | None, moment: _Moment) -> Finding | None:
    """None: it fits."""
    known = recorded(saga, step, asks_again=stored.incarnation < moment.incarnation)
    late = stored.max_expiry_us > moment.now_us
    trouble = compare(known, row, run=step.run, final=saga.final, late=late)
    if trouble is None:
        return None
    return Finding(
        saga_id=stored.id,
        key=stored.business_key,
        step=name,
        trouble=trouble,
        coordinator=f"{saga.phase}, {step.status}{_of_run(step.run)}",
        participant="no row" if row is None else f"{row.state}{_of_run(row.run)}",
        way_out=way_out(trouble, step, final=saga.final),
    )


def _of_run(run: int) -> str:
    return f" (run {run})" if run > 1 else ""


def _unreadable(row: SagaRow, error: UnreadableState) -> Finding:
    return Finding(
        saga_id=row.id,
        key=row.business_key,
        step="",
        trouble="unreadable",
        coordinator=str(error),
        participant="",
        way_out="compare its rows by hand, or with the release that wrote it",
    )
