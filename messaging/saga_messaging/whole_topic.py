"""A small topic read whole: from its beginning to where it ended when the reading began, in nobody's group."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from saga_messaging.broker import Broker, BrokerError, Record

POLL_S: Final = 0.5
POLL_RECORDS: Final = 200
QUIET_POLLS: Final = 4
"""So many empty polls end the reading too: behind the last record there may be offsets without one (compaction, markers)."""


async def read_whole(broker: Broker, topic: str, take: Callable[[Record], None], *, limit_s: float) -> None:
    """Give every record to `take`, in order per partition. Raises BrokerError, also where the topic is not there or the time is over."""
    consumer = broker.consumer(group=None)
    try:
        async with asyncio.timeout(limit_s):
            await consumer.start()
            await consumer.subscribe([topic])
            ours = consumer.assignment()
            if not ours:
                raise BrokerError(f"the topic {topic} is not there, or may not be read")
            firsts, ends = await consumer.earliest(ours), await consumer.end_offsets(ours)
            for position, first in firsts.items():
                consumer.seek(position, first)
            left = {position: end for position, end in ends.items() if end > firsts.get(position, end)}
            quiet = 0
            while left and quiet < QUIET_POLLS:
                records = await consumer.poll(timeout_s=POLL_S, max_records=POLL_RECORDS)
                quiet = 0 if records else quiet + 1
                for record in records:
                    take(record)
                    if record.offset + 1 >= left.get(record.source, record.offset + 2):
                        del left[record.source]
    except TimeoutError:
        raise BrokerError(f"the topic {topic} could not be read within {limit_s:g} s") from None
    finally:
        await consumer.stop()
