"""Builds the common part of the demo's services: the participant, the tables made at its start, the
faults."""

from __future__ import annotations

import os
from dataclasses import dataclass

from sqlalchemy import MetaData, text
from sqlalchemy.ext.asyncio import AsyncEngine

from saga_demo import ledger
from saga_demo.faults import Faults
from saga_demo.settings import SCHEMAS, ServiceSettings, make_folder, settings_from
from saga_demo.spans import Spans
from saga_participant import Participant
from saga_participant.database.transactions import LARGEST_GROUP

_ADVISORY_LOCK = 0x73616764656D6F  # "sagdemo": services that share a database make their tables one after the other


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service without handlers; its module adds them to the participant."""

    participant: Participant
    faults: Faults
    spans: Spans
    settings: ServiceSettings


def build_service(name: str, tables: MetaData, settings: ServiceSettings | None = None) -> Service:
    """Build a service without handlers.

    Args:
        name: Name of the participant.
        tables: Business tables, made at start.
        settings: None: those of the environment.
    """
    chosen = settings or settings_from(os.environ, name)
    faults = Faults(chosen.database_url, allow_crash=chosen.allow_crash)

    async def make_tables(engine: AsyncEngine) -> None:
        make_folder(chosen.database_url)
        async with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            await connection.run_sync(ledger.metadata.create_all)
            await connection.run_sync(tables.create_all)

    participant = Participant(
        name,
        database=chosen.database_url,
        schemas=SCHEMAS,
        on_start=make_tables,
        on_stop=faults.close,
        group=1 if chosen.groups_off else LARGEST_GROUP,
        tracer_provider=chosen.tracer_provider,
    )
    return Service(participant=participant, faults=faults, spans=Spans(chosen), settings=chosen)
