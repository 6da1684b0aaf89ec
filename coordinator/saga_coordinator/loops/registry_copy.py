"""The schema registry beside us, kept as the table `schema` is: every schema under its own id, and
the protocol's records.

It is a copy that nothing here depends on. A registration is done when it is stored; the copy
follows within a second, or when the registry is back. Instances do the same work twice rather than
agree: the second finds it done.

Ids are made from schemas, so a registry has to take them as given (mode IMPORT). One that gives
numbers of its own is told so once, and nothing more is written to it for a while.
"""

from __future__ import annotations

from typing import Final

import structlog

from saga_coordinator.failures import KeyedBackoff, error_fields
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.registry.schema_registry import ImportRefused, RegistryAway, RegistryRefused, SchemaRegistry
from saga_coordinator.registry.subjects import SubjectVersion, stored_and_own
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.clock import Clock

LOOK_EVERY_S: Final = 0.5
"""How soon a schema that was just registered is noticed."""
WHOLE_EVERY_S: Final = 600.0
"""All are compared again: a registry may lose what it had."""
AT_ONCE: Final = 50
"""Schemas of one look."""
_WHOLE: Final = 0
"""The key under which the registry itself pauses; no schema has this id."""


class RegistryCopy:
    """Writes what the registry lacks."""

    def __init__(self, *, registry: SchemaRegistry, definitions: DefinitionCache, clock: Clock, instruments: Instruments) -> None:
        self._registry = registry
        self._definitions = definitions
        self._clock = clock
        self._instruments = instruments
        self._there: set[int] = set()
        """Ids that the registry had when it was last asked."""
        self._unsure: set[int] = set()
        """Those of them that are to be asked again."""
        self._compared_at_s = clock.monotonic_s()
        self._pauses: KeyedBackoff[int] = KeyedBackoff()
        self._trouble = ""
        self._refusals: dict[int, str] = {}
        """What was said last of schemas that it does not take."""
        self._log = structlog.get_logger("schema_registry")

    async def run(self) -> None:
        """Compare and write, until cancelled."""
        while True:
            try:
                await self.look()
            except Exception as error:  # a bug: it must take no saga down with it
                self._pauses.failed(_WHOLE, self._clock.monotonic_s())
                self._instruments.loop_failed("schema_registry")
                self._log.error("failed", **error_fields(error))
            await self._clock.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Once: write some of what is not known to be there."""
        now_s = self._clock.monotonic_s()
        if now_s - self._compared_at_s >= WHOLE_EVERY_S:
            self._unsure = set(self._there)
            self._compared_at_s = now_s
        known = {one.id: one for one in stored_and_own(self._definitions.schema_rows)}
        open_ids = [schema_id for schema_id in known if schema_id not in self._there or schema_id in self._unsure]
        due = self._pauses.ready(open_ids, now_s) if self._pauses.ready([_WHOLE], now_s) else []
        try:
            for schema_id in due[:AT_ONCE]:
                await self._put(known[schema_id])
            if due:
                self._over()
        except (RegistryAway, ImportRefused) as error:
            self._failed(error)
        self._instruments.registry_lacks(len(known.keys() - self._there))

    async def _put(self, one: SubjectVersion) -> None:
        schema = self._definitions.catalog.by_id(one.id)
        assert schema is not None, "the cache parses every row that it has read"
        try:
            if await self._registry.put(schema, one.subject, one.version):
                self._log.info("schema_written", schema_id=one.id, subject=one.subject)
        except ImportRefused:
            raise
        except RegistryRefused as refused:
            self._there.discard(one.id)
            self._pauses.failed(one.id, self._clock.monotonic_s())
            if self._refusals.get(one.id) != str(refused):
                self._log.warning("schema_not_taken", schema_id=one.id, subject=one.subject, error=str(refused))
            self._refusals[one.id] = str(refused)
        else:
            self._there.add(one.id)
            self._pauses.succeeded(one.id)
        self._unsure.discard(one.id)

    def _failed(self, error: Exception) -> None:
        """Told once a reason."""
        self._pauses.failed(_WHOLE, self._clock.monotonic_s())
        self._instruments.registry_failed()
        if self._trouble != str(error):
            self._log.warning("schemas_not_written", error=str(error))
        self._trouble = str(error)

    def _over(self) -> None:
        self._pauses.succeeded(_WHOLE)
        if self._trouble:
            self._log.info("schemas_written_again")
        self._trouble = ""
