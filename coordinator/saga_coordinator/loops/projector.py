"""The projector: spans of sampled sagas are made from journal records and sent to a collector.

Owed spans stand in `span_due`. A row is written in the transition's own transaction, and deleted
once the collector has acknowledged the spans. A crash anywhere so loses none, and sending twice
sends identical spans. A collector that is away or slow costs rows of two numbers and nothing else;
they are paid when it is back.

One instance at a time exports, by an advisory lock. The lock saves work; nothing depends on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import structlog

from saga_coordinator.failures import comes_again
from saga_coordinator.loops.lookout import Lookout
from saga_coordinator.registry.definition_cache import DefinitionCache, DefinitionMissing
from saga_coordinator.store.port import SagaRow, Store, StoreError
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.telemetry.log_fields import about_row
from saga_coordinator.traces.collector import Collector, SpansRefused, batches
from saga_coordinator.traces.projection import Projection
from saga_coordinator.traces.reading import completed, read_spans, traced_saga
from saga_coordinator.traces.spans import Span
from saga_messaging.clock import Clock
from saga_schemas.topics import Topics
from saga_schemas.trace_context import SAMPLED

FIRST_PAUSE_S: Final = 1.0
PAUSE_CAP_S: Final = 10.0
AGAIN_S: Final = 60.0
"""How soon sagas that were passed over come again, even if new ones keep coming behind them."""
BATCH_ROWS: Final = 400
"""Owed transitions of one export."""
SHORT_JOURNAL: Final = 50
"""Journals of up to so many records are read together."""

Owed = dict[UUID, list[int]]
"""By saga: the versions whose spans are owed."""


class Projector:
    """Sends the spans that `span_due` owes."""

    def __init__(
        self,
        *,
        store: Store,
        lookout: Lookout,
        definitions: DefinitionCache,
        collector: Collector,
        topics: Topics,
        clock: Clock,
        instruments: Instruments,
    ) -> None:
        self._store = store
        self._looks = lookout.looks()
        self._definitions = definitions
        self._collector = collector
        self._topics = topics
        self._clock = clock
        self._instruments = instruments
        self._rows = BATCH_ROWS
        self._after: UUID | None = None
        """Sagas up to this id are passed over: the last of them was refused alone.

        They come again after all others, or after AGAIN_S.
        """
        self._passed_over_s = 0.0
        self._trouble: str | None = None
        self._log = structlog.get_logger("projector")

    async def run(self) -> None:
        pause_s = FIRST_PAUSE_S
        try:
            while True:
                try:
                    await self._owing()
                    while await self.export_some():
                        pass
                    pause_s = FIRST_PAUSE_S
                    continue
                except (StoreError, SpansRefused, TimeoutError) as error:
                    self._log_once(str(error) or type(error).__name__)
                    pause_s = min(pause_s * 2, PAUSE_CAP_S)
                except Exception as error:  # a bug must not end the process: the rows stay
                    self._log.error("projection_failed", exc_info=error)
                    self._instruments.loop_failed("projector")
                    pause_s = PAUSE_CAP_S
                await self._clock.sleep(pause_s)
        finally:
            self._collector.close()

    async def _owing(self) -> None:
        """Wait for the next look that finds owed spans.

        Most sagas have ended until it comes, and their journal is read once.
        """
        while not (await self._looks.next()).spans:
            pass

    async def export_some(self) -> bool:
        """Export one batch.

        Returns:
            Whether there is more to export at once.

        Raises:
            StoreError: The store is away.
            SpansRefused: The collector did not take them; smaller batches come next.
        """
        owed = await self._owed()
        if not owed:
            wrapped, self._after = self._after is not None, None
            return wrapped
        async with self._store.projector_lock() as mine:
            if not mine:
                return False
            try:
                await self._pay(owed)
            except SpansRefused:
                self._instruments.span_export_failed()
                self._make_way(owed)
                raise
            except Exception as error:
                if comes_again(error):
                    self._make_way(owed)
                raise
        full = sum(len(versions) for versions in owed.values()) >= self._rows
        self._rows = min(self._rows * 2, BATCH_ROWS)
        self._recovered()
        return full

    async def _owed(self) -> Owed:
        if self._after is not None and self._clock.monotonic_s() - self._passed_over_s >= AGAIN_S:
            self._after = None
        owed: Owed = {}
        for saga_id, version in await self._store.spans_due(after=self._after, limit=self._rows):
            owed.setdefault(saga_id, []).append(version)
        return owed

    async def _pay(self, owed: Owed) -> None:
        """Export what is owed and, once it is acknowledged, delete the rows."""
        rows = await self._store.sagas(owed)
        short = [row.id for row in rows.values() if row.version <= SHORT_JOURNAL]
        journals = await self._store.journals(short)
        spans: list[Span] = []
        paid: list[tuple[UUID, int]] = [(id, version) for id in owed.keys() - rows.keys() for version in owed[id]]
        for row in rows.values():
            try:
                saga = traced_saga(row, await self._definitions.get(row.definition_id), self._topics)
            except DefinitionMissing as missing:
                self._log.error("saga_not_traced", **about_row(row), error=str(missing))
                self._pass_over(row.id)
                continue
            if row.id in journals:
                spans += _wanted(completed(Projection(saga), journals[row.id]), row, owed[row.id])
            else:
                spans += [span async for span in read_spans(self._store, Projection(saga)) if _wanted([span], row, owed[row.id])]
            paid += [(row.id, version) for version in owed[row.id]]
        await self._send(spans)
        if paid:
            async with self._store.transaction() as tx:
                await tx.delete_spans_due(paid)

    async def _send(self, spans: Sequence[Span]) -> None:
        for batch in batches(spans):
            await self._collector.send(batch)
            self._instruments.spans_exported(len(batch))

    def _make_way(self, owed: Owed) -> None:
        """Make the next batch smaller, in the end one saga.

        A saga whose spans are always refused, or that meets a bug, is so found and passed over; the
        spans of the others still go.
        """
        if len(owed) == 1:
            self._pass_over(next(iter(owed)))
        self._rows = max(self._rows // 4, 1)

    def _pass_over(self, saga_id: UUID) -> None:
        if self._after is None:
            self._passed_over_s = self._clock.monotonic_s()
        self._after = saga_id

    def _log_once(self, error: str) -> None:
        """Log the trouble once an outage."""
        if self._trouble is None:
            self._log.warning("spans_delayed", error=error)
        self._trouble = error

    def _recovered(self) -> None:
        if self._trouble is not None:
            self._log.info("spans_go_out_again")
            self._trouble = None


def _wanted(spans: Sequence[Span], row: SagaRow, versions: Sequence[int]) -> list[Span]:
    """The spans that are owed.

    Of a sampled saga these are the spans that the owed transitions completed. Of a saga that was
    sampled because it failed, they are all spans up to there.
    """
    if row.trace_flags & SAMPLED:
        due = set(versions)
        return [span for span in spans if span.completed_by in due]
    return [span for span in spans if span.completed_by <= max(versions)]
