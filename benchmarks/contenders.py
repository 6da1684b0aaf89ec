"""The systems of a run, each started on the run's Kafka and PostgreSQL."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

import asyncpg
from bars import BY_HTTP, DTM, FLOOR, GROUPS_OFF, LEAN, OURS, RESTATE, SQLALCHEMY
from cells import Measured
from dialects import Floor, Ours, OursByHttp
from floor import COORDINATOR_TABLES, PARTICIPANT_TABLES
from floor_messages import PARTITIONS
from load import Dialect, Load
from peers.dtm import start_dtm
from peers.restate import start_restate
from system import Bench, System

from saga_messaging.kafka import KafkaBroker
from saga_messaging.settings import KafkaSettings

Watcher: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

VARIANTS: Final[Mapping[str, Mapping[str, str]]] = {
    SQLALCHEMY: {"SAGA_DEMO_LEAN": "0"},
    GROUPS_OFF: {"SAGA_DEMO_GROUPS_OFF": "1"},
}
"""Ours with other settings, each as a system of its own."""


async def contenders(bench: Bench, names: Collection[str], watcher: Watcher) -> dict[str, Measured]:
    """Those with these names, running, in this order."""
    ours = cache(bench.system)
    found: dict[str, Measured] = {}
    for name in names:
        if name == OURS:
            found[name] = on_kafka(bench, name, Ours(ours().topic_prefix), _groups(bench, ours()), watcher)
        elif name == BY_HTTP:
            found[name] = on_kafka(bench, name, OursByHttp(ours().topic_prefix, ours().server), _groups(bench, ours()), watcher)
        elif name in VARIANTS:
            variant = bench.system(name=name.split()[0].lower(), settings=VARIANTS[name])
            found[name] = on_kafka(bench, name, Ours(variant.topic_prefix), _groups(bench, variant), watcher)
        elif name in (FLOOR, LEAN):
            found[name] = await _floor(bench, name, watcher)
        else:
            peer = {DTM: start_dtm, RESTATE: start_restate}[name]
            load, groups = await peer(bench)
            found[name] = Measured(name, load, groups, bench.kafka.directory, watcher)
    return found


def on_kafka(bench: Bench, name: str, dialect: Dialect, groups: Mapping[str, tuple[int, ...]], watcher: Watcher) -> Measured:
    """A system that is started, and announces its ends, on Kafka."""
    kafka = bench.kafka.bootstrap_servers
    return Measured(name, lambda pace: Load(kafka, dialect, pace), groups, bench.kafka.directory, watcher)


def _groups(bench: Bench, ours: System) -> dict[str, tuple[int, ...]]:
    return {"coordinator": (ours.coordinator,), "participants": ours.participants} | bench.services


async def _floor(bench: Bench, name: str, watcher: Watcher) -> Measured:
    lean = name == LEAN
    prefix = "lean." if lean else "floor."
    databases = {role: bench.plain_database(prefix.rstrip(".") + role) for role in ("coordinator", "participants")}
    for role, tables in (("coordinator", COORDINATOR_TABLES), ("participants", PARTICIPANT_TABLES)):
        connection = await asyncpg.connect(databases[role])
        await connection.execute(tables)
        await connection.close()
    kafka = bench.kafka.bootstrap_servers
    broker = KafkaBroker(KafkaSettings(bootstrap_servers=kafka, partitions=PARTITIONS))
    await broker.ensure_topics([f"{prefix}{topic}" for topic in ("starts", "commands", "replies", "events")])
    await broker.stop()
    script = str(Path(__file__).with_name("floor.py"))
    groups = {}
    for role, database in databases.items():
        command = [sys.executable, script, role, "--kafka", kafka, "--database", database, "--prefix", prefix]
        groups[role] = (bench.start(*command, *(["--lean"] if lean else [])),)
    return on_kafka(bench, name, Floor(prefix), groups | bench.services, watcher)
