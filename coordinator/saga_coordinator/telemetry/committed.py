"""The metrics and log lines of a batch, written once its commit is known.

Every way in which a saga can move ends here. So nothing is counted that was rolled back, and
nothing is counted twice that was tried twice. A failure here never fails the batch: its work is
done.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import structlog

from saga_coordinator.engine.facts import ReplySeen
from saga_coordinator.sagas.work import SagaWork
from saga_coordinator.store.port import AttentionRow, DeadLetter
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.telemetry.log_fields import about


class CommitTelemetry:
    """Counts and logs what commits did."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._log = structlog.get_logger("sagas").bind()

    def committed(
        self,
        works: Sequence[SagaWork],
        attention_raised: Iterable[tuple[SagaWork, AttentionRow]],
        letters: Sequence[DeadLetter],
        orphans: int,
    ) -> None:
        """Count and log one batch. Raises nothing."""
        try:
            self._count(works, attention_raised, letters, orphans)
        except Exception as error:
            self._log.error("telemetry_failed", exc_info=error)
            self._instruments.loop_failed("telemetry")

    def _count(
        self,
        works: Sequence[SagaWork],
        attention_raised: Iterable[tuple[SagaWork, AttentionRow]],
        letters: Sequence[DeadLetter],
        orphans: int,
    ) -> None:
        debug = self._log.is_enabled_for(logging.DEBUG)
        for work in works:
            self._instruments.committed(work)
            if debug:
                self._log_replies(work)
        for work, row in attention_raised:
            self._instruments.attention_raised(work.compiled.definition.name, row.reason)
            self._log.warning("attention_raised", **about(work, step=row.step), reason=row.reason)
        for letter in letters:
            self._instruments.dead_letter(letter.consumer, letter.reason)
            self._instruments.traffic.letter(letter.reason, letter.at_us)
        if orphans:
            self._instruments.orphans(orphans)

    def saved(self, took_s: float, at_us: int) -> None:
        """Count how long saving and committing a batch took; `at_us` is its time."""
        self._instruments.traffic.saved(round(took_s * 1e6), at_us)

    def _log_replies(self, work: SagaWork) -> None:
        for moved in work.moved:
            for fact in moved.facts:
                if isinstance(fact, ReplySeen):
                    self._log.debug(
                        "reply_applied",
                        **about(work, reply=fact),
                        kind=fact.kind,
                        outcome=fact.outcome,
                        attempt=fact.attempt,
                    )
