"""The schemas a process knows, by id and by name. Only gated schemas get in, and two schemas never
share an id. A schema may have other numbers besides: those that a registry gave it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from saga_schemas.errors import SchemaCollision
from saga_schemas.schema import OWN_IDS, Schema


class Catalog:
    """Schemas by id; versions of a name in the order they were added."""

    def __init__(self, schemas: Iterable[Schema] = ()) -> None:
        self._by_id: dict[int, Schema] = {}
        """Also by the numbers of a registry."""
        self._by_own_id: dict[int, Schema] = {}
        self._by_name: dict[str, tuple[Schema, ...]] = {}
        for schema in schemas:
            self.add(schema)

    def add(self, schema: Schema) -> None:
        """Adds a schema; adding it twice is adding it once.

        Raises:
            SchemaCollision: Another schema has its id.
        """
        known = self._by_id.get(schema.id)
        if known is not None:
            if known.canonical != schema.canonical:
                raise SchemaCollision(
                    f"{schema.full_name} and {known.full_name} have one id ({schema.id}): change a default or an alias"
                )
            return
        self._by_id[schema.id] = self._by_own_id[schema.id] = schema
        self._by_name[schema.full_name] = (*self._by_name.get(schema.full_name, ()), schema)

    def alias(self, number: int, schema: Schema) -> None:
        """Know a schema by the number that a registry gave it, too.

        Raises:
            ValueError: The number lies among our own ids.
        """
        if number in OWN_IDS:
            raise ValueError("the ids of schemas are not given out")
        self._by_id[number] = schema

    def by_id(self, schema_id: int) -> Schema | None:
        return self._by_id.get(schema_id)

    def named(self, full_name: str) -> tuple[Schema, ...]:
        """All versions known, oldest first."""
        return self._by_name.get(full_name, ())

    def latest(self, full_name: str) -> Schema | None:
        """The version added last."""
        versions = self.named(full_name)
        return versions[-1] if versions else None

    def __iter__(self) -> Iterator[Schema]:
        return iter(tuple(self._by_own_id.values()))

    def __len__(self) -> int:
        return len(self._by_own_id)
