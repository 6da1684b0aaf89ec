"""`saga participant check` on a program of examples/payment-go: its bodies, its processes, their
database."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from saga_cli.conformance.case import Case, Result
from saga_cli.conformance.check import check
from saga_cli.conformance.given import Body, Given, Part, Patience
from saga_cli.dev.process import free_port
from saga_messaging.kafka import KafkaBroker, SidewaysProducer
from saga_messaging.settings import KafkaSettings
from saga_schemas.files import read_schemas
from saga_schemas.topics import Topics
from support.paths import DEMO
from support.processes import SagaProcess, clean_environ

PATIENCE: Final = Patience(start_s=120, reply_s=120, later_s=120, quiet_s=0.2)
REVIEWED: Final = 5_000
"""Cents: charges above 2,000 are accepted, and answered later."""
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
    """Kills all processes and starts them; counts in their database."""

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


@dataclass(kw_only=True)
class CheckedPayment:
    """Processes of one program, on topics of their own."""

    program: Path
    folder: Path
    """For their logs."""
    kafka: str
    database: str
    count: int = 2
    review_s: float = 6.0
    """Commands of a case come before the end of accepted work, on a machine at work too."""
    patience: Patience = PATIENCE

    def __post_init__(self) -> None:
        self.prefix = f"go-{uuid.uuid4().hex[:8]}."

    async def results(self, cases: Sequence[Case]) -> list[Result]:
        """Start the processes, play the cases, and stop them."""
        settings = KafkaSettings(bootstrap_servers=self.kafka, topic_prefix=self.prefix)
        processes = tuple(self._process(number) for number in range(1, self.count + 1))
        pool = await asyncpg.create_pool(self.database.replace("postgresql+asyncpg:", "postgresql:", 1), min_size=1, max_size=4)
        broker, sideways = KafkaBroker(settings), SidewaysProducer(settings)
        outside = Outside(processes, pool)
        try:
            await outside.start()
            given = Given(participant="payment", bodies=BODIES, patience=self.patience)
            schemas = read_schemas(DEMO / "schemas")
            return await check(broker, Topics(self.prefix), given, cases, schemas=schemas, sideways=sideways, outside=outside)
        finally:
            await sideways.stop()
            await broker.stop()
            await pool.close()
            for process in processes:
                await process.stop()

    def _process(self, number: int) -> SagaProcess:
        port = free_port()
        environ = clean_environ() | {
            "SAGA_KAFKA_BOOTSTRAP_SERVERS": self.kafka,
            "SAGA_KAFKA_SESSION_TIMEOUT_MS": "6000",
            "SAGA_TOPIC_PREFIX": self.prefix,
            "SAGA_INSTANCE": f"payment-{number}",
            "SAGA_PAYMENT_DATABASE_URL": self.database,
            "PAYMENT_HEALTH_PORT": str(port),
            "PAYMENT_REVIEW_ABOVE": "2000",
            "PAYMENT_REVIEW_MS": str(round(self.review_s * 1000)),
        }
        ready = f"http://127.0.0.1:{port}/readyz"
        return SagaProcess(f"payment-{number}", environ=environ, folder=self.folder, ready_url=ready, program=str(self.program))
