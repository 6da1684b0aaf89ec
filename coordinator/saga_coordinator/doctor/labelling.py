"""Whether labels are those that a saga's definition computes from its input.

Labels are written with the saga, and never change. Those that were given at the start are as they
are: nothing else says what they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID

from saga_coordinator.definitions.compile import CompiledDefinition
from saga_coordinator.doctor.damage import Damage, DamageKind
from saga_coordinator.doctor.judging import literal
from saga_coordinator.engine.definition import MappingFailed
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.store.label_tables import VALUES
from saga_coordinator.store.labels import label_columns
from saga_coordinator.store.port import SagaRow, Store
from saga_schemas.labels import LabelValue, plain_label

_SET: Final = ", ".join(f"{name} = excluded.{name}" for name in VALUES)


class Labelling:
    """Compares labels, of sagas whose definition computes some."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._definitions = DefinitionCache(store, tenant="")  # asked by id only: those of all tenants
        self._unread: dict[int, str] = {}

    @property
    def unread(self) -> Sequence[str]:
        """Definitions that cannot be read, and why: labels of their sagas are not compared."""
        return sorted(self._unread.values())

    async def damages(self, rows: Sequence[SagaRow], inputs: Mapping[UUID, bytes]) -> list[Damage]:
        """Labels that differ. `inputs` has the framed input of each saga. Raises StoreError."""
        computing = await self._computing({row.definition_id for row in rows})
        labelled = [row for row in rows if row.definition_id in computing]
        stored = await self._store.labels_of([row.id for row in labelled])
        return [
            damage
            for row in labelled
            for damage in self._of_saga(row, inputs[row.id], computing[row.definition_id], stored.get(row.id, {}))
        ]

    async def _computing(self, ids: set[int]) -> dict[int, CompiledDefinition]:
        """Those of the definitions that compute labels."""
        found: dict[int, CompiledDefinition] = {}
        for id, loaded in (await self._definitions.load(id for id in ids if id not in self._unread)).items():
            if not isinstance(loaded, CompiledDefinition):
                self._unread[id] = str(loaded)
            elif loaded.document.labels:
                found[id] = loaded
        return found

    def _of_saga(
        self, row: SagaRow, given: bytes, compiled: CompiledDefinition, stored: Mapping[str, LabelValue]
    ) -> Iterator[Damage]:
        try:
            computed = compiled.labels(given)
        except MappingFailed as failure:
            yield _damage(row, "", f"its definition computes no labels from its input: {failure.detail}", None)
            return
        for name in sorted(compiled.document.labels or ()):
            want, have = computed.get(name), stored.get(name)
            if (type(want), want) != (type(have), have):
                evidence = f"its label {name} is {_said(have)}, and its definition computes {_said(want)}"
                yield _damage(row, name, evidence, _statement(row, name, want, self._store.dialect))


def _said(value: LabelValue | None) -> str:
    return "not there" if value is None else repr(plain_label(value))


def _statement(row: SagaRow, name: str, value: LabelValue | None, dialect: str) -> str:
    """Writes the computed value over whatever is there; None: nothing is to be there."""
    if value is None:
        return f"DELETE FROM saga_label WHERE saga_id = {literal(dialect, row.id)} AND name = {literal(dialect, name)}"
    (columns,) = label_columns(row.tenant, row.id, {name: value})
    values = ", ".join(literal(dialect, one) for one in columns.values())
    return f"INSERT INTO saga_label ({', '.join(columns)}) VALUES ({values}) ON CONFLICT (saga_id, name) DO UPDATE SET {_SET}"


def _damage(row: SagaRow, name: str, evidence: str, sql: str | None) -> Damage:
    return Damage(
        kind=DamageKind.LABEL_DIFFERS,
        saga_id=row.id,
        key=row.business_key,
        evidence=evidence,
        way_out="write what is computed: queries find the saga by it" if sql else "compare saga and labels with a backup",
        sql=sql,
        part=name,
    )
