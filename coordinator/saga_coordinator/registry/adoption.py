"""Schemas that a message names and only the schema registry beside us knows.

A participant may write with the serializer of another world, which lets the registry number its
schemas: 17 instead of the id that the schema has here. Such a schema is fetched, and taken in as by
`saga schema add`: a version of a record that is known here, through the gate, compatible with all
others. It is stored under its own id, and the registry's number is remembered as another name of
it. The number lies outside the range of our ids, so it never hides a schema.

The registry may be away: nothing waits longer than `WAIT_S`, and after a call that failed it is
left alone for a while. What is not found stays unknown, as without a registry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final

import structlog

from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.registry.registration import Act, RegistrationRefused, add_schema
from saga_coordinator.registry.schema_registry import RegistryAway, SchemaRegistry
from saga_coordinator.store.port import Store
from saga_messaging.clock import Clock
from saga_schemas.errors import SchemaRefused
from saga_schemas.gate import full_name_of
from saga_schemas.ids import parse_number
from saga_schemas.limits import INT32_MAX
from saga_schemas.records import NAMESPACE
from saga_schemas.schema import OWN_IDS, Schema, load_json

SCOPE: Final = "registry_id"
"""Of the rows in `control`: name is the registry's number, value our id."""
WAIT_S: Final = 1.0
"""The longest that a batch of messages waits for the registry."""
LEFT_ALONE_S: Final = 30.0
"""How long it is not asked after a call that failed."""
REMEMBERED_S: Final = 60.0
"""How long an id that came to nothing is not asked again."""
MOST_REMEMBERED: Final = 1_000
"""Such ids at a time: beyond them nothing is asked. Anybody can invent ids."""
MOST_NUMBERS: Final = 10_000
"""Numbers of a registry that are known here."""


class Adoption:
    """Looks schemas up in the registry."""

    def __init__(
        self, *, registry: SchemaRegistry, store: Store, definitions: DefinitionCache, clock: Clock, tenant: str
    ) -> None:
        self._registry = registry
        self._store = store
        self._definitions = definitions
        self._clock = clock
        self._tenant = tenant
        self._in_vain: dict[int, float] = {}
        """Until when each id is not asked again."""
        self._alone_until_s = 0.0
        self._away = False
        self._numbers = 0
        self._log = structlog.get_logger("schema_registry")

    async def refresh(self) -> None:
        """Learn the numbers that are stored. Raises StoreError."""
        rows = await self._store.control(SCOPE, self._tenant)
        self._numbers = len(rows)
        for name, value in rows.items():
            number, own = parse_number(name, INT32_MAX), parse_number(value, INT32_MAX)
            schema = None if own is None else self._definitions.catalog.by_id(own)
            if number is not None and number not in OWN_IDS and schema is not None:
                self._definitions.catalog.alias(number, schema)

    async def seek(self, ids: Collection[int]) -> None:
        """Take in what the registry has of these. Raises StoreError."""
        await self.refresh()
        now_s = self._clock.monotonic_s()
        self._in_vain = {schema_id: until_s for schema_id, until_s in self._in_vain.items() if until_s > now_s}
        if now_s < self._alone_until_s or len(self._in_vain) >= MOST_REMEMBERED:
            return
        catalog = self._definitions.catalog
        wanted = [one for one in sorted(ids) if one <= INT32_MAX and one not in self._in_vain and catalog.by_id(one) is None]
        try:
            async with asyncio.timeout(WAIT_S):
                found = {schema_id: await self._registry.document(schema_id) for schema_id in wanted}
        except (RegistryAway, TimeoutError) as error:
            self._failed(error)
            return
        if wanted:
            self._away = False
        for schema_id, document in found.items():
            if not await self._taken_in(schema_id, document):
                self._in_vain[schema_id] = self._clock.monotonic_s() + REMEMBERED_S

    def _failed(self, error: Exception) -> None:
        """Told once an outage."""
        self._alone_until_s = self._clock.monotonic_s() + LEFT_ALONE_S
        if not self._away:
            self._log.warning("schema_not_fetched", error=str(error) or f"no answer within {WAIT_S:g} s")
        self._away = True

    async def _taken_in(self, schema_id: int, document: str | None) -> bool:
        if document is None:
            return False
        try:
            schema = self._checked(schema_id, document)
            act = Act(who="schema registry", why=f"a message names its id {schema_id}")
            await add_schema(self._store, self._definitions, subject=None, document=schema.document, tenant=self._tenant, act=act)
            await self._number(schema_id, schema, act)
        except (SchemaRefused, RegistrationRefused) as refused:
            self._log.warning("fetched_schema_refused", schema_id=schema_id, error=_why(refused))
            return False
        self._log.info("schema_fetched", schema_id=schema_id, record=schema.full_name, stored_as=schema.id)
        return True

    def _checked(self, schema_id: int, document: str) -> Schema:
        """The schema, when it is a version of a record that is known here. Raises SchemaRefused."""
        parsed = load_json(document)
        name = full_name_of(parsed)
        if name is None or name.startswith(NAMESPACE) or not self._definitions.catalog.named(name):
            raise SchemaRefused("it is of no record that is registered here")
        schema = Schema.parse(parsed)
        if schema_id in OWN_IDS and schema.id != schema_id:
            raise SchemaRefused(f"the id is made from the schema, and that would be {schema.id}")
        if schema_id not in OWN_IDS and self._numbers >= MOST_NUMBERS:
            raise SchemaRefused(f"{MOST_NUMBERS} numbers of the registry are known here already")
        return schema

    async def _number(self, schema_id: int, schema: Schema, act: Act) -> None:
        if schema_id in OWN_IDS:
            return
        async with self._store.transaction() as tx:
            await tx.set_control(
                scope=SCOPE, tenant=self._tenant, name=str(schema_id), value=str(schema.id), who=act.who, why=act.why
            )
        self._numbers += 1
        self._definitions.catalog.alias(schema_id, schema)


def _why(refused: SchemaRefused | RegistrationRefused) -> str:
    reasons = refused.reasons if isinstance(refused, RegistrationRefused) else ()
    return "; ".join((str(refused), *reasons[:1]))[:500]
