"""How the coordinator carries what grows: finished and waiting sagas, those that are removed, wide
definitions, several instances, a crash; and what it costs at rest.

Real Kafka and PostgreSQL with fsync. Each bar is printed with its figure, met or not; it exits 0
only if all are met.

    make bench-growth                                       all parts; half an hour
    .venv/bin/python benchmarks/growth.py --million         up to a million finished sagas
    .venv/bin/python benchmarks/growth.py --only idle       some parts
    .venv/bin/python benchmarks/growth.py --short           a trial with smaller numbers
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import growing
import idle
import recovery
import retiring
import scale
import width
from holding import Held, report
from system import Bench

PARTS: Final = ("idle", "growth", "retention", "width", "scale", "recovery")


class Run:
    """What was found so far. Each part has services of its own, so that none works in the wake of
    another."""

    def __init__(self, *, short: bool, million: bool) -> None:
        self.short = short
        self.plan = growing.SHORT if short else growing.MILLION if million else growing.FULL
        self.bars: list[Held] = []
        self.figures: dict[str, Any] = {}

    async def idle(self) -> None:
        seconds = 10.0 if self.short else 30.0
        self.bars += await asyncio.to_thread(idle.demo, seconds)
        async with _services() as (bench, watcher):
            self.bars += await idle.deployed(bench, bench.system(), watcher, seconds)

    async def growth(self) -> None:
        async with _services() as (bench, watcher):
            part = growing.Growing(bench, watcher, self.plan)
            await part.run()
        self.bars += part.bars
        self.figures["growth"] = part.cells

    async def retention(self) -> None:
        async with _services() as (bench, watcher):
            part = retiring.Retiring(bench, watcher, retiring.Plan(old=self.plan.finished[-1], growth=self.plan))
            await part.run()
        self.bars += part.bars
        self.figures["retention"] = part.cells

    async def width(self) -> None:
        shapes = tuple(shape for shape in width.SHAPES if not self.short or shape.parallel)
        async with _services() as (bench, _):
            bars, self.figures["width"] = await width.run(bench, bench.system(), shapes)
        self.bars += bars

    async def scale(self) -> None:
        async with _services() as (bench, watcher):
            seconds = 6.0 if self.short else 15.0
            self.figures["scale"] = await scale.run(bench, bench.system(), watcher, seconds, short=self.short)

    async def recovery(self) -> None:
        async with _services() as (bench, _):
            self.bars += await recovery.run(bench, bench.system(), 5.0 if self.short else 20.0)


@asynccontextmanager
async def _services() -> AsyncIterator[tuple[Bench, asyncpg.Connection[asyncpg.Record]]]:
    with Bench() as bench:
        watcher = await asyncpg.connect(bench.postgres.url.replace("+asyncpg", ""))
        try:
            yield bench, watcher
        finally:
            await watcher.close()


async def run(parts: Sequence[str], found: Run) -> None:
    for part in parts:
        await getattr(found, part)()


def _parts(text: str) -> tuple[str, ...]:
    named = tuple(name.strip() for name in text.split(","))
    if unknown := set(named).difference(PARTS):
        raise argparse.ArgumentTypeError(f"unknown {', '.join(sorted(unknown))}; known are {', '.join(PARTS)}")
    return named


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--only", type=_parts, default=PARTS, metavar="PARTS", help=f"some of {','.join(PARTS)}")
    arguments.add_argument("--short", action="store_true", help="smaller numbers, to try it")
    arguments.add_argument("--million", action="store_true", help="up to a million finished sagas; an hour more")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write every figure there, too")
    given = arguments.parse_args()
    found = Run(short=given.short, million=given.million)
    asyncio.run(run(given.only, found))
    if given.json:
        bars = [one.as_json() for one in found.bars]
        given.json.write_text(json.dumps({"bars": bars, **found.figures}, indent=1) + "\n")
    sys.exit(0 if report(found.bars) else 1)


if __name__ == "__main__":
    main()
