"""An instance's cache of definitions and schemas: read from the store, compiled once, refreshed
within two seconds of a change.

A compiled definition never changes, because a saga is pinned to a hash. What changes is which
definitions exist and which are active. An unknown definition id is looked up at once. So an
instance can run a saga that another one started without waiting for a refresh.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from typing import Protocol

from saga_coordinator.definitions.compile import CompiledDefinition, compile_definition
from saga_coordinator.definitions.document import Document
from saga_coordinator.store.port import DefinitionRow, SchemaRow, Store
from saga_schemas.catalog import Catalog
from saga_schemas.records import OWN
from saga_schemas.schema import Schema

MOST_SOUGHT = 20
"""Most unknown schema ids that are looked up every second or two, for messages and for HTTP each.
The bound is there because anybody can invent ids."""


class DefinitionMissing(Exception):
    """A saga is pinned to a definition that cannot be loaded; the message says why."""


class SchemasElsewhere(Protocol):
    """A place beyond the store where schemas may be found: adoption.py is one."""

    async def refresh(self) -> None:
        """Learn what the store has of it. Raises StoreError."""
        ...

    async def seek(self, ids: Collection[int]) -> None:
        """Take in what there is of these schemas. Raises StoreError."""
        ...


class _Looks:
    """Looks at the store that may overlap. What was found by the one that began last counts.

    A look that began before a registration may end after it: what it found is older.
    """

    def __init__(self) -> None:
        self._begun = self._ended = 0

    def begin(self) -> int:
        self._begun += 1
        return self._begun

    def end(self, look: int) -> bool:
        """Note that it ended. Returns whether it counts: none that began later ended before."""
        self._ended = max(self._ended, look)
        return self._ended == look


class DefinitionCache:
    """Definitions by id, by name and version, and the active one of each name; schemas by id."""

    def __init__(self, store: Store, tenant: str) -> None:
        self._store = store
        self._tenant = tenant
        self._looks, self._schema_looks = _Looks(), _Looks()
        self._rows: dict[int, DefinitionRow] = {}
        self._compiled: dict[int, CompiledDefinition] = {}
        self._schema_ids: set[int] = set()
        self.schema_rows: tuple[SchemaRow, ...] = ()
        """Every stored schema, with its subject and version there."""
        self._in_use: frozenset[int] = frozenset()
        self._sought_in_vain: set[int] = set()
        """Schema ids of messages that the store did not have a moment ago."""
        self._asked_in_vain: set[int] = set()
        """The same of ids that were asked over HTTP: they use up no look for messages."""
        self.elsewhere: SchemasElsewhere | None = None
        """Asked for schemas of messages that the store does not have."""
        self.generation = 0
        """Counts the refreshes that found something new."""
        self.changed = asyncio.Event()
        """Set by such a refresh; its reader clears it."""
        self.catalog = Catalog()
        for schema in OWN:
            self.catalog.add(schema)

    async def refresh(self) -> None:
        """Read what others registered or activated, and which definitions open sagas are pinned
        to."""
        look = self._looks.begin()
        await self.refresh_schemas()
        self.seek_again()
        rows = await self._store.definitions(self._tenant)
        in_use = await self._store.open_definition_ids()
        missing = in_use - {row.id for row in rows}
        rows += await self._store.definition_rows(missing) if missing else []
        if not self._looks.end(look):
            return
        found = {row.id: row for row in rows}
        if found != self._rows or in_use != self._in_use:
            self.generation += 1
            self.changed.set()
        self._rows = found
        self._in_use = frozenset(in_use)

    def seek_again(self) -> None:
        """Forget which schemas were sought in vain."""
        self._sought_in_vain.clear()
        self._asked_in_vain.clear()

    async def refresh_schemas(self) -> None:
        look = self._schema_looks.begin()
        rows = tuple(await self._store.schemas())
        if self._schema_looks.end(look):
            self.schema_rows = rows
        for row in rows:
            if row.id not in self._schema_ids:
                self.catalog.add(Schema.parse_json(row.document))
                self._schema_ids.add(row.id)
        if self.elsewhere is not None:
            await self.elsewhere.refresh()

    async def seek_schemas(self, ids: Iterable[int]) -> None:
        """Look up unknown schemas in the store, so that one registered elsewhere a moment ago is
        found."""
        await self._look_up(ids, self._sought_in_vain, self.elsewhere)

    async def schema(self, schema_id: int) -> Schema | None:
        """One schema, for whoever asks over HTTP. Raises StoreError."""
        await self._look_up([schema_id], self._asked_in_vain)
        return self.catalog.by_id(schema_id)

    async def _look_up(self, ids: Iterable[int], in_vain: set[int], elsewhere: SchemasElsewhere | None = None) -> None:
        unknown = {schema_id for schema_id in ids if self.catalog.by_id(schema_id) is None} - in_vain
        if unknown and len(in_vain) < MOST_SOUGHT:
            await self.refresh_schemas()
            unknown = {schema_id for schema_id in unknown if self.catalog.by_id(schema_id) is None}
            if unknown and elsewhere is not None:
                await elsewhere.seek(unknown)
            in_vain |= {schema_id for schema_id in unknown if self.catalog.by_id(schema_id) is None}

    async def get(self, definition_id: int) -> CompiledDefinition:
        """Return the compiled definition of a saga. Raises DefinitionMissing, StoreError."""
        compiled = self._compiled.get(definition_id)
        return compiled if compiled is not None else await self._load(definition_id)

    async def load(self, ids: Iterable[int]) -> dict[int, CompiledDefinition | DefinitionMissing]:
        found: dict[int, CompiledDefinition | DefinitionMissing] = {}
        for definition_id in set(ids):
            try:
                found[definition_id] = await self.get(definition_id)
            except DefinitionMissing as missing:
                found[definition_id] = missing
        return found

    async def _load(self, definition_id: int) -> CompiledDefinition:
        row = self._rows.get(definition_id)
        if row is None:
            rows = await self._store.definition_rows([definition_id])
            if not rows:
                raise DefinitionMissing(f"definition {definition_id} is not in the store")
            row = self._rows[definition_id] = rows[0]
        if any(
            schema_id not in self._schema_ids and self.catalog.by_id(schema_id) is None
            for schema_id in row.reader_schemas.values()
        ):
            await self.refresh_schemas()
        self._compiled[definition_id] = self._compile(row)
        return self._compiled[definition_id]

    def _compile(self, row: DefinitionRow) -> CompiledDefinition:
        pinned: dict[str, Schema] = {}
        for name, schema_id in row.reader_schemas.items():
            schema = self.catalog.by_id(schema_id)
            if schema is None:
                raise DefinitionMissing(f"{row.name}@{row.version}: its schema {name} ({schema_id}) is not in the store")
            pinned[name] = schema
        try:
            return compile_definition(Document.parse(row.document), self.catalog, pinned=pinned)
        except ValueError as error:
            raise DefinitionMissing(f"{row.name}@{row.version}: {error}") from error

    def find(self, name: str, version: int | None) -> DefinitionRow | None:
        """Return the given version, or the active one when `version` is None.

        None when there is no such definition.
        """
        for row in self._rows.values():
            if row.name == name and (row.version == version if version is not None else row.active):
                return row
        return None

    def knows(self, name: str) -> bool:
        return any(row.name == name for row in self._rows.values())

    def rows(self) -> list[DefinitionRow]:
        return sorted(self._rows.values(), key=lambda row: (row.name, row.version))

    async def participants(self) -> frozenset[str]:
        """Return the participants of active definitions, and of definitions with open sagas."""
        wanted = [row.id for row in self._rows.values() if row.active or row.id in self._in_use]
        loaded = await self.load(wanted)
        return frozenset(
            step.participant
            for found in loaded.values()
            if isinstance(found, CompiledDefinition)
            for step in found.definition.steps
        )


__all__ = ["DefinitionCache", "DefinitionMissing"]
