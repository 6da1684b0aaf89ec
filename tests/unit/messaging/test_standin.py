"""The stand-in's child process ends with its parent, however that ends."""

from __future__ import annotations

import asyncio
import signal
import sys

from saga_messaging.standin import StandIn

PARENT = """
import asyncio
from saga_messaging.standin import StandIn
async def main():
    stand_in = StandIn()
    print(await stand_in.start(), flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


async def test_it_gives_an_address_that_answers_and_stops_twice() -> None:
    stand_in = StandIn()
    host, port = (await stand_in.start()).split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.close()
    await stand_in.stop()
    await stand_in.stop()
    await refused(host, int(port))


async def test_killing_the_parent_leaves_nothing_behind() -> None:
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    address = (await parent.stdout.readline()).decode().strip()
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    host, port = address.split(":")
    await refused(host, int(port))


async def refused(host: str, port: int) -> None:
    """Until nobody listens there any more."""
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, port)
                writer.close()
            except ConnectionRefusedError:
                return
            except ConnectionResetError:  # it ended with this connection in its queue: the next one tells
                pass
            await asyncio.sleep(0.02)
