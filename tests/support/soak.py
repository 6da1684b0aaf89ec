"""Years pressed together: sagas are removed seconds after their end, barrier rows as soon as the
horizon has passed them, while orders flow and coordinators are stopped in the middle of anything.
At the end nothing is left but the ledgers. Then every command that was ever sent is sent twice
more, shuffled, and the ledgers say what they said before.

How a saga ended is read from the lifecycle events: its rows are gone by then.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from saga_messaging.background import end_one
from saga_messaging.broker import Record, TopicPartition
from saga_messaging.kafka import KafkaBroker
from saga_messaging.settings import KafkaSettings
from saga_schemas.headers import ReplyHeaders, announcement_kind, decode_reply
from saga_schemas.outcomes import Outcome
from saga_schemas.records import SagaEvent, read_own
from support import ledger, sql
from support.chaos import ends_of
from support.orders import OpenCount, Placing, some_orders, until
from support.shop import DEMO, PARTICIPANTS, Shop
from support.topic_records import records_of, send_again

EXPIRY_S = 5
KEPT_S = 15
"""Longer than a caller repeats its request, and than a command may be accepted."""
SETTINGS = {
    "SAGA_RETENTION_SAGAS": f"{KEPT_S}s",
    "SAGA_RETENTION_ATTENTION": f"{KEPT_S}s",
    "SAGA_RETENTION_RATE": "2000",
    "SAGA_HORIZON_RESTORE_WINDOW": "2s",
    "SAGA_HORIZON_CLOCK_SKEW": "1s",
    "SAGA_HORIZON_INTERVAL": "1s",
}
RUNS_S = (0.1, 1.0)
STOPPED_S = (0.2, 2.0)
COORDINATOR_TABLES = ("saga", "journal", "saga_listing", "saga_key", "start_request", "outbox", "attention")
EMPTY_LIMIT_S = 180.0
READ_LIMIT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """How much."""

    orders: int
    rejected: int
    per_s: float
    floor: int
    stops: int
    """SIGSTOPs of a coordinator at random moments."""
    limit_s: float
    seed: int = 0
    """Of the moments and of the shuffling; 0: any."""


def hurried_definition(folder: Path) -> Path:
    """The demo's definition, whose commands are accepted for some seconds only."""
    text = (DEMO / "order.saga.yaml").read_text()
    hurried = folder / "order.saga.yaml"
    hurried.write_text(text.replace("timeout: {reask: 5s}", f"timeout: {{reask: 2s, expiry: {EXPIRY_S}s}}"))
    return hurried


async def soak(shop: Shop, run: Soak) -> None:
    """Do it all on a shop that is started and knows the definition."""
    seed = run.seed or random.randrange(1, 1_000_000)
    chance = random.Random(seed)
    print(f"\n  soak of {run.orders} orders, seed {seed}")
    placing = Placing(shop.servers)
    await _orders(shop, run, placing, chance)
    await until(lambda: _none_open(shop), run.limit_s, "no saga is open")
    early = await _everything_again(shop, chance)
    await until(lambda: _empty(shop), EMPTY_LIMIT_S, "all tables are empty")
    late = await _everything_again(shop, chance)
    phases = _phases(await records_of(shop.kafka, [f"{shop.topic_prefix}saga.events"]))
    assert set(phases) == set(placing.placed), "one saga an order, no more"
    effects = await ledger.read(shop.ledgers.values())
    wrong = [*ledger.wrongs(effects, phases), *_lies(early + late, effects)]
    assert not wrong, f"{len(wrong)} times wrong:\n" + "\n".join(wrong[:20])
    assert {reply.outcome for reply in late} == {Outcome.EXPIRED}, Counter(reply.outcome for reply in late)
    assert await _empty(shop), "what came late left rows"
    shop.assert_alive()
    told = dict(Counter(reply.outcome.value for reply in early + late))
    print(f"  {dict(Counter(phases.values()))}; {len(effects)} effects are right; all rows are gone; sent again: {told}")


