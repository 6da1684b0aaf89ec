"""What each part costs while nobody asks anything of it.

The demo on its stand-in, and a coordinator and three participants on a real Kafka and PostgreSQL
whose sagas have ended. CPU of processes is in hundredths of a core; statements are those that the
server's log names.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import asyncpg
from dialects import Ours
from holding import Held
from load import Load, warm
from measuring import cpu_s, tree
from pace import ClosedLoop
from system import SAGA, Bench, System

SETTLE_S: Final = 12.0
"""Until what follows the last saga is done: acknowledged outbox rows, hints to Kafka."""
DEMO_START_S: Final = 60.0
_LOGGED: Final = re.compile(r"^saga-coordinator .*?LOG: +(?:statement|execute [^:]*): (.*)")
_COORDINATOR: Final = "an idle coordinator"


def demo(seconds: float) -> list[Held]:
    """Of `saga demo --keep --every 0` and its stand-in."""
    with _demo_kept() as root:
        time.sleep(SETTLE_S)
        children = tree(root)[1:]
        before = cpu_s(root), sum(cpu_s(pid) for pid in children)
        time.sleep(seconds)
        both, stand_in = (
            after - then for after, then in zip((cpu_s(root), sum(cpu_s(pid) for pid in children)), before, strict=True)
        )
    print(
        f"idle demo: {_percent(both - stand_in, seconds):.2f} % of a core, its stand-in {_percent(stand_in, seconds):.2f} %",
        flush=True,
    )
    return [Held("an idle demo and its stand-in", _percent(both, seconds), 3.0, "% of a core")]


@contextmanager
def _demo_kept() -> Iterator[int]:
    """The process of a demo whose orders have ended."""
    with tempfile.TemporaryDirectory(prefix="saga-idle-") as folder:
        said = Path(folder) / "demo.out"
        with said.open("wb") as out:
            process = subprocess.Popen([SAGA, "demo", "--keep", "--every", "0"], cwd=folder, stdout=out, stderr=subprocess.STDOUT)
        try:
            until_s = time.monotonic() + DEMO_START_S
            while "until Ctrl-C" not in said.read_text():
                if process.poll() is not None or time.monotonic() > until_s:
                    raise SystemExit(f"the demo did not come up:\n{said.read_text()[-2000:]}")
                time.sleep(0.2)
            yield process.pid
        finally:
            process.terminate()
            process.wait(20)


async def deployed(bench: Bench, system: System, watcher: asyncpg.Connection[asyncpg.Record], seconds: float) -> list[Held]:
    """Of a coordinator and its participants that have worked, and rest."""
    async with warm(Load(system.kafka, Ours(system.topic_prefix), ClosedLoop(16)), 3.0):
        pass
    await asyncio.sleep(SETTLE_S)
    groups = {"coordinator": (system.coordinator,), "participant": system.participants} | bench.services
    before = {name: [cpu_s(pid) for pid in pids] for name, pids in groups.items()}
    await asyncio.sleep(seconds)
    shares = {
        name: max(_percent(cpu_s(pid) - then, seconds) for pid, then in zip(pids, before[name], strict=True))
        for name, pids in groups.items()
    }
    print("idle: " + "  ".join(f"{name} {share:.2f} %" for name, share in shares.items()), flush=True)
    said = await statements(watcher, bench.postgres.log, seconds)
    for statement, count in said.most_common():
        print(f"  {count / seconds:5.2f}/s  {statement[:150]}")
    return [
        Held(f"{_COORDINATOR}", shares["coordinator"], 1.5, "% of a core"),
        Held(f"{_COORDINATOR}: statements", said.total() / seconds, 2.0, "a second"),
        Held("an idle participant", shares["participant"], 1.0, "% of a core"),
    ]


async def statements(watcher: asyncpg.Connection[asyncpg.Record], log: Path, seconds: float) -> Counter[str]:
    """What coordinators say to PostgreSQL meanwhile, BEGIN and COMMIT included."""
    for setting in ("log_line_prefix = '%a '", "log_statement = 'all'"):
        await watcher.execute(f"ALTER SYSTEM SET {setting}")
    await watcher.execute("SELECT pg_reload_conf()")
    await asyncio.sleep(1.0)
    with log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        await asyncio.sleep(seconds)
        found = counted(file.read().decode(errors="replace"))
    await watcher.execute("ALTER SYSTEM RESET ALL")
    await watcher.execute("SELECT pg_reload_conf()")
    return found


def counted(log: str) -> Counter[str]:
    """Each statement that a line of the log names, with how often it was said."""
    return Counter(match[1] for line in log.splitlines() if (match := _LOGGED.match(line)))


def _percent(spent_s: float, seconds: float) -> float:
    return 100 * spent_s / seconds
