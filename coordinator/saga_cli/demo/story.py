"""The demo from its first line to its last: starts the parts, places the orders, draws one, counts the effects."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx

from saga_cli.demo.directory import held
from saga_cli.demo.drawing import order_lines
from saga_cli.demo.ledger_check import Order, check
from saga_cli.demo.orders import LIMIT_S, place_all, register
from saga_cli.demo.parts import Parts, running
from saga_cli.demo.plan import PORT, SERVICES, Plan
from saga_cli.exits import ExitCode
from saga_cli.output import console
from saga_cli.show.words import plain

_TIMEOUT: Final = httpx.Timeout(60.0, connect=5.0)
_PHASES: Final = ("COMPLETED", "COMPENSATED", "FORCED")


def tell(plan: Plan) -> int:
    """Run the demo; the exit code."""
    with held(plan.directory, keep=plan.keep):
        try:
            return asyncio.run(_told(plan))
        except asyncio.CancelledError:  # SIGTERM; a Ctrl-C is a KeyboardInterrupt
            return ExitCode.INTERRUPTED


async def _told(plan: Plan) -> int:
    me = asyncio.current_task()
    assert me is not None
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, me.cancel)
    async with running(plan) as parts:
        _introduce(plan, parts)
        async with httpx.AsyncClient(base_url=parts.server, timeout=_TIMEOUT, trust_env=False) as http:
            await register(http)
            with _progress(plan) as ended:
                sagas = await place_all(http, plan, ended)
        agreed = await _sum_up(plan, sagas)
        if plan.keep:
            await _stay(parts)
    return ExitCode.OK if agreed else ExitCode.FINDINGS


def _introduce(plan: Plan, parts: Parts) -> None:
    stores = f"embedded: SQLite files in {plan.directory}/" if plan.embedded else "PostgreSQL"
    kafka = f"Kafka on {parts.kafka}" if plan.bootstrap_servers else f"in-process Kafka stand-in on {parts.kafka}"
    warning = " (not for production)" if plan.embedded or not plan.bootstrap_servers else ""
    out = console()
    out.print(f"[bold]saga demo[/bold]   {stores}, {kafka}{warning}")
    out.print(f"  coordinator   {parts.server}        participants   {'  '.join(SERVICES)}")
    if parts.port != PORT:
        out.print(f"  port {PORT} is taken, so for the other commands:   export SAGA_SERVER={parts.server}")


@contextmanager
def _progress(plan: Plan) -> Iterator[Callable[[], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    told = f"  starting {plan.orders} orders, every fifth has no carrier  "
    gap = TextColumn("")
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), MofNCompleteColumn(), gap, TimeElapsedColumn())
    with Progress(*columns, console=console()) as progress:
        task = progress.add_task(told, total=plan.orders)
        yield lambda: progress.advance(task)


async def _sum_up(plan: Plan, sagas: list[dict[str, Any]]) -> bool:
    """Draw one order that was undone, then what became of all; whether everything is as it must be."""
    out = console()
    undone = [saga for saga in sagas if saga["phase"] == "COMPENSATED"]
    drawn = (undone or sagas)[-1]
    out.print()
    for line in order_lines(drawn):
        out.print("  ", line, sep="")
    counted = Counter(saga["phase"] for saga in sagas)
    phases = "  ".join(f"{counted[phase]} {phase}" for phase in _PHASES if counted[phase])
    wrong = [*_unended(sagas), *await check(plan.service_urls, [_order(saga) for saga in sagas])]
    if not wrong:
        verdict = plain("stock, money and parcels agree: nothing lost, nothing doubled", "green")
        out.print("  ", plain(f"{phases}   ", "bold"), verdict, sep="")
    else:
        out.print("  ", plain(f"{phases}   ", "bold"), plain("the books do not agree:", "bold red"), sep="")
        for disagreement in wrong:
            out.print(plain(f"    {disagreement}", "red"))
    out.print(f"  trace {drawn['trace_id']}   (kept with the saga; its export to Jaeger is not built yet)")
    if not plan.keep:
        out.print(f"  next: saga demo --keep     (then: saga list, saga show {drawn['key']})")
    return not wrong


def _order(saga: dict[str, Any]) -> Order:
    return Order(
        saga_id=saga["id"],
        order_id=saga["key"],
        completed=saga["phase"] == "COMPLETED",
        quantity=saga["input"]["quantity"],
        total=saga["input"]["total"],
    )


def _unended(sagas: list[dict[str, Any]]) -> Iterator[str]:
    for saga in sagas:
        if saga["phase"] not in _PHASES:
            waits = "; ".join(f"{one['step']}: {one['name']}: {one['mover']}" for one in saga["waiting"])
            yield f"order {saga['key']} is {saga['phase']} after {LIMIT_S:.0f} s: {waits}"


async def _stay(parts: Parts) -> None:
    console().print(f"  up at {parts.server} until Ctrl-C   (try: saga list, saga show …)")
    await asyncio.Event().wait()
