"""A run of many orders through a shop whose every process is killed again and again; what must be
true at its end."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from saga_messaging.background import end_one
from support import ledger
from support.chaos import Chaos
from support.orders import (
    Ended,
    OpenCount,
    Order,
    Placing,
    all_final,
    how_they_stand,
    needing_attention,
    some_orders,
    until,
    view,
)
from support.shop import Shop


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How much, how fast, how cruel. A delay in each step keeps an order open for some seconds."""

    orders: int
    rejected: int
    per_s: float
    floor: int
    """More are placed at once when fewer are open."""
    delay_ms: int
    rounds: int
    """Kills of each process."""
    kill_every_s: float
    open_at_kill: int
    open_at_wipe: int = 0
    """0: the topics are left alone."""
    open_throughout: int = 0
    limit_s: float
    drain_s: float = 120.0


async def survive(shop: Shop, run: Run) -> Chaos:
    """Place the orders, kill the processes, and check everything there is to check; the acts are
    printed whatever comes of it."""
    count = OpenCount(shop.database)
    chaos = Chaos(shop, count)
    placing = Placing(shop.servers)
    looking = asyncio.create_task(count.run())
    try:
        await _everything_at_once(chaos, placing, run)
        placed_s, lowest = time.monotonic() - chaos.began, count.lowest(above=run.open_throughout)
        ended = await all_final(shop.database, run.drain_s)
        _print_sum(placing, placed_s, time.monotonic() - chaos.began, ended)
    finally:
        await end_one(looking)
        print(f"\n{chaos.report()}")
    assert lowest >= run.open_throughout, f"only {lowest} orders were open at some time"
    assert len(chaos.kills()) == run.rounds * len(shop.processes)
    assert all(act.open >= run.open_at_kill for act in chaos.kills())
    await assert_all_is_well(shop, placing, ended, most_further=run.orders // 100)
    return chaos


async def _everything_at_once(chaos: Chaos, placing: Placing, run: Run) -> None:
    faults = [{"step": step, "kind": "delay", "times": 1, "ms": run.delay_ms} for step in ledger.STEPS]
    orders = some_orders(run.orders, rejected=run.rejected, faults=faults)
    async with asyncio.timeout(run.limit_s), asyncio.TaskGroup() as group:
        group.create_task(placing.pace(orders, chaos.count, per_s=run.per_s, floor=run.floor, limit_s=run.limit_s))
        await chaos.count.reaches(lambda open_: open_ >= run.floor * 3 // 4, 60, "enough orders open to begin")
        group.create_task(chaos.kill_in_turn(rounds=run.rounds, every_s=run.kill_every_s, at_least=run.open_at_kill))
        if run.open_at_wipe:
            group.create_task(_wipe_half_way(chaos, placing, run))


async def _wipe_half_way(chaos: Chaos, placing: Placing, run: Run) -> None:
    async def half_way() -> bool:
        return len(placing.placed) >= run.orders // 2

    await until(half_way, run.limit_s, "half of the orders are placed")
    await chaos.delete_all_topics(at_least=run.open_at_wipe)


async def assert_all_is_well(shop: Shop, placing: Placing, ended: Ended, *, most_further: int) -> None:
    """Who was to be rejected is COMPENSATED, hardly anybody else is and each of those says why, the
    ledger agrees, nobody died."""
    shop.assert_alive()
    assert set(ended.phases) == set(placing.placed), "one saga an order, no more"
    rejected = [saga for saga, order in placing.placed.items() if order.rejected]
    wrong = {saga: ended.phases[saga] for saga in rejected if ended.phases[saga] != "COMPENSATED"}
    assert not wrong, f"rejected at ship, but {wrong}"
    further = [saga for saga, order in placing.placed.items() if not order.rejected and ended.phases[saga] != "COMPLETED"]
    await _assert_causes(shop, placing.placed, further, most_further)
    problems = list(ledger.wrongs(await ledger.read(shop.ledgers.values()), ended.phases))
    assert not problems, f"{len(problems)} times the ledger is wrong:\n" + "\n".join(problems[:20])
    attention = await needing_attention(shop.servers)
    assert not attention, f"{len(attention)} ask for attention, first {attention[0]}"
    assert (await how_they_stand(shop.database)).phases == ended.phases, "a finished saga never changes again"


async def _assert_causes(shop: Shop, placed: dict[str, Order], further: list[str], most: int) -> None:
    for saga_id in further:
        saga = await view(shop.servers, saga_id)
        print(f"  further: {saga_id} {saga['phase']}: {saga['reason']}")
        assert saga["phase"] == "COMPENSATED", saga
        assert saga["reason"], f"{saga_id} was compensated and does not say why"
    assert len(further) <= most, f"{len(further)} orders were compensated that nobody rejected"


def _print_sum(placing: Placing, placed_s: float, all_s: float, ended: Ended) -> None:
    phases = "  ".join(f"{count} {phase}" for phase, count in sorted(ended.counted.items()))
    print(
        f"\n  {len(placing.placed)} orders placed in {placed_s:.0f} s, {placing.repeats.total()} requests repeated: {dict(placing.repeats)}"
    )
    print(f"  all final after {all_s:.0f} s: {phases}")
