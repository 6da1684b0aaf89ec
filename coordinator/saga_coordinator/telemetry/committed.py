"""The metrics and log lines of a batch, written once its commit is known.

Every way in which a saga can move ends here. So nothing is counted that was rolled back, and nothing
is counted twice that was tried twice. A failure here never fails the batch: its work is done.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import structlog

from saga_coordinator.engine.facts import ReplySeen
from saga_coordinator.sagas.work import SagaWork
from saga_coordinator.store.port import DeadLetter
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.telemetry.log_fields import about


class Telemetry:
    """Figures and log."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._log = structlog.get_logger("sagas").bind()

    def committed(self, works: Sequence[SagaWork], letters: Sequence[DeadLetter], orphans: int) -> None:
        try:
            self._tell(works, letters, orphans)
        except Exception as error:
            self._log.error("telemetry_failed", exc_info=error)
            self._instruments.loop_failed("telemetry")

    def _tell(self, works: Sequence[SagaWork], letters: Sequence[DeadLetter], orphans: int) -> None:
        debug = self._log.is_enabled_for(logging.DEBUG)
        for work in works:
            self._instruments.committed(work)
            for row in work.attention_raised:
                self._log.warning("attention_raised", **about(work, step=row.step), reason=row.reason)
            if debug:
                self._tell_replies(work)
        for letter in letters:
            self._instruments.dead_letter(letter.consumer, letter.reason)
        if orphans:
            self._instruments.orphans(orphans)

    def _tell_replies(self, work: SagaWork) -> None:
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