async def _orders(shop: Shop, run: Soak, placing: Placing, chance: random.Random) -> None:
    count = OpenCount(shop.database)
    looking = asyncio.create_task(count.run())
    orders = some_orders(run.orders, rejected=run.rejected)
    try:
        async with asyncio.TaskGroup() as group:
            placed = group.create_task(placing.pace(orders, count, per_s=run.per_s, floor=run.floor, limit_s=run.limit_s))
            stopping = group.create_task(_stop_now_and_then(shop, run.stops, chance))
            await placed
            await stopping
    finally:
        await end_one(looking)


async def _stop_now_and_then(shop: Shop, times: int, chance: random.Random) -> None:
    for _ in range(times):
        await asyncio.sleep(chance.uniform(*RUNS_S))
        process = chance.choice(shop.coordinators)
        os.kill(process.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(chance.uniform(*STOPPED_S))
        finally:
            os.kill(process.pid, signal.SIGCONT)


async def _none_open(shop: Shop) -> bool:
    return int(await sql.value(shop.database, "SELECT count(*) FROM saga WHERE closed_at IS NULL")) == 0


async def _empty(shop: Shop) -> bool:
    """Whether no saga has a row anywhere."""
    own = [await sql.value(shop.database, f"SELECT count(*) FROM {table}") for table in COORDINATOR_TABLES]
    theirs = [await sql.value(url, "SELECT count(*) FROM saga_barrier") for url in shop.ledgers.values()]
    return not any(own + theirs)


def _phases(events: list[Record]) -> dict[str, str]:
    """How each saga ended."""
    told = [read_own(event.value or b"", SagaEvent) for event in events]
    return {str(event.saga_id): event.phase for event in told if event.event == "finished"}


async def _everything_again(shop: Shop, chance: random.Random) -> list[ReplyHeaders]:
    """All that the command topics hold is sent once more, shuffled; what is answered meanwhile."""
    asked, answered = ([f"{shop.topic_prefix}saga.{kind}.{name}" for name in PARTICIPANTS] for kind in ("cmd", "reply"))
    commands = await records_of(shop.kafka, asked)
    chance.shuffle(commands)
    before = await ends_of(shop, answered)
    await send_again(shop.kafka, commands)
    sent = await ends_of(shop, asked)
    await until(lambda: _read_up_to(shop, sent), READ_LIMIT_S, "all of it is read")
    return await _replies(shop, answered, before)


async def _read_up_to(shop: Shop, sent: Mapping[TopicPartition, int]) -> bool:
    """Horizons are announced meanwhile: nobody is ever at the end."""
    broker = KafkaBroker(KafkaSettings(bootstrap_servers=shop.kafka))
    try:
        read: dict[TopicPartition, int] = {}
        for name in PARTICIPANTS:
            topic = f"{shop.topic_prefix}saga.cmd.{name}"
            ends = await ends_of(shop, [topic])  # before the lags: rather too little than too much is read
            lags = await broker.group_lag(f"{shop.topic_prefix}saga.{name}", [topic])
            read |= {at: ends[at] - lag for at, lag in lags.items()}
    finally:
        await broker.stop()
    return all(read.get(at, 0) >= end for at, end in sent.items())


async def _replies(shop: Shop, topics: list[str], since: Mapping[TopicPartition, int]) -> list[ReplyHeaders]:
    """Those to commands: an offset is committed when its reply is acknowledged."""
    replies = await records_of(shop.kafka, topics, since=since)
    return [decode_reply(reply.headers) for reply in replies if announcement_kind(reply.headers) is None]


def _lies(replies: list[ReplyHeaders], effects: list[ledger.Effect]) -> Iterator[str]:
    """Answers that nothing is to be undone where an effect stands."""
    net = Counter[tuple[str, str]]()
    for effect in effects:
        net[effect.saga, effect.step] += 1 if effect.kind == "action" else -1
    for reply in replies:
        if reply.outcome is Outcome.NOTHING_TO_UNDO and net[str(reply.saga_id), reply.step] > 0:
            yield f"{reply.saga_id}: {reply.step} stands, and was answered NOTHING_TO_UNDO"
