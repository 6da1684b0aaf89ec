"""What a background loop does about its failures.

A database or a Kafka that is away comes back, and the whole batch waits for it. A bug, or a row
that the database refuses, fails again with the same input. The batch is then taken apart until the
guilty part is alone; that part is left out and logged, so that nothing waits for it for ever.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

from saga_coordinator.store.port import BadRow, CountMismatch, StoreError
from saga_messaging.background import backoff
from saga_messaging.broker import BrokerError

STUCK_AFTER: Final = 3
"""Failures in a row after which a loop counts as stuck."""
FIRST_PAUSE_S: Final = 5.0
LONGEST_PAUSE_S: Final = 300.0

_KNOWN: Final = (StoreError, BrokerError, TimeoutError)

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Read = TypeVar("Read")


def comes_again(error: Exception) -> bool:
    """Whether the same input would fail the same way: a bug or a refused row, no service that is
    away.
    """
    return isinstance(error, BadRow | CountMismatch) or not isinstance(error, _KNOWN)


def one_line(error: Exception) -> str:
    """The error's text, or its type where it has none."""
    return str(error) or type(error).__name__


def error_fields(error: Exception) -> dict[str, Any]:
    """The error as fields of a log line: a known one as text, a bug with its traceback.

    A database's error goes without a traceback: a drawn one may quote a row (S17).
    """
    return {"error": one_line(error)} if isinstance(error, _KNOWN) else {"exc_info": error}


async def read_apart(
    items: Sequence[Item], read: Callable[[Sequence[Item]], Awaitable[list[Read]]], bad: Callable[[Item, BadRow], list[Read]]
) -> list[Read]:
    """What `read` makes of all items together. Where one of them leads to a row that is none, what
    it makes of each alone, and `bad` of those that do.
    """
    try:
        return await read(items)
    except BadRow as error:
        if len(items) == 1:
            return bad(items[0], error)
        return [one for item in items for one in await read_apart([item], read, bad)]


class LoopHealth:
    """Failures in a row, by loop of this instance."""

    def __init__(self) -> None:
        self._failures: dict[str, tuple[int, str]] = {}

    def failed(self, loop: str, error: Exception) -> None:
        """A round of this loop came to nothing."""
        count, _ = self._failures.get(loop, (0, ""))
        # Of a bug only its type: the text of an unexpected error may quote a payload (S17).
        self._failures[loop] = (count + 1, one_line(error) if isinstance(error, _KNOWN) else type(error).__name__)

    def went(self, loop: str) -> None:
        """A round of this loop did its work."""
        self._failures.pop(loop, None)

    def stuck(self) -> Mapping[str, str]:
        """By loop: what it fails with, for those that have failed again and again."""
        return {
            loop: f"failed {count} times in a row, last with: {error}"
            for loop, (count, error) in self._failures.items()
            if count >= STUCK_AFTER
        }


class Backoff:
    """Pauses of a loop that fails, each twice as long as the one before, up to a bound, in
    seconds."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._failures = 0

    @property
    def failing(self) -> bool:
        """Whether the last turn failed."""
        return self._failures > 0

    def failed(self) -> float:
        """How long the pause is that begins now."""
        self._failures += 1
        return backoff(self._failures, first_s=self._first_s, cap_s=self._longest_s, jitter=0.0)

    def succeeded(self) -> None:
        """Forget the pauses."""
        self._failures = 0


class KeyedBackoff(Generic[Key]):
    """Pauses of what failed alone, each twice as long as the one before, up to a bound.

    Times are monotonic seconds.
    """

    def __init__(self) -> None:
        self._pauses: dict[Key, tuple[float, float]] = {}
        """Until when each key pauses, and how long."""

    def __len__(self) -> int:
        return len(self._pauses)

    def failed(self, key: Key, now_s: float) -> float:
        """Begin the key's next pause; return how long it is, in seconds."""
        _, last_s = self._pauses.get(key, (0.0, FIRST_PAUSE_S / 2))
        pause_s = min(last_s * 2, LONGEST_PAUSE_S)
        self._pauses[key] = (now_s + pause_s, pause_s)
        return pause_s

    def ready(self, keys: Collection[Key], now_s: float) -> list[Key]:
        """Those of the keys that do not pause now, in their order."""
        return [key for key in keys if key not in self._pauses or self._pauses[key][0] <= now_s]

    def succeeded(self, key: Key) -> None:
        """Forget the key's pauses."""
        self._pauses.pop(key, None)
