"""Topics deleted so that they can be made anew at once."""

from __future__ import annotations

import asyncio
from typing import Any

GONE_LIMIT_S = 30.0


async def delete_for_good(broker: Any, topic: str) -> None:
    """Deletes a topic, and returns when no broker knows it any more.

    A controller says yes before its brokers have heard of it. `ensure_topics` would meanwhile take
    the dying topic for a living one, and make none.
    """
    await broker.delete_topics([topic])
    async with asyncio.timeout(GONE_LIMIT_S):
        while (await broker.partitions([topic]))[topic]:  # noqa: ASYNC110  # only asking again can tell
            await asyncio.sleep(0.05)
