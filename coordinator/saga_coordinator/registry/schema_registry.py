"""A schema registry beside this coordinator, as it is used: the port.

It is never trusted and never waited for long. Nothing here decides what an outage means: that is
for the callers (adoption.py, loops/registry_copy.py). confluent_registry.py is the client.
"""

from __future__ import annotations

from typing import Protocol

from saga_schemas.schema import Schema


class RegistryAway(Exception):
    """It does not answer, lets us not in, or has a fault of its own: it may be well later."""


class RegistryRefused(Exception):
    """It will not take this schema; the message has its reason."""


class ImportRefused(RegistryRefused):
    """It takes no schema with an id of ours at all."""


class SchemaRegistry(Protocol):
    """A registry as the coordinator uses it."""

    async def document(self, schema_id: int) -> str | None:
        """The schema of an id as JSON; None when the registry has none. Raises RegistryAway."""
        ...

    async def put(self, schema: Schema, subject: str, version: int) -> bool:
        """See to it that the registry has this schema under its id.

        Returns:
            Whether it was written just now.

        Raises:
            RegistryAway: Not now.
            RegistryRefused: Not this one.
            ImportRefused: None at all.
        """
        ...
