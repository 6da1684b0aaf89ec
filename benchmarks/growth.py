"""How the coordinator carries what grows: finished and waiting sagas, wide definitions, several
instances, a crash; and what it costs at rest.

Real Kafka and PostgreSQL with fsync. Each bar is printed with its figure, met or not; it exits 0
only if all are met.

    make bench-growth                                       all parts
    .venv/bin/python benchmarks/growth.py --only idle       one part
    .venv/bin/python benchmarks/growth.py --short           a trial with smaller numbers
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import asyncpg
import idle
from holding import Held, report
from system import Bench

PARTS: Final = ("idle",)


async def run(parts: Sequence[str], *, short: bool) -> list[Held]:
    bars: list[Held] = []
    if "idle" in parts:
        bars += await _idle(10.0 if short else 30.0)
    return bars


async def _idle(seconds: float) -> list[Held]:
    bars = await asyncio.to_thread(idle.demo, seconds)
    with Bench() as bench:
        watcher = await asyncpg.connect(bench.postgres.url.replace("+asyncpg", ""))
        try:
            return bars + await idle.deployed(bench, bench.system(), watcher, seconds)
        finally:
            await watcher.close()


def _parts(text: str) -> tuple[str, ...]:
    named = tuple(name.strip() for name in text.split(","))
    if unknown := set(named).difference(PARTS):
        raise argparse.ArgumentTypeError(f"unknown {', '.join(sorted(unknown))}; known are {', '.join(PARTS)}")
    return named


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--only", type=_parts, default=PARTS, metavar="PARTS", help=f"some of {','.join(PARTS)}")
    arguments.add_argument("--short", action="store_true", help="smaller numbers, to try it")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write every bar there, too")
    given = arguments.parse_args()
    bars = asyncio.run(run(given.only, short=given.short))
    if given.json:
        given.json.write_text(json.dumps({"bars": [one.as_json() for one in bars]}, indent=1) + "\n")
    sys.exit(0 if report(bars) else 1)


if __name__ == "__main__":
    main()
