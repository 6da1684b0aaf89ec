"""The demo from its first line to its last: starts the parts, places the orders, draws one, counts
the effects."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx

from saga_cli.demo import going_on
from saga_cli.demo.directory import locked_directory
from saga_cli.demo.drawing import order_lines
from saga_cli.demo.ledger_check import Order, check
from saga_cli.demo.orders import LIMIT_S, place_all, register
from saga_cli.demo.parts import Parts, running
from saga_cli.demo.plan import PORT, Plan
from saga_cli.demo.traces import USUAL_PORT, all_exported, collector_listens, require_collector
from saga_cli.exits import ExitCode
from saga_cli.output import console
from saga_cli.shell_activation import shell_activation
from saga_cli.show.formatting import plain

_TIMEOUT: Final = httpx.Timeout(60.0, connect=5.0)
_PHASES: Final = ("COMPLETED", "COMPENSATED", "FORCED")


def run_demo(plan: Plan) -> int:
    """Run the demo and return its exit code."""
    if plan.otlp is not None:
        require_collector(plan.otlp)
    with locked_directory(plan.directory, keep=plan.keep):
        try:
            return asyncio.run(_run(plan))
        except asyncio.CancelledError:  # SIGTERM; a Ctrl-C is a KeyboardInterrupt
            return ExitCode.INTERRUPTED


async def _run(plan: Plan) -> int:
    me = asyncio.current_task()
    assert me is not None
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, me.cancel)
    async with running(plan) as parts:
        _print_parts(plan, parts)
        async with httpx.AsyncClient(base_url=parts.server, timeout=_TIMEOUT, trust_env=False) as http:
            await register(http)
            with _progress(plan) as ended:
                sagas = await place_all(http, plan, ended)
            drawn = _draw_order(sagas)
            agreed = await _print_totals(plan, sagas)
            await _print_next_steps(plan, parts, drawn)
            if plan.keep:
                await _stay_up(http, plan, parts)
    return ExitCode.OK if agreed else ExitCode.FINDINGS


def _print_parts(plan: Plan, parts: Parts) -> None:
    stores = f"embedded: SQLite files in {plan.directory}/" if plan.embedded else "PostgreSQL"
    kafka = f"Kafka on {parts.kafka}" if plan.bootstrap_servers else f"in-process Kafka stand-in on {parts.kafka}"
    warning = " (not for production)" if plan.embedded or not plan.bootstrap_servers else ""
    out = console()
    out.print(f"[bold]saga demo[/bold]   {stores}, {kafka}{warning}")
    out.print(f"  coordinator   {parts.server}        participants   {'  '.join(plan.service_urls)}")
    if plan.keep:
        out.print(f"  console       {parts.console}")
    if parts.port != PORT:
        out.print(f"  port {PORT} is taken, perhaps by another demo whose sagas `saga list` would show; for this one's:")
        out.print(f"    export SAGA_SERVER={parts.server}")


@contextmanager
def _progress(plan: Plan) -> Iterator[Callable[[], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    description = f"  starting {plan.orders} orders, every fifth has no carrier  "
    gap = TextColumn("")
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), MofNCompleteColumn(), gap, TimeElapsedColumn())
    with Progress(*columns, console=console()) as progress:
        task = progress.add_task(description, total=plan.orders)
        yield lambda: progress.advance(task)


def _draw_order(sagas: list[dict[str, Any]]) -> dict[str, Any]:
    """Draw an order that was undone, or any order when none was, and return it."""
    out = console()
    undone = [saga for saga in sagas if saga["phase"] == "COMPENSATED"]
    drawn = (undone or sagas)[-1]
    out.print()
    for line in order_lines(drawn):
        out.print("  ", line, sep="")
    return drawn


async def _print_totals(plan: Plan, sagas: list[dict[str, Any]]) -> bool:
    """Print how many orders ended how, and return whether the books agree."""
    out = console()
    counted = Counter(saga["phase"] for saga in sagas)
    phases = "  ".join(f"{counted[phase]} {phase}" for phase in _PHASES if counted[phase])
    wrong = [*_unfinished(sagas), *await check(plan.service_urls, [_order(saga) for saga in sagas])]
    if not wrong:
        verdict = plain("stock, money and parcels agree: nothing lost, nothing doubled", "green")
        out.print("  ", plain(f"{phases}   ", "bold"), verdict, sep="")
    else:
        out.print("  ", plain(f"{phases}   ", "bold"), plain("the books do not agree:", "bold red"), sep="")
        for disagreement in wrong:
            out.print(plain(f"    {disagreement}", "red"))
    return not wrong


async def _print_next_steps(plan: Plan, parts: Parts, drawn: dict[str, Any]) -> None:
    """Print where to look next: the drawn order's trace, and other commands."""
    out, trace_id, key = console(), drawn["trace_id"], drawn["key"]
    if plan.otlp is not None:
        jaeger = plan.jaeger_url.rstrip("/")
        late = "" if await all_exported(plan, parts.spans) else "   (the collector does not have all spans yet)"
        out.print(plain(f"  trace {jaeger}/trace/{trace_id}{late}"))
        out.print(plain(f"  all   {jaeger}/search?service=saga-coordinator&operation=order&limit={plan.orders}"))
    elif collector_listens():
        again = f"one listens on :{USUAL_PORT}; run again with --otlp http://127.0.0.1:{USUAL_PORT} to look at it there"
        out.print(f"  trace {trace_id}   ({again})")
    else:
        out.print(
            f"  trace {trace_id}   (no collector on :{USUAL_PORT}; start Jaeger and run again with --otlp to look at it there)"
        )
    if (activate := shell_activation()) is not None:
        out.print(plain(f"  so that your shell finds `saga`:   {activate}"))
    if not plan.keep:
        traced = "" if plan.otlp is None else f" {plan.otlp.options}"
        out.print(
            plain(f"  next: saga demo --keep{traced}     (then: the console, saga list, saga show {key}, saga trace show {key})")
        )


def _order(saga: dict[str, Any]) -> Order:
    return Order(
        saga_id=saga["id"],
        order_id=saga["key"],
        completed=saga["phase"] == "COMPLETED",
        quantity=saga["input"]["quantity"],
        total=saga["input"]["total"],
    )


def _unfinished(sagas: list[dict[str, Any]]) -> Iterator[str]:
    for saga in sagas:
        if saga["phase"] not in _PHASES:
            waits = "; ".join(f"{one['step']}: {one['name']}: {one['mover']}" for one in saga["waiting"])
            yield f"order {saga['key']} is {saga['phase']} after {LIMIT_S:.0f} s: {waits}"


async def _stay_up(http: httpx.AsyncClient, plan: Plan, parts: Parts) -> None:
    """Until Ctrl-C, with orders that go on unless the demo rests."""
    if plan.goes_on:
        scenes, out = await going_on.set_scenes(http, plan), console()
        out.print(
            plain(f"  {scenes.needs_person} needs you: its mail was refused after the parcel had gone. Its page has the way out")
        )
        out.print(plain(f"  {scenes.waits} waits for a slow screening"))
        out.print(f"  an order goes on being placed every {plan.every_s:g} s, every fifth without a carrier")
        out.print(f"  look at all of it in the console:   {parts.console}")
    _say_up(parts)
    if plan.goes_on:
        await going_on.trickle(http, plan)
    await asyncio.Event().wait()


def _say_up(parts: Parts) -> None:
    there = "" if parts.port == PORT else f"export SAGA_SERVER={parts.server}, then "
    console().print(f"  up at {parts.server} until Ctrl-C   (try: {there}saga list, saga show …)")
