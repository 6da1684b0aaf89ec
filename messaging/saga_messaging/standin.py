"""The embedded stand-in for Kafka: librdkafka's mock cluster in a child process. Nothing persists;
not for production.

The child (`python -m saga_messaging.standin`) prints its bootstrap address and ends when its
standard input closes, so that whatever ends the parent, kill -9 included, leaves nothing running.
confluent-kafka is imported in the child only.
"""

from __future__ import annotations

import asyncio
import sys
from types import TracebackType

from saga_messaging.broker import BrokerError

START_S = 10.0
STOP_S = 3.0
BROKERS = 1


class StandIn:
    """`async with StandIn() as bootstrap_servers:` or `start()` and `stop()`."""

    def __init__(self) -> None:
        self._child: asyncio.subprocess.Process | None = None

    async def start(self) -> str:
        """Starts it and returns the bootstrap address.

        Raises:
            BrokerError: It did not start; says what to install when confluent-kafka is missing.
        """
        pipe = asyncio.subprocess.PIPE
        self._child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "saga_messaging.standin",
            stdin=pipe,
            stdout=pipe,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C at the terminal is for the parent, which still needs its broker to stop well
        )
        assert self._child.stdout is not None
        try:
            async with asyncio.timeout(START_S):
                answer = (await self._child.stdout.readline()).decode().strip()
        except TimeoutError:
            answer = "it did not answer"
        if not answer.startswith("127.0.0.1:"):
            await self.stop()
            raise BrokerError(f"the Kafka stand-in did not start: {answer or 'it ended at once'}")
        return answer

    async def stop(self) -> None:
        child, self._child = self._child, None
        if child is None or child.returncode is not None:
            return
        assert child.stdin is not None
        child.stdin.close()
        try:
            async with asyncio.timeout(STOP_S):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()

    async def __aenter__(self) -> str:
        return await self.start()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()


def serve() -> int:
    """The child: a mock cluster for as long as standard input is open."""
    try:
        from confluent_kafka import Producer
    except ImportError:
        print("confluent-kafka is missing: install 'saga-coordinator[demo]'", flush=True)
        return 1
    # The mock cluster lives inside a client made with this setting; that client itself is never
    # used otherwise.
    owner = Producer({"test.mock.num.brokers": BROKERS, "bootstrap.servers": "ignored", "log_level": 0})
    brokers = owner.list_topics(timeout=5).brokers.values()
    print(",".join(f"127.0.0.1:{broker.port}" for broker in brokers), flush=True)
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(serve())
