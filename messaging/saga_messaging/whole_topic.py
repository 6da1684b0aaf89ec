"""A small topic read whole: from its beginning to where it ended when the reading began, in
nobody's group."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from saga_messaging.broker import Broker, BrokerError, Record

POLL_S: Final = 0.5
POLL_RECORDS: Final = 200


async def read_whole(broker: Broker, topic: str, take: Callable[[Record], None], *, limit_s: float) -> None:
    """Give every record that can be read to `take`, in order per partition.

    Raises BrokerError, also where the topic is not there or the time is over.
    """
    consumer = broker.consumer(group=None)
    try:
        async with asyncio.timeout(limit_s):
            await consumer.start()
            await consumer.subscribe([topic])
            ours = consumer.assignment()
            if not ours:
                raise BrokerError(f"the topic {topic} is not there, or may not be read")
            firsts, ends = await consumer.earliest(ours), await consumer.readable_offsets(ours)
            for position, first in firsts.items():
                consumer.seek(position, first)
            while any((consumer.position(position) or 0) < end for position, end in ends.items() if position in firsts):
                for record in await consumer.poll(timeout_s=POLL_S, max_records=POLL_RECORDS):
                    if record.fault is None:
                        take(record)
    except TimeoutError:
        raise BrokerError(f"the topic {topic} could not be read within {limit_s:g} s") from None
    finally:
        await consumer.stop()
