"""The console over many sagas: 100,000 finished and 10,000 open ones on PostgreSQL.

How long each page takes to be made, when Chromium has painted it first, and what a live page that
stays open costs the coordinator. Every bar is printed with its figure; it exits 0 only if all are
met. The sagas are filled in by copying (`filling.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

import asyncpg
import httpx
from filling import COORDINATOR, fill
from holding import Held, report
from measuring import threads_ran_s
from system import Bench, System, register

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from support.chromium import chromium, chromium_program
from support.visits import Visits

FINISHED: Final = 100_000
OPEN: Final = 10_000
HTML_MS, PAINT_MS, LIVE_PERCENT = 200.0, 500.0, 0.5
LOOKS: Final = 7
PAINTS: Final = 3
LIVE: Final = ("/", "/sagas")
"""Pages that stay open. Both together take five minutes and some seconds."""
PAIRS: Final = 6
"""Of windows, one without the live page and one with it, one after the other."""
ORDERS: Final = 20
"""Of a window. An order costs more than the page does, so all windows have as many."""
EVERY_S: Final = 0.5
"""Between two of them: a window is as long as a live page lets pass between two looks."""
SETTLE_S: Final = 3.0
"""After the page was opened or closed. It is looked at a second after it was opened, so the
next look is in the middle of the window."""
_WAIT_S: Final = 30
PAGES: Final = (
    "/",
    "/sagas",
    "/sagas?query={query}",
    "/sagas/{completed}",
    "/sagas/{waiting}",
    "/attention",
    "/participants",
    "/participants/payment",
    "/definitions",
    "/definitions/order",
    "/dead-letters",
    "/schemas",
    "/batches",
    "/audit",
    "/machine",
)
_QUERY: Final = "phase = COMPENSATED and started > -1h"
_PAINTED: Final = """new Promise((done) => {
  const look = () => {
    const [paint] = performance.getEntriesByName("first-contentful-paint");
    paint ? done(paint.startTime) : requestAnimationFrame(look);
  };
  look();
})"""
_WAITING: Final = """\
saga: waiting
version: 1
input: shop.PlaceOrder
key: ${input.order_id}
steps:
  - {name: one, participant: nobody, command: shop.ReserveStock, compensation: none,
     timeout: {reask: 6h, attention: 6h, expiry: 12h}}
"""


def start(server: str, number: int, definition: str = "order") -> str:
    """Start the saga of an order, every tenth without a carrier, and return its id."""
    order = {
        "order_id": f"order-{number:08}",
        "customer": "ada",
        "account": f"account-{number % 100}",
        "sku": "lamp",
        "quantity": 1,
        "total": 1250,
        "carrier": None if number % 10 == 0 else "post",
        "address": "12 Compensation Street",
    }
    answer = httpx.post(f"{server}/v1/sagas", json={"definition": definition, "input": order}, timeout=_WAIT_S)
    return str(answer.raise_for_status().json()["id"])


def ended(server: str, saga_id: str) -> str:
    """Wait until it has ended, and return how."""
    answer = httpx.get(f"{server}/v1/sagas/{saga_id}", params={"wait_s": _WAIT_S}, timeout=2 * _WAIT_S)
    return str(answer.raise_for_status().json()["phase"])


def filled(bench: Bench, system: System, finished: int, open_sagas: int) -> dict[str, str]:
    """Carry out some sagas, and copy them. Returns ids of pages' sagas."""
    done = {
        phase: saga
        for saga in (start(system.server, number) for number in range(1, 21))
        for phase in [ended(system.server, saga)]
    }
    with tempfile.TemporaryDirectory(prefix="saga-console-") as folder:
        file = Path(folder) / "waiting.saga.yaml"
        file.write_text(_WAITING)
        register(dict(system.environ), file)
    waiting = start(system.server, 21, "waiting")
    url = system.environ["SAGA_DATABASE_URL"].replace("+asyncpg", "")
    undone = finished // 10
    for template, count in ((done["COMPLETED"], finished - undone), (done["COMPENSATED"], undone), (waiting, open_sagas)):
        began = time.monotonic()
        asyncio.run(fill({url: COORDINATOR}, UUID(template), len("order-00000001"), count))
        print(f"{count} sagas filled in {time.monotonic() - began:.0f} s", flush=True)
    return {"completed": done["COMPLETED"], "waiting": waiting, "query": quote(_QUERY)}


def counted(system: System) -> int:
    async def count() -> int:
        connection = await asyncpg.connect(system.environ["SAGA_DATABASE_URL"].replace("+asyncpg", ""))
        try:
            return int(await connection.fetchval("SELECT count(*) FROM saga"))
        finally:
            await connection.close()

    return asyncio.run(count())


