"""The restore drill: orders flow, the coordinator's database is backed up at a random moment, more
orders end, the database is lost and restored, and `saga recover` is run. All commands since the
backup are then sent twice more, shuffled. What the participants' ledgers say at the end must be
what the sagas say, or stand on the list of lost sagas."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from saga_messaging.background import end_one
from saga_messaging.broker import TopicPartition
from saga_messaging.kafka import KafkaBroker
from saga_messaging.settings import KafkaSettings
from support import ledger
from support.chaos import ends_of
from support.orders import Ended, OpenCount, Placing, all_final, how_they_stand, some_orders, until
from support.shop import PARTICIPANTS, Shop
from support.topic_records import records_of, send_again

RECOVER_LIMIT_S = 60.0
AGAIN_S = 2.0
STILL_S = 3.0
DELAY_MS = 500


class Restorable(Protocol):
    """A backup that was made while the shop was open."""

    def restore(self) -> None:
        """The database is lost, and is made again as it was at the backup."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """How many orders, and what else is lost."""

    orders: int
    rejected: int
    per_s: float
    """Orders are placed so fast: what began after the backup is lost."""
    topics_too: bool = False
    """All topics are deleted while the coordinators are down."""
    seed: int = 0
    """Of the moment of the backup and of the shuffling; 0: any."""


async def drill(shop: Shop, run: Drill, back_up: Callable[[], Awaitable[Restorable]]) -> None:
    """Do it all on a shop that is started and knows the definition."""
    seed = run.seed or random.randrange(1, 1_000_000)
    chance = random.Random(seed)
    print(f"\n  drill of {run.orders} orders, seed {seed}")
    placing, count = Placing(shop.servers), OpenCount(shop.database)
    looking = asyncio.create_task(count.run())
    ends: Mapping[TopicPartition, int]
    try:
        backup, ends = await _orders_and_a_backup(shop, run, placing, count, chance, back_up)
    finally:
        await end_one(looking)
    await shop.kill(*shop.coordinators)
    lived = await how_they_stand(shop.database)
    commands = await records_of(shop.kafka, sorted({at.topic for at in ends}), since=ends)
    assert commands, "nothing was asked since the backup"
    await asyncio.to_thread(backup.restore)
    restored = await how_they_stand(shop.database)
    lost = set(lived.phases) - set(restored.phases)
    print(
        f"  backup: {len(restored.phases)} sagas, {len(restored.open)} open; lost: {len(lost)}; commands since: {len(commands)}"
    )
    if run.topics_too:
        await _delete_topics(shop)
    await _recover(shop, len(restored.open))
    await shop.start(*shop.coordinators)
    again = commands * 2
    chance.shuffle(again)
    await send_again(shop.kafka, again)
    ended = await all_final(shop.database, 120)
    await until(lambda: _swept(shop), 90, "all participants have told their rows")
    await until(lambda: _quiet(shop), 90, "the ledgers and the list of lost sagas stand still")
    await _check(shop, ended, lost)


async def _orders_and_a_backup(
    shop: Shop,
    run: Drill,
    placing: Placing,
    count: OpenCount,
    chance: random.Random,
    back_up: Callable[[], Awaitable[Restorable]],
) -> tuple[Restorable, Mapping[TopicPartition, int]]:
    faults = [{"step": step, "kind": "delay", "times": 1, "ms": DELAY_MS} for step in ledger.STEPS]
    orders = some_orders(run.orders, rejected=run.rejected, faults=faults)
    when = chance.randint(run.orders // 4, run.orders * 3 // 4)
    topics = [f"{shop.topic_prefix}saga.cmd.{name}" for name in PARTICIPANTS]
    async with asyncio.TaskGroup() as group:
        placed = group.create_task(placing.pace(orders, count, per_s=run.per_s, floor=0, limit_s=run.orders / run.per_s + 120))
        await until(lambda: _done(len(placing.placed) >= when), 120, "the moment of the backup")
        await asyncio.sleep(chance.random())
        ends = await ends_of(shop, topics)  # earlier than the backup: rather some commands more
        backup = await back_up()
        await placed

    async def most_have_ended() -> bool:
        return len((await how_they_stand(shop.database)).open) <= run.orders // 20

    await until(most_have_ended, 120, "most orders have ended")
    return backup, ends


async def _delete_topics(shop: Shop) -> None:
    """The participants may make theirs again at once."""
    names = [f"{shop.topic_prefix}saga.{kind}.{name}" for kind in ("cmd", "reply") for name in PARTICIPANTS]
    names += [f"{shop.topic_prefix}saga.{name}" for name in ("start", "events", "schemas", "dlq.replies", "dlq.starts")]
    broker = KafkaBroker(KafkaSettings(bootstrap_servers=shop.kafka))
    try:
        await broker.delete_topics(names)
    finally:
        await broker.stop()
    print(f"  deleted {len(names)} topics")


async def _recover(shop: Shop, sagas: int) -> None:
    """As an operator types it, who waits until it is not refused any more."""

    async def done() -> bool:
        try:
            said = json.loads(await shop.command("recover", "--reason", "drill", "--yes", "-o", "json"))
        except AssertionError as refused:
            if " s ago" not in str(refused):
                raise
            await asyncio.sleep(AGAIN_S)
            return False  # the backup is so young that it says a coordinator lives
        assert said["open_sagas"] == sagas
        return True

    await until(done, RECOVER_LIMIT_S, "saga recover")


async def _standing(shop: Shop) -> tuple[int, str]:
    return len(await ledger.read(shop.ledgers.values())), await shop.command("recover", "orphans", "-o", "json")


async def _swept(shop: Shop) -> bool:
    return not json.loads(await shop.command("recover", "status", "-o", "json"))["sweeping"]


async def _quiet(shop: Shop) -> bool:
    before = await _standing(shop)
    await asyncio.sleep(STILL_S)
    return before == await _standing(shop)


async def _check(shop: Shop, ended: Ended, lost: set[str]) -> None:
    shop.assert_alive()
    status = json.loads(await shop.command("recover", "status", "-o", "json"))
    assert (status["recovering"], status["unanswered"], status["answered"]) == (False, {}, status["sagas"])
    effects = await ledger.read(shop.ledgers.values())
    listed = {one["saga"]: one for one in json.loads(await shop.command("recover", "orphans", "-o", "json") or "[]")}
    assert set(listed) <= lost
    assert status["sagas"] and lost, "nothing was open in the backup, or nothing began after it: it shows nothing"
    net = Counter[tuple[str, str]]()
    for effect in effects:
        net[effect.saga, effect.step] += 1 if effect.kind == "action" else -1
    # Of a lost saga that had undone all nothing is left: it stands on no list unless answers of
    # its participants come again.
    accounted = set(listed) | {saga for saga in lost if not any(net[saga, step] for step in ledger.STEPS)}
    wrong = [
        line for line in ledger.wrongs(effects, ended.phases) if not (line.partition(":")[0] in accounted and "nobody" in line)
    ]
    assert not wrong, f"{len(wrong)} times the ledger is wrong:\n" + "\n".join(wrong[:20])
    told: dict[tuple[str, str], Any] = {(saga, step["step"]): step for saga, one in listed.items() for step in one["steps"]}
    told |= {(saga, one["step"]): {"effect": "stands"} for saga, lost_one in listed.items() for one in lost_one["effects"]}
    untrue = {at: step for at, step in told.items() if {"stands": 1, "none": 0}.get(step["effect"]) != net[at]}
    assert not untrue, f"the list of lost sagas is wrong {len(untrue)} times: {dict(list(untrue.items())[:3])}"
    missing = {at for at, count in net.items() if count and at[0] in lost and at not in told}
    assert not missing, f"{len(missing)} effects of lost sagas are not on the list: {sorted(missing)[:5]}"
    print(
        f"  {dict(ended.counted)}; {len(listed)} of {len(lost)} lost sagas are listed, {sum(net[at] for at in told)} effects stand"
    )


async def _done(value: bool) -> bool:
    return value
