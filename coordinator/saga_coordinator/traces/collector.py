"""The port to a collector of spans. It loads none of OpenTelemetry's libraries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from saga_coordinator.traces.spans import Span

SPANS_AT_ONCE: Final = 1_000


class SpansRefused(Exception):
    """The collector did not acknowledge the spans: it is away, it is slow, or it refuses them."""


class Collector(Protocol):
    """A collector of spans."""

    async def send(self, batch: Sequence[Span]) -> None:
        """Returns when the collector has acknowledged all of them. Raises SpansRefused."""
        ...

    def close(self) -> None: ...


def batches(found: Sequence[Span]) -> Iterator[Sequence[Span]]:
    """The spans in parts of `SPANS_AT_ONCE`: a collector bounds the size of a request."""
    for start in range(0, len(found), SPANS_AT_ONCE):
        yield found[start : start + SPANS_AT_ONCE]