def made(server: str, paths: list[str], figures: dict[str, Any]) -> Iterator[Held]:
    """How long each page's HTML takes: the median of some looks, and the longest."""
    with httpx.Client(base_url=f"{server}/console", timeout=60) as http:
        for path in paths:
            took_ms = []
            for _ in range(LOOKS):
                began = time.perf_counter()
                answer = http.get(path)
                took_ms.append((time.perf_counter() - began) * 1000)
            if answer.status_code != 200:
                raise SystemExit(f"{path} answers {answer.status_code}")
            figures[path] = {"html_ms": took_ms, "bytes": len(answer.content)}
            longest = max(took_ms[1:])
            print(
                f"{path[:60]:60} {statistics.median(took_ms):7.1f} ms, longest {longest:7.1f}, {len(answer.content):7} bytes",
                flush=True,
            )
            yield Held(f"{path[:50]}: HTML, the longest of {LOOKS - 1}", longest, HTML_MS, "ms")


def painted(visits: Visits, paths: list[str], figures: dict[str, Any]) -> Iterator[Held]:
    """When each page has painted something first, in a browser that has no cache."""
    for path in paths:
        found_ms = []
        for _ in range(PAINTS):
            page = visits.page(path)
            found_ms.append(float(page.evaluate(_PAINTED)))
            page.context.close()
        figures[path]["paint_ms"] = found_ms
        yield Held(f"{path[:50]}: first paint", statistics.median(found_ms), PAINT_MS, "ms")


def live(visits: Visits, system: System, figures: dict[str, Any], path: str, pairs: int, numbers: Iterator[int]) -> Held:
    """CPU of the coordinator with a live page open, less that without.

    Orders of these numbers end meanwhile.
    """
    alone, watched = list[float](), list[float]()
    for _ in range(pairs):
        time.sleep(SETTLE_S)
        alone.append(_percent(system, numbers))
        page = visits.page(path)
        time.sleep(SETTLE_S)
        watched.append(_percent(system, numbers))
        page.context.close()
    figures[path] |= {"cpu_percent": {"alone": alone, "watched": watched}}
    middle, least, most = costs(alone, watched)
    print(
        f"coordinator: {statistics.median(alone):.2f} % of a core alone; {path} open costs {middle:.2f} %, "
        f"by pairs from {least:.2f} to {most:.2f}",
        flush=True,
    )
    return Held(f"an open live page, {path}, the median of {pairs} pairs", max(0.0, middle), LIVE_PERCENT, "% of a core")


def costs(alone: Sequence[float], watched: Sequence[float]) -> tuple[float, float, float]:
    """What the page costs, by pairs of neighbours: the median, the least and the most.

    Neighbours share what moves slowly: a machine that is busier, tables that grow. One pair that
    something else disturbs does not move the median.
    """
    found = [after - before for before, after in zip(alone, watched, strict=True)]
    return statistics.median(found), min(found), max(found)


def _percent(system: System, numbers: Iterator[int]) -> float:
    """Of a core, while a window's orders are carried out."""
    began_s, before_s = time.monotonic(), threads_ran_s(system.coordinator)
    for done, number in enumerate(itertools.islice(numbers, ORDERS), start=1):
        start(system.server, number)
        time.sleep(max(0.0, began_s + done * EVERY_S - time.monotonic()))
    return 100 * (threads_ran_s(system.coordinator) - before_s) / (time.monotonic() - began_s)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--finished", type=int, default=FINISHED, metavar="N", help="finished sagas")
    arguments.add_argument("--open", type=int, default=OPEN, metavar="N", help="open sagas")
    arguments.add_argument("--only", default="", metavar="TEXT", help="only pages whose path has this")
    arguments.add_argument("--pairs", type=int, default=PAIRS, metavar="N", help="of windows without and with a live page")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write every figure there, too")
    given = arguments.parse_args()
    figures: dict[str, Any] = {}
    program = chromium_program()
    with Bench() as bench:
        system = bench.system()
        ids = filled(bench, system, given.finished, given.open)
        print(f"{counted(system)} sagas", flush=True)
        paths = [path.format(**ids) for path in PAGES if given.only in path]
        bars = list(made(system.server, paths, figures))
        with chromium(program) as browser:
            visits = Visits(browser, system.server)
            bars += painted(visits, paths, figures)
            numbers = itertools.count(1_001)
            bars += [live(visits, system, figures, path, given.pairs, numbers) for path in paths if path in LIVE]
            visits.close()
    if given.json:
        given.json.write_text(json.dumps({"bars": [one.as_json() for one in bars], "pages": figures}, indent=1) + "\n")
    sys.exit(0 if report(bars) else 1)


if __name__ == "__main__":
    main()
