"""`saga participant check` on the payment in Go (examples/payment-go): two processes, one database,
kills in the middle. It passes every case."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from saga_cli.conformance.case import Status
from saga_cli.conformance.cases.every_case import every_case
from saga_cli.conformance.check import check
from saga_cli.conformance.given import Body, Given, Part, Patience
from saga_cli.dev.process import free_port
from saga_messaging.kafka import KafkaBroker, SidewaysProducer
from saga_messaging.settings import KafkaSettings
from saga_schemas.files import read_schemas
from saga_schemas.topics import Topics
from support.paths import DEMO
from support.payment_go import payment_go
from support.processes import SagaProcess, clean_environ

PATIENCE: Final = Patience(start_s=120, reply_s=120, later_s=120, quiet_s=0.2)
REVIEWED: Final = 5_000
"""Cents: charges above 2,000 are accepted, and answered 1.5 seconds later."""
OTHERS: Final = [{"step": name, "kind": "delay", "times": 1, "ms": 1} for name in ("reserve", "ship")]
COUNTS: Final = "SELECT kind, count(*) AS times FROM effect_ledger WHERE saga_id = $1 GROUP BY kind"


def charge(kind: str = "", amount: int = 1250) -> Body:
    """A charge whose step fails so, always."""
    faults = [{"step": "check", "kind": kind, "times": 1_000_000, "ms": 0}] if kind else OTHERS
    fields = {"order_id": "{{unique}}", "account": "a-1", "amount": amount, "reason": "order", "faults": faults}
    return Body(record="shop.ChargeCard", fields=fields)


BODIES: Final = {
    Part.ACTION: charge(),
    Part.REJECT: charge("reject"),
    Part.FAIL: charge("fail"),
    Part.ACCEPT: charge(amount=REVIEWED),
    Part.COMPENSATION: Body(
        record="shop.RefundCard",
        fields={"charge_id": "{{reply.charge_id}}", "order_id": "{{unique}}", "account": "a-1", "amount": 1250},
    ),
}


@dataclass
class Outside:
    """Kills both processes and starts them; counts in their database."""

    processes: tuple[SagaProcess, ...]
    pool: asyncpg.Pool
    counts_effects: bool = True
    kills: bool = True

    async def count_effects(self, saga_id: str, unique: str) -> list[int]:
        found = {row["kind"]: row["times"] for row in await self.pool.fetch(COUNTS, saga_id)}
        return [found.get("action", 0), found.get("compensation", 0)]

    async def kill(self) -> None:
        for process in self.processes:
            await process.kill()

    async def start(self) -> None:
        for process in self.processes:
            await process.start()


async def test_payment_in_go_passes_every_case(tmp_path: Path, kafka_address: str, postgres_url: Callable[[], str]) -> None:
    database, prefix = postgres_url(), f"go-{uuid.uuid4().hex[:8]}."
    settings = KafkaSettings(bootstrap_servers=kafka_address, topic_prefix=prefix)
    processes = tuple(payment(number, tmp_path, kafka_address, prefix, database) for number in (1, 2))
    pool = await asyncpg.create_pool(database.replace("postgresql+asyncpg:", "postgresql:", 1), min_size=1, max_size=4)
    broker, sideways = KafkaBroker(settings), SidewaysProducer(settings)
    outside = Outside(processes, pool)
    try:
        await outside.start()
        given = Given(participant="payment", bodies=BODIES, patience=PATIENCE)
        schemas = read_schemas(DEMO / "schemas")
        found = await check(broker, Topics(prefix), given, every_case(), schemas=schemas, sideways=sideways, outside=outside)
    finally:
        await sideways.stop()
        await broker.stop()
        await pool.close()
        for process in processes:
            await process.stop()

    assert not {result.case.name: result.seen for result in found if result.status is Status.FAILED}
    assert {result.case.name for result in found if result.status is Status.LEFT_OUT} == {
        "failed.compensation-fails",  # nothing makes a refund fail, or say no
        "failed.compensation-is-rejected",
    }


def payment(number: int, folder: Path, kafka: str, prefix: str, database: str) -> SagaProcess:
    port = free_port()
    environ = clean_environ() | {
        "SAGA_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "SAGA_KAFKA_SESSION_TIMEOUT_MS": "6000",
        "SAGA_TOPIC_PREFIX": prefix,
        "SAGA_INSTANCE": f"payment-{number}",
        "SAGA_PAYMENT_DATABASE_URL": database,
        "PAYMENT_HEALTH_PORT": str(port),
        "PAYMENT_REVIEW_ABOVE": "2000",
        "PAYMENT_REVIEW_MS": "1500",
    }
    ready = f"http://127.0.0.1:{port}/readyz"
    return SagaProcess(f"payment-{number}", environ=environ, folder=folder, ready_url=ready, program=str(payment_go()))
