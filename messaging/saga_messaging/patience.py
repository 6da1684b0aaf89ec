"""Waiting at a process's start for what it needs and finds not up yet: a database that is starting,
a Kafka that is late.

    patience = Patience(120, clock=SystemClock(), stop=stop)
    await patience.wait_for("the database", store.start, passing=not_up_yet)

What is configured wrongly does not pass by itself, so it is not waited for.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Final, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from saga_messaging.background import backoff, end, happened
from saga_messaging.broker import AccessRefused, BrokerError
from saga_messaging.clock import Clock
from saga_messaging.errors import ConfigurationError
from saga_messaging.settings import KafkaSettings

START_PATIENCE_S: Final = 120.0
LONGEST_PATIENCE_S: Final = 86_400.0
VARIABLE: Final = "SAGA_START_PATIENCE_S"
PatienceS = Annotated[float, Field(ge=0, le=LONGEST_PATIENCE_S)]
"""Seconds; 0 waits for nothing."""
SAY_EVERY_S: Final = 10.0
FIRST_SAID_S: Final = 2.0
"""An attempt that takes so long is said to be waited for."""
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 2.0
_REASON_CHARS: Final = 300
_LOG: Final = logging.getLogger("saga_messaging.start")

Result = TypeVar("Result")


class StoppedWaiting(Exception):
    """The process was told to end while it waited: not a failure."""


class Patience:
    """One process's, over everything that it waits for at its start.

    `limit_s`: seconds from now, over all waits together; 0 waits for nothing. `stop`: ends a wait.
    `waiting`: called once, when it is known that something has to be waited for.
    """

    def __init__(
        self,
        limit_s: float,
        *,
        clock: Clock,
        stop: asyncio.Event | None = None,
        waiting: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._began_s = clock.monotonic_s()
        self._until_s = self._began_s + limit_s
        self._stop = stop or asyncio.Event()
        self._waiting = waiting
        self._said_s = self._began_s
        self.reason = ""
        """What is being waited for, and why, as one line; empty while nothing is."""

    async def wait_for(
        self,
        what: str,
        attempt: Callable[[], Awaitable[Result]],
        *,
        passing: Callable[[Exception], str | None],
        at_most_s: float = math.inf,
    ) -> Result:
        """What the attempt gives in the end.

        `passing` says in words why an error may pass by itself; None: it will not, and is raised at
        once. The last error is raised when the time is over; StoppedWaiting when the process was
        told to end. An attempt that runs is never cut short for its time: it may be making tables.
        """
        failures = 0
        until_s = min(self._until_s, self._clock.monotonic_s() + at_most_s)
        while True:
            try:
                result = await self._attempted(what, attempt)
            except Exception as error:
                why = None if isinstance(error, StoppedWaiting) else passing(error)
                if why is None or self._clock.monotonic_s() >= until_s:
                    raise
                self._say(what, why)
            else:
                self._arrived(what)
                return result
            failures += 1
            pause_s = backoff(failures, first_s=FIRST_PAUSE_S, cap_s=LONGEST_PAUSE_S, jitter=random.random())
            left_s = until_s - self._clock.monotonic_s()
            if await happened(self._stop, self._clock, min(pause_s, left_s)):
                raise StoppedWaiting(self.reason)

    async def _attempted(self, what: str, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """One attempt. Where it takes long that is said, and a stop ends it."""
        trying = asyncio.ensure_future(attempt())
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            while not trying.done():
                saying = asyncio.ensure_future(self._clock.sleep(SAY_EVERY_S if self.reason else FIRST_SAID_S))
                await asyncio.wait((trying, stopping, saying), return_when=asyncio.FIRST_COMPLETED)
                saying.cancel()
                if stopping.done() and not trying.done():
                    raise StoppedWaiting(f"{what}: no answer yet")
                if not trying.done() and not self.reason:
                    self._say(what, "no answer yet")
            return trying.result()
        finally:
            await end((stopping, trying))

    def _say(self, what: str, why: str) -> None:
        """At the first failure, when the reason changes, and now and then."""
        now_s = self._clock.monotonic_s()
        reason = f"{what}: {why}"[:_REASON_CHARS]
        if reason != self.reason or now_s - self._said_s >= SAY_EVERY_S:
            self._said_s = now_s
            _LOG.warning("waiting for %s (for %.0f s more at most)", reason, max(0.0, self._until_s - now_s))
        if not self.reason:
            self._waiting()
        self.reason = reason

    def _arrived(self, what: str) -> None:
        if self.reason:
            _LOG.info("%s is there, after %.1f s", what, self._clock.monotonic_s() - self._began_s)
        self.reason = ""


def patience_from(environ: Mapping[str, str]) -> float:
    """Seconds, from `SAGA_START_PATIENCE_S`. Raises ConfigurationError."""
    text = environ.get(VARIABLE)
    if not text:
        return START_PATIENCE_S
    try:
        return TypeAdapter(PatienceS).validate_python(text)
    except ValidationError:
        raise ConfigurationError(f"{VARIABLE}: write seconds from 0 to {LONGEST_PATIENCE_S:.0f}") from None


def kafka_may_come(error: Exception) -> str | None:
    """Why Kafka cannot be used yet.

    Returns:
        None where it is there and does not let us in, or where the error is not Kafka's.
    """
    return str(error) if isinstance(error, BrokerError) and not isinstance(error, AccessRefused) else None


def unanswered(kafka: KafkaSettings, error: BrokerError) -> str:
    """The line that a process ends with when Kafka did not come up, or does not let us in."""
    advice = "" if "check SAGA_KAFKA_" in str(error) else "; check SAGA_KAFKA_BOOTSTRAP_SERVERS"
    return f"Kafka does not answer at {kafka.bootstrap_servers}: {error}{advice}"
