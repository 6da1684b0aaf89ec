"""What a background loop does about its failures: which of them would come again with the same input, and how long they have gone on.

The database or Kafka being away passes, and the whole batch waits for it. A row that the database refuses, or a bug, comes again with the
same input: the batch is taken apart until what is guilty is alone, and that is left out and told, so that nothing waits for it for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from typing import Any, Final, Generic, TypeVar

from saga_coordinator.store.port import BadRow, CountMismatch, StoreError
from saga_messaging.broker import BrokerError

STUCK_AFTER: Final = 3
"""Failures in a row after which a loop counts as stuck."""
HOLD_FIRST_S: Final = 5.0
HOLD_CAP_S: Final = 300.0

_KNOWN: Final = (StoreError, BrokerError, TimeoutError)

Key = TypeVar("Key", bound=Hashable)


def comes_again(error: Exception) -> bool:
    """Whether the same input would fail the same way: true of bugs and of refused rows, false while a service is away."""
    return isinstance(error, BadRow | CountMismatch) or not isinstance(error, _KNOWN)


def said(error: Exception) -> str:
    """An error as a line may quote it."""
    return str(error) or type(error).__name__


def told(error: Exception) -> dict[str, Any]:
    """An error for a log line: a bug with its trace. What a database says goes without: its own words may quote a row (S17)."""
    return {"error": said(error)} if isinstance(error, _KNOWN) else {"exc_info": error}


class LoopHealth:
    """Failures in a row, by loop of this instance."""

    def __init__(self) -> None:
        self._failures: dict[str, tuple[int, str]] = {}

    def failed(self, loop: str, error: Exception) -> None:
        """A round of this loop came to nothing."""
        count, _ = self._failures.get(loop, (0, ""))
        # Of a bug only its type: what an unexpected error says may quote a payload (S17).
        self._failures[loop] = (count + 1, said(error) if isinstance(error, _KNOWN) else type(error).__name__)

    def went(self, loop: str) -> None:
        """It did its work."""
        self._failures.pop(loop, None)

    def stuck(self) -> Mapping[str, str]:
        """By loop, what it fails with, for those that have failed again and again."""
        return {
            loop: f"failed {count} times in a row, last with: {error}"
            for loop, (count, error) in self._failures.items()
            if count >= STUCK_AFTER
        }


class Held(Generic[Key]):
    """What failed alone and is left alone for a while, each time twice as long, up to `HOLD_CAP_S`; times are monotonic seconds."""

    def __init__(self) -> None:
        self._held: dict[Key, tuple[float, float]] = {}

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, key: Key, now_s: float) -> float:
        """For how long, in seconds."""
        _, last = self._held.get(key, (0.0, HOLD_FIRST_S / 2))
        wait = min(last * 2, HOLD_CAP_S)
        self._held[key] = (now_s + wait, wait)
        return wait

    def free(self, keys: Collection[Key], now_s: float) -> list[Key]:
        """Those whose time is over, or who were never held."""
        return [key for key in keys if key not in self._held or self._held[key][0] <= now_s]

    def drop(self, key: Key) -> None:
        """It went well."""
        self._held.pop(key, None)
