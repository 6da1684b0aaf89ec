"""The part of the store port that keeps the journal in partitions: ranges of saga ids, and so of
the time at which sagas began.

One partition is the *rest*: it has every saga that no range covers. So a saga always has a place,
whatever was made or not made in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from saga_schemas.record_class import record


@record
class Period:
    """Sagas that begin from one time on and before another, in microseconds since 1970."""

    since_us: int
    until_us: int


@record
class Partition:
    name: str
    period: Period | None
    """None: this is the rest."""
    size_bytes: int
    """On disk, with its index."""


@record
class Left:
    """What a partition still holds. More than the asked number of rows are not counted."""

    rows: int
    size_bytes: int


class Partitions(Protocol):
    """The journal's partitions, in the hands of one instance.

    Each method leaves a database with which any coordinator can work, wherever it is interrupted.
    """

    async def all(self) -> list[Partition]:
        """Return the partitions, the earliest first and the rest last."""
        ...

    async def latest_in_rest(self, within: Period) -> int | None:
        """Return when the latest saga began of those in the rest that began within this period."""
        ...

    async def add(self, periods: Sequence[Period]) -> None:
        """Make partitions for periods that follow one another and have no row yet.

        Until it is done, no saga can be started within these periods: they must lie well ahead.
        """
        ...

    async def left(self, partition: Partition, most_rows: int) -> Left:
        """Count what a partition still holds, up to one row more than `most_rows`."""
        ...

    async def drop(self, partition: Partition, most_rows: int) -> int | None:
        """Drop a partition, and move what it still holds to the rest, in one transaction.

        The rest itself is replaced by a new one.

        Returns:
            How many rows were moved; None: there were more than `most_rows`, and nothing happened.
        """
        ...


class Partitioned(Protocol):
    """What a store says of its partitions."""

    def partitions(self) -> AbstractAsyncContextManager[Partitions | None]:
        """Try to be the one instance that sees to them, for as long as the context lasts.

        None: another instance does, or the database has none. What an instance left half-made when
        it died is cleared first.
        """
        ...
