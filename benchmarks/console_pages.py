"""The console over many sagas: 100,000 finished and 10,000 open ones on PostgreSQL.

How long each page takes to be made, when Chromium has painted it first, and what a live page that
stays open costs the coordinator. Every bar is printed with its figure; it exits 0 only if all are
met. The sagas are filled in by copying (`filling.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

import asyncpg
import httpx
from filling import COORDINATOR, fill
from holding import Held, report
from measuring import cpu_s
from system import Bench, System, register

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from support.chromium import chromium, chromium_program
from support.visits import Visits, go

FINISHED: Final = 100_000
OPEN: Final = 10_000
HTML_MS, PAINT_MS, LIVE_PERCENT = 200.0, 500.0, 0.5
LOOKS: Final = 7
PAINTS: Final = 3
LIVE_S: Final = 30.0
SETTLE_S: Final = 5.0
EVERY_S: Final = 0.5
"""While a live page is open, an order ends so often."""
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


def live(visits: Visits, system: System, figures: dict[str, Any], path: str) -> Held:
    """CPU of the coordinator with a live page open, less that without; orders end meanwhile."""
    with orders_going_on(system.server):
        time.sleep(SETTLE_S)
        alone = _percent(system, LIVE_S)
        page = visits.page()
        go(page, path)
        time.sleep(SETTLE_S)
        watched = _percent(system, LIVE_S)
        page.context.close()
    figures[path] |= {"cpu_percent": {"alone": alone, "watched": watched}}
    print(f"coordinator: {alone:.2f} % of a core alone, {watched:.2f} % with {path} open", flush=True)
    return Held(f"an open live page, {path}", max(0.0, watched - alone), LIVE_PERCENT, "% of a core")


@contextmanager
def orders_going_on(server: str) -> Iterator[None]:
    over = Event()

    def place() -> None:
        number = 1_000
        while not over.wait(EVERY_S):
            number += 1
            start(server, number)

    thread = Thread(target=place)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _percent(system: System, seconds: float) -> float:
    before = cpu_s(system.coordinator)
    time.sleep(seconds)
    return 100 * (cpu_s(system.coordinator) - before) / seconds


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--finished", type=int, default=FINISHED, metavar="N", help="finished sagas")
    arguments.add_argument("--open", type=int, default=OPEN, metavar="N", help="open sagas")
    arguments.add_argument("--only", default="", metavar="TEXT", help="only pages whose path has this")
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
            bars += [live(visits, system, figures, path) for path in paths if path in ("/", "/sagas")]
            visits.close()
    if given.json:
        given.json.write_text(json.dumps({"bars": [one.as_json() for one in bars], "pages": figures}, indent=1) + "\n")
    sys.exit(0 if report(bars) else 1)


if __name__ == "__main__":
    main()
