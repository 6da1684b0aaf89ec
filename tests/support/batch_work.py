"""A process that works on batches of acts until somebody kills it: `python -m support.batch_work
DATABASE_URL`."""

from __future__ import annotations

import asyncio
import sys

from saga_messaging.memory import MemoryBroker
from support.coordinators import opened, running, settings_for


async def work(url: str) -> None:
    async with opened(url) as store, running(store, MemoryBroker(), settings_for(url, roles="sweeper")):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1]))
